#include <utility>

#include "absl/strings/str_cat.h"
#include "common/basket/basket.h"
#include "common/text/text.h"
#include "common/uuid/uuid.h"
#include "orders/service/parts.h"

namespace sagamesh::orders {

namespace pb = ::orders::v1;
using error::kDomain;

namespace {

using CreateCall = Call<pb::CreateOrderResponse>;
using Ends = OrderWrites::Ends;
using ReserveResponse = ::customers::v1::ReserveStockResponse;

absl::Status Validate(const CallContext& context, pb::CreateOrderRequest& request) {
  SAGAMESH_RETURN_IF_ERROR(CheckSagaOp(kDomain, context, SagaOp::kAction));
  if (context.saga.has_value()) {
    SAGAMESH_RETURN_IF_ERROR(CheckText(kDomain, "order_id", request.order_id(), kOrderIdCharactersMax));
  } else if (!request.order_id().empty()) {
    return InvalidField(kDomain, "order_id", "may only be set by a saga");
  }
  if (request.customer_id() == 0) return InvalidField(kDomain, "customer_id", "must be at least 1");
  return CanonicalizeItems(kDomain, *request.mutable_items());
}

::customers::v1::ReserveStockRequest ReserveRequest(const Order& order) {
  ::customers::v1::ReserveStockRequest request;
  request.set_order_id(order.id);
  request.set_customer_id(order.customer_id);
  for (const OrderLine& line : order.lines) {
    auto* item = request.add_items();
    item->set_sku(line.sku);
    item->set_quantity(static_cast<int32_t>(line.quantity));
  }
  return request;
}

// The order with the prices that its reservation stored.
Order Priced(Order order, const ::customers::v1::Reservation& reservation) {
  order.lines.clear();
  order.total_cents = 0;
  for (const auto& item : reservation.items()) {
    order.lines.push_back({item.sku(), item.quantity(), item.unit_price_cents()});
    order.total_cents += int64_t{item.quantity()} * item.unit_price_cents();  // customers has checked for overflow
  }
  return order;
}

// Refused by the stock for good: not a fault, not a fence, not for want of an answer.
bool IsDefinite(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kFailedPrecondition:
      return GetReason(status) != "FAULT_INJECTED" && GetReason(status) != "";
    default:
      return false;
  }
}

void CreateForSaga(std::shared_ptr<OrdersLogic::Parts> parts, std::shared_ptr<CreateCall> call, Order order) {
  // The saga's id and fences are checked by customers now and by us when the order is written.
  const auto request = ReserveRequest(order);
  parts->stock.ReserveStock(
      StockContext(*parts, call->context), request,
      [parts, call, order = std::move(order)](absl::StatusOr<ReserveResponse> reserved, ReplyInfo) mutable {
        if (!reserved.ok()) return call->Refuse(reserved.status());
        parts->options.crash_at.Reached(crash_point::kReserved);
        parts->writes.Submit(CreateForSagaCommand{Priced(std::move(order), reserved->reservation())}, call->barrier,
                             Ends::kCall, call->context.deadline, call->priority(),
                             [call](absl::StatusOr<Written> written, bool replayed) {
                               if (!call->Ended(written, replayed)) call->Answer(written->order);
                             });
      });
}

// The end of a direct order's reservation, either way.
void Reserved(std::shared_ptr<OrdersLogic::Parts> parts, std::shared_ptr<CreateCall> call, Order order,
              absl::StatusOr<ReserveResponse> reserved) {
  OrderCommand command;
  if (reserved.ok()) {
    parts->options.crash_at.Reached(crash_point::kReservedDirect);
    command = PriceDirectCommand{Priced(std::move(order), reserved->reservation())};
  } else if (IsDefinite(reserved.status())) {
    command = RefuseDirectCommand{order.id, reserved.status()};
  } else {
    return call->Refuse(reserved.status());  // stays PENDING: a repeat goes on, or the sweep ends it
  }
  parts->writes.Submit(std::move(command), call->barrier, Ends::kCall, call->context.deadline, Priority::kAccepted,
                       [call](absl::StatusOr<Written> written, bool replayed) {
                         if (!call->Ended(written, replayed)) call->Answer(written->order);
                       });
}

void CreateDirect(std::shared_ptr<OrdersLogic::Parts> parts, std::shared_ptr<CreateCall> call, Order order) {
  parts->writes.Submit(BeginDirectCommand{std::move(order)}, call->barrier, Ends::kNothing, call->context.deadline,
                       call->priority(), [parts, call](absl::StatusOr<Written> written, bool replayed) {
                         if (call->Ended(written, replayed)) return;
                         parts->options.crash_at.Reached(crash_point::kPending);
                         const auto request = ReserveRequest(written->order);
                         parts->stock.ReserveStock(StockContext(*parts, call->context), request,
                                                   [parts, call, order = written->order](
                                                       absl::StatusOr<ReserveResponse> reserved, ReplyInfo) {
                                                     Reserved(parts, call, order, std::move(reserved));
                                                   });
                       });
}

}  // namespace

void OrdersLogic::CreateOrder(const CallContext& context, const pb::CreateOrderRequest& request,
                              Done<pb::CreateOrderResponse> done) {
  auto call = std::make_shared<CreateCall>(CreateCall{context, std::nullopt, std::move(done)});
  pb::CreateOrderRequest canonical = request;
  absl::Status valid = Validate(context, canonical);
  if (valid.ok()) valid = GuardCall(*call, "orders.v1.OrdersService/CreateOrder", canonical);
  if (!valid.ok()) return call->Refuse(valid);

  Order order;
  order.customer_id = canonical.customer_id();
  for (const auto& item : canonical.items()) order.lines.push_back({item.sku(), item.quantity(), 0});
  if (context.saga.has_value()) {
    order.id = canonical.order_id();
    order.saga_id = context.saga->saga_id;
    return CreateForSaga(parts_, std::move(call), std::move(order));
  }
  order.id = context.idempotency_key.has_value()
                 ? MakeNameUuid("orders/direct", absl::StrCat(context.principal, "\n", *context.idempotency_key))
                 : MakeUuidV7(parts_->clock.Now(), parts_->random);
  CreateDirect(parts_, std::move(call), std::move(order));
}

}  // namespace sagamesh::orders
