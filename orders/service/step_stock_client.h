#ifndef SAGAMESH_ORDERS_SERVICE_STEP_STOCK_CLIENT_H_
#define SAGAMESH_ORDERS_SERVICE_STEP_STOCK_CLIENT_H_

#include "common/rpc/step_caller.h"
#include "orders/service/stock_client.h"

namespace sagamesh::orders {

inline constexpr char kStockService[] = "customers.v1.StockService";

// The stock by a StepCaller, which outlives it.
class StepStockClient final : public StockClient {
 public:
  explicit StepStockClient(rpc::StepCaller& step_caller) : step_caller_(step_caller) {}

  void ReserveStock(const CallContext& context, const ::customers::v1::ReserveStockRequest& request,
                    Done<::customers::v1::ReserveStockResponse> done) override;
  void CommitReservation(const CallContext& context, const ::customers::v1::CommitReservationRequest& request,
                         Done<::customers::v1::CommitReservationResponse> done) override;
  void ReleaseReservation(const CallContext& context, const ::customers::v1::ReleaseReservationRequest& request,
                          Done<::customers::v1::ReleaseReservationResponse> done) override;

 private:
  template <typename Request, typename Response>
  void Call(const char* method, const CallContext& context, const Request& request, Done<Response> done);

  rpc::StepCaller& step_caller_;
};

}  // namespace sagamesh::orders

#endif  // SAGAMESH_ORDERS_SERVICE_STEP_STOCK_CLIENT_H_
