#ifndef SAGAMESH_ORDERS_SERVICE_CONFIRM_ORDER_H_
#define SAGAMESH_ORDERS_SERVICE_CONFIRM_ORDER_H_

#include <memory>
#include <string>

#include "orders/service/flow.h"

namespace sagamesh::orders {

// ConfirmOrder: the reservation is committed at customers, then the order is CONFIRMED where it is still CREATED; if it
// is not, whoever cancels it releases the reservation, committed or not. A direct caller's order is looked at before.
// Thread-safe.
class ConfirmOrderFlow {
 public:
  explicit ConfirmOrderFlow(FlowParts parts) : parts_(parts) {}

  void Start(const CallContext& context, const ::orders::v1::ConfirmOrderRequest& request,
             Done<::orders::v1::ConfirmOrderResponse> done);

 private:
  // A confirm under way.
  struct Call {
    CallContext context;
    std::string order_id;
    std::string owner;
    std::optional<BarrierCall> guard;
    Done<::orders::v1::ConfirmOrderResponse> done;
  };

  void Check(std::shared_ptr<Call> call);
  void Commit(std::shared_ptr<Call> call);
  void Finish(std::shared_ptr<Call> call);

  const FlowParts parts_;
};

}  // namespace sagamesh::orders

#endif  // SAGAMESH_ORDERS_SERVICE_CONFIRM_ORDER_H_
