#ifndef SAGAMESH_ORDERS_SERVICE_CANCEL_ORDER_H_
#define SAGAMESH_ORDERS_SERVICE_CANCEL_ORDER_H_

#include <memory>
#include <string>

#include "orders/service/flow.h"

namespace sagamesh::orders {

// CancelOrder, in three steps of which each can be repeated, because its effect is remote: (1) the saga is marked as
// compensating and the order is CANCELLING, no result stored; (2) the reservation is released, always, also of an order
// never seen; (3) the order is CANCELLED and the result stored. Thread-safe.
class CancelOrderFlow {
 public:
  explicit CancelOrderFlow(FlowParts parts) : parts_(parts) {}

  void Start(const CallContext& context, const ::orders::v1::CancelOrderRequest& request,
             Done<::orders::v1::CancelOrderResponse> done);

  // Steps 2 and 3 for a direct order that is CANCELLING. `done` gets the first error; then the sweep ends the order.
  void End(const CallContext& context, const std::string& order_id, absl::AnyInvocable<void(absl::Status)> done);

 private:
  // A cancel under way.
  struct Call {
    CallContext context;
    std::string order_id;
    std::string owner;
    std::optional<BarrierCall> guard;
    Done<::orders::v1::CancelOrderResponse> done;
  };

  void Begin(std::shared_ptr<Call> call);
  void Release(std::shared_ptr<Call> call);
  void Finish(std::shared_ptr<Call> call);

  const FlowParts parts_;
};

}  // namespace sagamesh::orders

#endif  // SAGAMESH_ORDERS_SERVICE_CANCEL_ORDER_H_
