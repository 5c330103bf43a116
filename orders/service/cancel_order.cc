#include <spdlog/spdlog.h>

#include <utility>

#include "common/text/text.h"
#include "orders/service/parts.h"
#include "orders/store/order_store.h"

namespace sagamesh::orders {

namespace pb = ::orders::v1;
using error::kDomain;

namespace {

using CancelCall = Call<pb::CancelOrderResponse>;
using Ends = OrderWrites::Ends;

// The second and third step: the reservation is released, always, also for an order never seen; then the order is
// CANCELLED. Each may be run again, so a crash between leaves a CANCELLING order for a repeat or the sweep.
void ReleaseThenFinish(std::shared_ptr<OrdersLogic::Parts> parts, std::shared_ptr<CancelCall> call,
                       const std::string& order_id) {
  ::customers::v1::ReleaseReservationRequest release;
  release.set_order_id(order_id);
  parts->stock.ReleaseReservation(
      StockContext(*parts, call->context), release,
      [parts, call, order_id](absl::StatusOr<::customers::v1::ReleaseReservationResponse> released, ReplyInfo) {
        if (!released.ok()) return call->Refuse(released.status());
        parts->options.crash_at.Reached(crash_point::kReleased);
        parts->writes.Submit(FinishCancelCommand{order_id, call->caller()}, call->barrier, Ends::kCall,
                             call->context.deadline, Priority::kAccepted,
                             [call](absl::StatusOr<Written> written, bool replayed) {
                               if (!call->Ended(written, replayed)) call->Answer(written->order);
                             });
      });
}

// A write that marks the order CANCELLING, and then the rest. No result is stored yet: a repeat goes on from here.
void Cancel(std::shared_ptr<OrdersLogic::Parts> parts, std::shared_ptr<CancelCall> call, const std::string& order_id,
            OrderCommand mark) {
  parts->writes.Submit(std::move(mark), call->barrier, Ends::kNothing, call->context.deadline, call->priority(),
                       [parts, call, order_id](absl::StatusOr<Written> written, bool replayed) {
                         if (call->Ended(written, replayed)) return;
                         parts->options.crash_at.Reached(crash_point::kCancelling);
                         ReleaseThenFinish(parts, call, order_id);
                       });
}

// One round of the sweep; the next one starts when it is over.
void Sweep(std::shared_ptr<OrdersLogic::Parts> parts) {
  // Weak, because the query waits in the parts' own reader.
  parts->reader.Submit([weak = std::weak_ptr(parts)](absl::StatusOr<sql::Session*> session) {
    const std::shared_ptr<OrdersLogic::Parts> parts = weak.lock();
    if (parts == nullptr) return;
    if (session.ok()) {
      const auto expired = (*session)->Run([&parts](sql::Connection& connection) {
        return ListExpired(connection, parts->clock.Now(), parts->options.sweep_orders);
      });
      for (const Order& order : expired.ok() ? *expired : std::vector<Order>()) {
        spdlog::info("sweep: ending order {}", order.id);
        CallContext context;
        context.deadline = parts->clock.Now() + parts->options.stock_timeout;
        auto call = std::make_shared<CancelCall>(CancelCall{context, std::nullopt, [](auto, ReplyInfo) {}});
        Cancel(parts, call, order.id, MarkExpiredCommand{order.id, *order.sweep_at});
      }
    }
    parts->timers.PostAfter(parts->options.sweep_interval, [parts] { Sweep(parts); });
  });
}

}  // namespace

void OrdersLogic::CancelOrder(const CallContext& context, const pb::CancelOrderRequest& request,
                              Done<pb::CancelOrderResponse> done) {
  auto call = std::make_shared<CancelCall>(CancelCall{context, std::nullopt, std::move(done)});
  absl::Status valid = CheckText(kDomain, "order_id", request.order_id(), kOrderIdCharactersMax);
  if (valid.ok()) valid = CheckSagaOp(kDomain, context, SagaOp::kCompensation);
  if (valid.ok()) valid = GuardCall(*call, "orders.v1.OrdersService/CancelOrder", request);
  if (!valid.ok()) return call->Refuse(valid);
  Cancel(parts_, call, request.order_id(), MarkCancellingCommand{request.order_id(), call->caller()});
}

void OrdersLogic::StartSweeping() { Sweep(parts_); }

}  // namespace sagamesh::orders
