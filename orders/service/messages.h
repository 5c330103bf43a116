#ifndef SAGAMESH_ORDERS_SERVICE_MESSAGES_H_
#define SAGAMESH_ORDERS_SERVICE_MESSAGES_H_

#include "orders/domain/order.h"
#include "orders/v1/orders.pb.h"

namespace sagamesh::orders {

// Domain to message.
void Fill(const Order& order, ::orders::v1::Order& message);

}  // namespace sagamesh::orders

#endif  // SAGAMESH_ORDERS_SERVICE_MESSAGES_H_
