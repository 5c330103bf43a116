#ifndef SAGAMESH_ORDERS_SERVICE_STOCK_CLIENT_H_
#define SAGAMESH_ORDERS_SERVICE_STOCK_CLIENT_H_

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "common/rpc/call_context.h"
#include "customers/v1/customers.pb.h"

namespace sagamesh::orders {

// The stock that orders are made of, at customers. Calls never block and are never retried here: the coordinator retries,
// one layer. `done` is called exactly once, on any thread, at the latest when the context's deadline has passed, and must
// not block. Thread-safe; arguments are used during the call only.
class StockClient {
 public:
  template <typename Response>
  using Reply = absl::AnyInvocable<void(absl::StatusOr<Response>)>;

  virtual ~StockClient() = default;

  virtual void ReserveStock(const CallContext& context, const ::customers::v1::ReserveStockRequest& request,
                            Reply<::customers::v1::ReserveStockResponse> done) = 0;
  virtual void CommitReservation(const CallContext& context, const ::customers::v1::CommitReservationRequest& request,
                                 Reply<::customers::v1::CommitReservationResponse> done) = 0;
  virtual void ReleaseReservation(const CallContext& context, const ::customers::v1::ReleaseReservationRequest& request,
                                  Reply<::customers::v1::ReleaseReservationResponse> done) = 0;
};

}  // namespace sagamesh::orders

#endif  // SAGAMESH_ORDERS_SERVICE_STOCK_CLIENT_H_
