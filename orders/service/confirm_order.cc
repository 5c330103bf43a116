#include <utility>

#include "common/text/text.h"
#include "orders/service/parts.h"

namespace sagamesh::orders {

namespace pb = ::orders::v1;
using error::kDomain;

namespace {

using ConfirmCall = Call<pb::ConfirmOrderResponse>;
using Ends = OrderWrites::Ends;

// Sells the reservation, then writes CONFIRMED where the order is still CREATED. A crash between leaves a committed
// reservation of a CREATED order, which a repeat confirms and a cancel or the sweep takes back.
void CommitThenConfirm(std::shared_ptr<OrdersLogic::Parts> parts, std::shared_ptr<ConfirmCall> call,
                       const std::string& order_id) {
  ::customers::v1::CommitReservationRequest commit;
  commit.set_order_id(order_id);
  parts->stock.CommitReservation(
      StockContext(*parts, call->context), commit,
      [parts, call, order_id](absl::StatusOr<::customers::v1::CommitReservationResponse> committed, ReplyInfo) {
        if (!committed.ok()) return call->Refuse(committed.status());
        parts->options.crash_at.Reached(crash_point::kCommitted);
        parts->writes.Submit(ConfirmCommand{order_id, call->caller()}, call->barrier, Ends::kCall,
                             call->context.deadline, Priority::kAccepted,
                             [call](absl::StatusOr<Written> written, bool replayed) {
                               if (!call->Ended(written, replayed)) call->Answer(written->order);
                             });
      });
}

}  // namespace

void OrdersLogic::ConfirmOrder(const CallContext& context, const pb::ConfirmOrderRequest& request,
                               Done<pb::ConfirmOrderResponse> done) {
  auto call = std::make_shared<ConfirmCall>(ConfirmCall{context, std::nullopt, std::move(done)});
  absl::Status valid = CheckText(kDomain, "order_id", request.order_id(), kOrderIdCharactersMax);
  if (valid.ok()) valid = CheckSagaOp(kDomain, context, SagaOp::kAction);
  if (valid.ok() && !context.idempotency_key.has_value()) valid = error::IdempotencyKeyRequired();
  if (valid.ok()) valid = GuardCall(*call, "orders.v1.OrdersService/ConfirmOrder", request);
  if (!valid.ok()) return call->Refuse(valid);

  if (context.saga.has_value()) return CommitThenConfirm(parts_, call, request.order_id());
  parts_->writes.Submit(
      CheckConfirmCommand{request.order_id(), call->caller()}, call->barrier, Ends::kNothing, context.deadline,
      call->priority(),
      [parts = parts_, call, order_id = request.order_id()](absl::StatusOr<Written> written, bool replayed) {
        if (call->Ended(written, replayed)) return;
        if (written->order.status == OrderStatus::kConfirmed) return call->Answer(written->order);
        CommitThenConfirm(parts, call, order_id);
      });
}

}  // namespace sagamesh::orders
