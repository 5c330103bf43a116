#include "orders/service/messages.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/basket/basket.h"
#include "common/status/error.h"
#include "orders/domain/decisions.h"
#include "orders/domain/errors.h"

namespace sagamesh::orders {

void Fill(const Order& order, ::orders::v1::Order& message) {
  message.set_order_id(order.order_id);
  message.set_customer_id(order.customer_id);
  message.set_status(static_cast<::orders::v1::Order::Status>(order.status));
  for (const OrderLine& line : order.lines) {
    auto* item = message.add_items();
    item->set_sku(line.sku);
    item->set_quantity(static_cast<int32_t>(line.quantity));
    item->set_unit_price_cents(line.unit_price_cents);
  }
  message.set_total_cents(order.total_cents);
  message.set_saga_id(order.saga_id);
  if (order.created_ms != 0) {
    message.mutable_created_at()->set_seconds(order.created_ms / 1000);
    message.mutable_created_at()->set_nanos(static_cast<int32_t>(order.created_ms % 1000) * 1'000'000);
  }
}

absl::StatusOr<Order> ToOrder(const ::orders::v1::CreateOrderRequest& request) {
  if (request.customer_id() == 0) return InvalidField(error::kDomain, "customer_id", "must be at least 1");
  std::vector<BasketLine> lines;
  lines.reserve(request.items_size());
  for (const auto& item : request.items()) lines.push_back({item.sku(), item.quantity()});
  SAGAMESH_ASSIGN_OR_RETURN(std::vector<BasketLine> basket, CanonicalBasket(error::kDomain, std::move(lines)));
  Order order;
  order.order_id = request.order_id();
  order.customer_id = request.customer_id();
  for (BasketLine& line : basket) order.lines.push_back({std::move(line.sku), line.quantity, 0});
  return order;
}

::customers::v1::ReserveStockRequest ToReserveStock(const Order& order) {
  ::customers::v1::ReserveStockRequest request;
  request.set_order_id(order.order_id);
  request.set_customer_id(order.customer_id);
  for (const OrderLine& line : order.lines) {
    auto* item = request.add_items();
    item->set_sku(line.sku);
    item->set_quantity(static_cast<int32_t>(line.quantity));
  }
  return request;
}

absl::StatusOr<Order> Priced(const Order& order, const ::customers::v1::Reservation& reservation) {
  bool same = reservation.items_size() == static_cast<int>(order.lines.size());
  Order priced = order;
  for (int i = 0; same && i < reservation.items_size(); i++) {
    OrderLine& line = priced.lines[i];
    same = reservation.items(i).sku() == line.sku && reservation.items(i).quantity() == line.quantity;
    line.unit_price_cents = reservation.items(i).unit_price_cents();
  }
  if (!same) {
    return MakeError(absl::StatusCode::kInternal, {error::kDomain, "RESERVATION_MISMATCH"},
                     absl::StrCat("the reservation of order ", order.order_id, " is of other items"),
                     {{"order_id", order.order_id}});
  }
  SAGAMESH_ASSIGN_OR_RETURN(priced.total_cents, TotalCents(priced.lines));
  return priced;
}

}  // namespace sagamesh::orders
