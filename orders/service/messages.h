#ifndef SAGAMESH_ORDERS_SERVICE_MESSAGES_H_
#define SAGAMESH_ORDERS_SERVICE_MESSAGES_H_

#include "absl/status/statusor.h"
#include "customers/v1/customers.pb.h"
#include "orders/domain/order.h"
#include "orders/v1/orders.pb.h"

namespace sagamesh::orders {

// Domain to messages and back.

void Fill(const Order& order, ::orders::v1::Order& message);

// Of the three writes: each answers the order.
template <typename Response>
Response MakeResponse(const Order& order) {
  Response response;
  Fill(order, *response.mutable_order());
  return response;
}

// The checked request of a create: INVALID_ARGUMENT with the field's name. `order_id` is taken as it is.
absl::StatusOr<Order> ToOrder(const ::orders::v1::CreateOrderRequest& request);

::customers::v1::ReserveStockRequest ToReserveStock(const Order& order);

// The order with the prices that its reservation stored. TOTAL_OVERFLOW; INTERNAL if the reservation is of other items.
absl::StatusOr<Order> Priced(const Order& order, const ::customers::v1::Reservation& reservation);

}  // namespace sagamesh::orders

#endif  // SAGAMESH_ORDERS_SERVICE_MESSAGES_H_
