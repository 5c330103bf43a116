#include "orders/domain/order.h"

#include <utility>

#include "common/fault/planted.h"
#include "common/status/error.h"
#include "orders/domain/errors.h"

namespace sagamesh::orders {
namespace {

Order* Find(WorkingSet& set, const std::string& order_id) {
  const auto found = set.orders.find(order_id);
  return found == set.orders.end() ? nullptr : &found->second;
}

bool IsCancelled(const Order& order) {
  return order.status == OrderStatus::kCancelling || order.status == OrderStatus::kCancelled;
}

bool IsSameBasket(const Order& a, const Order& b) {
  if (a.customer_id != b.customer_id || a.lines.size() != b.lines.size()) return false;
  for (size_t i = 0; i < a.lines.size(); i++) {
    if (a.lines[i].sku != b.lines[i].sku || a.lines[i].quantity != b.lines[i].quantity) return false;
  }
  return true;
}

// The only way that an order's status changes.
Order& Enter(WorkingSet& set, Order& order, OrderStatus status, std::optional<absl::Time> sweep_at) {
  order.status = status;
  order.sweep_at = order.saga_id.empty() ? sweep_at : std::nullopt;
  set.changed.insert(order.id);
  return order;
}

Order Insert(WorkingSet& set, const Order& order, OrderStatus status, const Timing& timing) {
  Order& inserted = set.orders[order.id];
  inserted = order;
  inserted.created = timing.now;
  set.added.insert(order.id);
  return Enter(set, inserted, status, timing.now + timing.order_ttl);
}

// What a saga's cancel answers for an order that never came.
Order NeverSeen(const std::string& order_id, const Caller& caller, OrderStatus status) {
  Order order;
  order.id = order_id;
  order.saga_id = caller.saga_id;
  order.status = status;
  return order;
}

}  // namespace

absl::StatusOr<Order> BeginDirect(WorkingSet& set, const Order& order, const Timing& timing) {
  if (const Order* there = Find(set, order.id)) {
    if (!IsSameBasket(*there, order)) return error::IdempotencyKeyReused();
    if (IsCancelled(*there)) return error::OrderCancelled(order.id);
    return *there;
  }
  return Insert(set, order, OrderStatus::kPending, timing);
}

absl::StatusOr<Order> PriceDirect(WorkingSet& set, const Order& priced, const Timing& timing) {
  Order* order = Find(set, priced.id);
  if (order == nullptr) return error::OrderNotFound(priced.id);
  if (IsCancelled(*order)) return error::OrderCancelled(priced.id);
  if (order->status != OrderStatus::kPending) return *order;
  order->lines = priced.lines;
  order->total_cents = priced.total_cents;
  set.rewritten.insert(order->id);
  return Enter(set, *order, OrderStatus::kCreated, timing.now + timing.order_ttl);
}

absl::StatusOr<Order> RefuseDirect(WorkingSet& set, const std::string& order_id) {
  Order* order = Find(set, order_id);
  if (order == nullptr) return error::OrderNotFound(order_id);
  if (order->status != OrderStatus::kPending) return *order;
  return Enter(set, *order, OrderStatus::kCancelling, order->created);
}

absl::StatusOr<Order> CreateForSaga(WorkingSet& set, const Order& order, const Timing& timing) {
  const Order* there = Find(set, order.id);
  if (there == nullptr) return Insert(set, order, OrderStatus::kCreated, timing);
  if (there->saga_id != order.saga_id) return error::OrderOwnedBySaga(order.id);
  if (IsCancelled(*there)) return error::OrderCancelled(order.id);
  return *there;
}

absl::StatusOr<Order> CheckConfirm(WorkingSet& set, const std::string& order_id, const Caller& caller) {
  const Order* order = Find(set, order_id);
  if (order == nullptr) return error::OrderNotFound(order_id);
  if (IsCancelled(*order) && !Planted(Bug::kConfirmOverCancelling)) return error::OrderCancelled(order_id);
  if (order->saga_id != caller.saga_id && !(caller.direct() && order->status == OrderStatus::kConfirmed)) {
    return error::OrderOwnedBySaga(order_id);
  }
  if (order->status == OrderStatus::kPending) return error::OrderNotCreated(order_id);
  return *order;
}

absl::StatusOr<Order> Confirm(WorkingSet& set, const std::string& order_id, const Caller& caller) {
  SAGAMESH_RETURN_IF_ERROR(CheckConfirm(set, order_id, caller).status());
  Order& order = set.orders.at(order_id);
  if (order.status == OrderStatus::kConfirmed) return order;
  return Enter(set, order, OrderStatus::kConfirmed, std::nullopt);
}

absl::StatusOr<Order> MarkCancelling(WorkingSet& set, const std::string& order_id, const Caller& caller,
                                     const Timing& timing) {
  Order* order = Find(set, order_id);
  if (order == nullptr) {
    if (caller.direct()) return error::OrderNotFound(order_id);
    return NeverSeen(order_id, caller, OrderStatus::kCancelling);
  }
  if (caller.direct() && order->status == OrderStatus::kConfirmed) return error::OrderConfirmed(order_id);
  if (order->saga_id != caller.saga_id) return error::OrderOwnedBySaga(order_id);
  if (IsCancelled(*order)) return *order;
  return Enter(set, *order, OrderStatus::kCancelling, timing.now + timing.cancelling_ttl);
}

absl::StatusOr<Order> MarkExpired(WorkingSet& set, const std::string& order_id, absl::Time sweep_at,
                                  const Timing& timing) {
  Order* order = Find(set, order_id);
  if (order == nullptr || order->sweep_at != sweep_at) return error::OrderNotFound(order_id);
  return Enter(set, *order, OrderStatus::kCancelling, timing.now + timing.cancelling_ttl);
}

absl::StatusOr<Order> FinishCancel(WorkingSet& set, const std::string& order_id, const Caller& caller) {
  Order* order = Find(set, order_id);
  if (order == nullptr) return NeverSeen(order_id, caller, OrderStatus::kCancelled);
  if (order->status != OrderStatus::kCancelling) return *order;
  return Enter(set, *order, OrderStatus::kCancelled, std::nullopt);
}

}  // namespace sagamesh::orders
