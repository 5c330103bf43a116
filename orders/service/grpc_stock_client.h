#ifndef SAGAMESH_ORDERS_SERVICE_GRPC_STOCK_CLIENT_H_
#define SAGAMESH_ORDERS_SERVICE_GRPC_STOCK_CLIENT_H_

#include <functional>
#include <memory>
#include <string>

#include "common/exec/in_flight.h"
#include "customers/v1/customers.grpc.pb.h"
#include "orders/service/stock_client.h"

namespace sagamesh::orders {

// The stock over gRPC. The destructor waits for the calls under way, at most as long as their deadlines.
class GrpcStockClient final : public StockClient {
 public:
  explicit GrpcStockClient(const std::string& target);  // common/rpc/target.h
  ~GrpcStockClient() override;

  void ReserveStock(const CallContext& context, const ::customers::v1::ReserveStockRequest& request,
                    Done<::customers::v1::ReserveStockResponse> done) override;
  void CommitReservation(const CallContext& context, const ::customers::v1::CommitReservationRequest& request,
                         Done<::customers::v1::CommitReservationResponse> done) override;
  void ReleaseReservation(const CallContext& context, const ::customers::v1::ReleaseReservationRequest& request,
                          Done<::customers::v1::ReleaseReservationResponse> done) override;

 private:
  using Stub = ::customers::v1::StockService::Stub::async_interface;
  template <typename Request, typename Response>
  void Call(void (Stub::*method)(grpc::ClientContext*, const Request*, Response*, std::function<void(grpc::Status)>),
            const CallContext& context, const Request& request, Done<Response> done);

  std::unique_ptr<::customers::v1::StockService::Stub> stub_;
  InFlight in_flight_;
};

}  // namespace sagamesh::orders

#endif  // SAGAMESH_ORDERS_SERVICE_GRPC_STOCK_CLIENT_H_
