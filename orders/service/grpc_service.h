#ifndef SAGAMESH_ORDERS_SERVICE_GRPC_SERVICE_H_
#define SAGAMESH_ORDERS_SERVICE_GRPC_SERVICE_H_

#include "common/rpc/unary.h"
#include "orders/service/orders_logic.h"
#include "orders/v1/orders.grpc.pb.h"

namespace sagamesh::orders {

// The gRPC edge: each method is the logic's behind rpc::Edge.
class GrpcOrdersService final : public ::orders::v1::OrdersService::CallbackService {
 public:
  GrpcOrdersService(rpc::Edge& edge, OrdersLogic& logic) : edge_(edge), logic_(logic) {}

  SAGAMESH_UNARY(orders::v1, "orders.v1.OrdersService", CreateOrder)
  SAGAMESH_UNARY(orders::v1, "orders.v1.OrdersService", GetOrder)
  SAGAMESH_UNARY(orders::v1, "orders.v1.OrdersService", ListOrders)
  SAGAMESH_UNARY(orders::v1, "orders.v1.OrdersService", ConfirmOrder)
  SAGAMESH_UNARY(orders::v1, "orders.v1.OrdersService", CancelOrder)
  SAGAMESH_BATCH(orders::v1, "orders.v1.OrdersService", BatchCreateOrders, CreateOrder)
  SAGAMESH_BATCH(orders::v1, "orders.v1.OrdersService", BatchConfirmOrders, ConfirmOrder)
  SAGAMESH_BATCH(orders::v1, "orders.v1.OrdersService", BatchCancelOrders, CancelOrder)

 private:
  rpc::Edge& edge_;
  OrdersLogic& logic_;
};

}  // namespace sagamesh::orders

#endif  // SAGAMESH_ORDERS_SERVICE_GRPC_SERVICE_H_
