#include "common/rpc/server.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <future>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/rpc/channel.h"
#include "common/rpc/status.h"
#include "common/rpc/test_server.h"
#include "common/status/error.h"
#include "common/testing/status_matchers.h"

namespace sagamesh::rpc {
namespace {

using ::sagamesh::testing::HasCode;
using ::testing::HasSubstr;

// grpc.health.v1.Health/Check, whose messages have no generated header here: the request's field 1 is the service's
// name, the response's field 1 the state (1: SERVING, 2: NOT_SERVING).
std::string Health(TestServer& server, const std::string& service) {
  std::string bytes;
  if (!service.empty()) bytes = absl::StrCat("\x0a", std::string(1, static_cast<char>(service.size())), service);
  const grpc::Slice slice(bytes);
  const grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer response;
  grpc::ClientContext context;
  std::promise<grpc::Status> ended;
  grpc::GenericStub stub(server.channel());
  stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", {}, &request, &response,
                 [&ended](grpc::Status status) { ended.set_value(std::move(status)); });
  const grpc::Status status = ended.get_future().get();
  if (!status.ok()) return FromGrpc(status).ToString();
  grpc::Slice reply;
  EXPECT_TRUE(response.DumpToSingleSlice(&reply).ok());
  const std::string text(reinterpret_cast<const char*>(reply.begin()), reply.size());
  return text == "\x08\x01" ? "SERVING" : text == "\x08\x02" ? "NOT_SERVING" : "?";
}

TEST(ServerTest, HealthFollowsForTheServerAndItsServices) {
  TestServer server(AnswerCustomer);
  for (const char* service : {"", "customers.v1.CustomersService"}) {
    server.server().SetServing(false);
    EXPECT_EQ(Health(server, service), "NOT_SERVING");
    server.server().SetServing(true);
    EXPECT_EQ(Health(server, service), "SERVING");
  }
}

TEST(ServerTest, HealthIsNotServingBeforeAnybodySaysSo) {
  TestServer server(AnswerCustomer);
  EXPECT_EQ(Health(server, ""), "NOT_SERVING");
  EXPECT_EQ(Health(server, "customers.v1.CustomersService"), "NOT_SERVING");
}

TEST(ServerTest, WhatHasStoppedServingNeverServesAgainAndStillTakesCalls) {
  TestServer server(AnswerCustomer);
  server.server().SetServing(true);
  server.server().StopServing();
  server.server().SetServing(true);
  EXPECT_EQ(Health(server, ""), "NOT_SERVING");
  EXPECT_EQ(Health(server, "customers.v1.CustomersService"), "NOT_SERVING");
  grpc::ClientContext context;
  EXPECT_OK(server.Call(context));
}

TEST(ServerTest, ATakenPortIsUnavailableAndNamed) {
  TestServer first(AnswerCustomer);
  const std::string address = absl::StrCat("127.0.0.1:", first.server().port());
  const auto second = Server::Start({.address = address});
  EXPECT_THAT(second, HasCode(absl::StatusCode::kUnavailable));
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(address));
}

TEST(ServerTest, ShutdownLetsCallsUnderWayFinish) {
  std::promise<TestServer::Reply> waiting;
  TestServer server(
      [&waiting](const CallContext&, const auto&, TestServer::Reply done) { waiting.set_value(std::move(done)); });
  grpc::ClientContext context;
  std::thread caller([&] { EXPECT_OK(server.Call(context)); });
  TestServer::Reply done = waiting.get_future().get();
  std::thread stopping([&] { server.server().Shutdown(absl::Seconds(30)); });
  SystemClock().SleepFor(absl::Milliseconds(50));
  ::customers::v1::GetCustomerRequest request;
  request.set_customer_id(7);
  AnswerCustomer({}, request, std::move(done));
  caller.join();
  stopping.join();
}

TEST(ServerTest, AChannelFindsAServerThatStartsLater) {
  int port = 0;
  {
    port = TestServer(AnswerCustomer).server().port();
  }
  const auto channel = MakeChannel(absl::StrCat("127.0.0.1:", port));
  EXPECT_FALSE(channel->WaitForConnected(absl::ToChronoTime(SystemClock().Now() + absl::Milliseconds(300))));
  const auto server = Server::Start({.address = absl::StrCat("127.0.0.1:", port)});
  ASSERT_OK(server);
  EXPECT_TRUE(channel->WaitForConnected(absl::ToChronoTime(SystemClock().Now() + absl::Seconds(10))));
}

TEST(ServerDeathTest, TerminationIsWaitedFor) {
  EXPECT_EXIT(
      {
        BlockTerminationSignals();
        raise(SIGTERM);
        WaitForTermination();
        std::exit(7);
      },
      ::testing::ExitedWithCode(7), "");
}

TEST(StatusTest, CodeMessageAndDetailsCrossToGrpcAndBack) {
  const absl::Status statuses[] = {absl::OkStatus(), absl::InternalError("plain"),
                                   InvalidField("orders", "sku", "is empty"),
                                   Overloaded({"orders", "QUEUE_FULL"}, "full", absl::Seconds(1))};
  for (const absl::Status& status : statuses) EXPECT_EQ(FromGrpc(ToGrpc(status)), status);
}

TEST(StatusTest, DetailsThatContradictTheStatusAreNotTrusted) {
  const std::string details = SerializeStatus(absl::NotFoundError("other"));
  const absl::Status status = FromGrpc(grpc::Status(grpc::StatusCode::INTERNAL, "own", details));
  EXPECT_EQ(status, absl::InternalError("own"));
  EXPECT_EQ(FromGrpc(grpc::Status(grpc::StatusCode::INTERNAL, "own", "\xff not a message")),
            absl::InternalError("own"));
}

}  // namespace
}  // namespace sagamesh::rpc
