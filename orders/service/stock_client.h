#ifndef SAGAMESH_ORDERS_SERVICE_STOCK_CLIENT_H_
#define SAGAMESH_ORDERS_SERVICE_STOCK_CLIENT_H_

#include "common/rpc/call_context.h"
#include "customers/v1/customers.pb.h"

namespace sagamesh::orders {

// How orders reaches the stock: gRPC in production, the simulated network in the simulation. Each call is made once,
// within context.deadline, with no retry; `done` comes once, on any thread. Thread-safe.
class StockClient {
 public:
  virtual ~StockClient() = default;

  virtual void ReserveStock(const CallContext& context, const ::customers::v1::ReserveStockRequest& request,
                            Done<::customers::v1::ReserveStockResponse> done) = 0;
  virtual void CommitReservation(const CallContext& context, const ::customers::v1::CommitReservationRequest& request,
                                 Done<::customers::v1::CommitReservationResponse> done) = 0;
  virtual void ReleaseReservation(const CallContext& context, const ::customers::v1::ReleaseReservationRequest& request,
                                  Done<::customers::v1::ReleaseReservationResponse> done) = 0;
};

}  // namespace sagamesh::orders

#endif  // SAGAMESH_ORDERS_SERVICE_STOCK_CLIENT_H_
