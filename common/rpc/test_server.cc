#include "common/rpc/test_server.h"

#include <gtest/gtest.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/rpc/channel.h"
#include "common/testing/status_matchers.h"

namespace sagamesh::rpc {

TestServer::TestServer(Logic logic, std::function<void(EdgeOptions&)> configure, const std::string& address)
    : edge_(Options(std::move(configure))), service_(edge_, std::move(logic)) {
  auto server = Server::Start({.address = address, .services = {&service_}});
  EXPECT_OK(server);
  server_ = *std::move(server);
  channel_ = MakeChannel(absl::StrCat("127.0.0.1:", server_->port()));
  stub_ = ::customers::v1::CustomersService::NewStub(channel_);
}

EdgeOptions TestServer::Options(std::function<void(EdgeOptions&)> configure) {
  EdgeOptions options{.domain = "customers",
                      .enable_fault_injection = true,
                      .clock = &clock_,
                      .timers = timers_.get(),
                      .registry = &registry_};
  if (configure) configure(options);
  return options;
}

absl::Status TestServer::Call(grpc::ClientContext& context) {
  ::customers::v1::GetCustomerRequest request;
  request.set_customer_id(7);
  ::customers::v1::GetCustomerResponse response;
  const absl::Status status = FromGrpc(stub_->GetCustomer(&context, request, &response));
  if (status.ok()) {
    EXPECT_EQ(response.customer().customer_id(), 7u);
  }
  return status;
}

int TestServer::Handled(const std::string& code) {
  return static_cast<int>(
      registry_.Counter("sagamesh_rpc_server_handled_total", "", {{"method", kGetCustomer}, {"code", code}}).Value());
}

void AnswerCustomer(const CallContext& call, const ::customers::v1::GetCustomerRequest& request,
                    TestServer::Reply done) {
  ::customers::v1::GetCustomerResponse response;
  response.mutable_customer()->set_customer_id(request.customer_id());
  done(std::move(response), {});
}

}  // namespace sagamesh::rpc
