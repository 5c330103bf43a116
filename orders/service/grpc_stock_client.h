#ifndef SAGAMESH_ORDERS_SERVICE_GRPC_STOCK_CLIENT_H_
#define SAGAMESH_ORDERS_SERVICE_GRPC_STOCK_CLIENT_H_

#include <memory>
#include <string>

#include "orders/service/stock_client.h"

namespace sagamesh::orders {

// Customers by gRPC, on one channel that connects by itself. The destructor cancels what is under way and waits for its
// end.
class GrpcStockClient final : public StockClient {
 public:
  explicit GrpcStockClient(const std::string& target);
  ~GrpcStockClient() override;

  void ReserveStock(const CallContext& context, const ::customers::v1::ReserveStockRequest& request,
                    Reply<::customers::v1::ReserveStockResponse> done) override;
  void CommitReservation(const CallContext& context, const ::customers::v1::CommitReservationRequest& request,
                         Reply<::customers::v1::CommitReservationResponse> done) override;
  void ReleaseReservation(const CallContext& context, const ::customers::v1::ReleaseReservationRequest& request,
                          Reply<::customers::v1::ReleaseReservationResponse> done) override;

  // Cancels what is under way and waits for its end; calls made later are cancelled too. For a process that ends.
  void Shutdown();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace sagamesh::orders

#endif  // SAGAMESH_ORDERS_SERVICE_GRPC_STOCK_CLIENT_H_
