#include "orders/service/messages.h"

#include <google/protobuf/util/time_util.h>

namespace sagamesh::orders {

using ::google::protobuf::util::TimeUtil;

void Fill(const Order& order, ::orders::v1::Order& message) {
  message.set_order_id(order.id);
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
  if (order.created == absl::Time()) return;  // never seen
  *message.mutable_created_at() = TimeUtil::MillisecondsToTimestamp(absl::ToUnixMillis(order.created));
}

}  // namespace sagamesh::orders
