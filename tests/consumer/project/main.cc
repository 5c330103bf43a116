// A service of somebody else: serves one of the contracts, calls it through the stub, and reads a refusal's details.

#include <grpcpp/grpcpp.h>

#include <iostream>
#include <memory>
#include <string>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "orders/v1/orders.grpc.pb.h"
#include "saga/v1/options.pb.h"

namespace {

class Orders : public orders::v1::OrdersService::Service {
  grpc::Status GetOrder(grpc::ServerContext*, const orders::v1::GetOrderRequest* request,
                        orders::v1::GetOrderResponse* response) override {
    if (request->order_id() != "mine") {
      google::rpc::ErrorInfo info;
      info.set_domain("orders");
      info.set_reason("ORDER_NOT_FOUND");
      google::rpc::Status details;
      details.set_code(grpc::StatusCode::NOT_FOUND);
      details.add_details()->PackFrom(info);
      return {grpc::StatusCode::NOT_FOUND, "no such order", details.SerializeAsString()};
    }
    response->mutable_order()->set_order_id(request->order_id());
    response->mutable_order()->set_status(orders::v1::Order::CONFIRMED);
    return grpc::Status::OK;
  }
};

bool Expect(bool condition, const std::string& what) {
  std::cout << (condition ? "ok   " : "FAIL ") << what << std::endl;
  return condition;
}

}  // namespace

int main() {
  Orders service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (!Expect(server != nullptr, "the contract can be served")) return 1;

  auto stub = orders::v1::OrdersService::NewStub(
      grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials()));
  auto get = [&](const std::string& order_id, orders::v1::GetOrderResponse& response) {
    grpc::ClientContext context;
    orders::v1::GetOrderRequest request;
    request.set_order_id(order_id);
    return stub->GetOrder(&context, request, &response);
  };

  bool good = true;
  orders::v1::GetOrderResponse response;
  good &= Expect(get("mine", response).ok() && response.order().status() == orders::v1::Order::CONFIRMED,
                 "the stub calls it");

  grpc::Status refused = get("another's", response);
  google::rpc::Status details;
  google::rpc::ErrorInfo info;
  good &= Expect(refused.error_code() == grpc::StatusCode::NOT_FOUND &&
                     details.ParseFromString(refused.error_details()) && details.details_size() == 1 &&
                     details.details(0).UnpackTo(&info) && info.reason() == "ORDER_NOT_FOUND",
                 "an error's details are readable");

  const google::protobuf::MethodDescriptor* confirm =
      orders::v1::Order::descriptor()->file()->FindServiceByName("OrdersService")->FindMethodByName("ConfirmOrder");
  good &= Expect(confirm->options().GetExtension(saga::v1::step).compensation() == "CancelOrder",
                 "the contract carries its compensation");
  server->Shutdown();
  return good ? 0 : 1;
}
