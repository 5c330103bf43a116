#ifndef SAGAMESH_CUSTOMERS_SERVICE_GRPC_SERVICE_H_
#define SAGAMESH_CUSTOMERS_SERVICE_GRPC_SERVICE_H_

#include "common/rpc/unary.h"
#include "customers/service/customers_logic.h"
#include "customers/v1/customers.grpc.pb.h"

namespace sagamesh::customers {

// The gRPC edges: each method is the logic's behind rpc::Edge.

class GrpcCustomersService final : public ::customers::v1::CustomersService::CallbackService {
 public:
  GrpcCustomersService(rpc::Edge& edge, CustomersLogic& logic) : edge_(edge), logic_(logic) {}

  SAGAMESH_UNARY(customers::v1, "customers.v1.CustomersService", CreateCustomer)
  SAGAMESH_UNARY(customers::v1, "customers.v1.CustomersService", GetCustomer)
  SAGAMESH_UNARY(customers::v1, "customers.v1.CustomersService", ListCustomers)

 private:
  rpc::Edge& edge_;
  CustomersLogic& logic_;
};

class GrpcStockService final : public ::customers::v1::StockService::CallbackService {
 public:
  GrpcStockService(rpc::Edge& edge, CustomersLogic& logic) : edge_(edge), logic_(logic) {}

  SAGAMESH_UNARY(customers::v1, "customers.v1.StockService", CreateProduct)
  SAGAMESH_UNARY(customers::v1, "customers.v1.StockService", GetProduct)
  SAGAMESH_UNARY(customers::v1, "customers.v1.StockService", ListProducts)
  SAGAMESH_UNARY(customers::v1, "customers.v1.StockService", Restock)
  SAGAMESH_UNARY(customers::v1, "customers.v1.StockService", ReserveStock)
  SAGAMESH_UNARY(customers::v1, "customers.v1.StockService", CommitReservation)
  SAGAMESH_UNARY(customers::v1, "customers.v1.StockService", ReleaseReservation)
  SAGAMESH_BATCH(customers::v1, "customers.v1.StockService", BatchReserveStock, ReserveStock)
  SAGAMESH_BATCH(customers::v1, "customers.v1.StockService", BatchCommitReservations, CommitReservation)
  SAGAMESH_BATCH(customers::v1, "customers.v1.StockService", BatchReleaseReservations, ReleaseReservation)

 private:
  rpc::Edge& edge_;
  CustomersLogic& logic_;
};

}  // namespace sagamesh::customers

#endif  // SAGAMESH_CUSTOMERS_SERVICE_GRPC_SERVICE_H_
