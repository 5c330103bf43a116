#ifndef SAGAMESH_ORDERS_SERVICE_CREATE_ORDER_H_
#define SAGAMESH_ORDERS_SERVICE_CREATE_ORDER_H_

#include <memory>
#include <string>

#include "orders/service/cancel_order.h"
#include "orders/service/flow.h"

namespace sagamesh::orders {

// CreateOrder. By a saga: the stock is reserved, then the order is written, CREATED; what is left if that fails is the
// saga's to compensate. Direct: the order is written before, PENDING, so that there is always a row from which the sweep
// gives the stock back; then the stock is reserved; then it is CREATED. If the stock is refused, the order is cancelled
// and the refusal stored under the caller's key. Thread-safe.
class CreateOrderFlow {
 public:
  // `cancel` ends what was refused.
  CreateOrderFlow(FlowParts parts, CancelOrderFlow& cancel) : parts_(parts), cancel_(cancel) {}

  void Start(const CallContext& context, const ::orders::v1::CreateOrderRequest& request,
             Done<::orders::v1::CreateOrderResponse> done);

 private:
  // A create under way.
  struct Call {
    CallContext context;
    Order order;
    std::optional<BarrierCall> guard;
    Done<::orders::v1::CreateOrderResponse> done;
  };

  // The order that the request asks for, with its id and owner.
  absl::StatusOr<Order> OrderOf(const CallContext& context, const ::orders::v1::CreateOrderRequest& request);
  void OpenPending(std::shared_ptr<Call> call);
  void Reserve(std::shared_ptr<Call> call);
  void Finish(std::shared_ptr<Call> call, Order priced);
  void Refused(std::shared_ptr<Call> call, const absl::Status& refusal);
  void Abandon(std::shared_ptr<Call> call, const absl::Status& refusal);

  const FlowParts parts_;
  CancelOrderFlow& cancel_;
};

}  // namespace sagamesh::orders

#endif  // SAGAMESH_ORDERS_SERVICE_CREATE_ORDER_H_
