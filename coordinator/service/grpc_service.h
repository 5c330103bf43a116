#ifndef SAGAMESH_COORDINATOR_SERVICE_GRPC_SERVICE_H_
#define SAGAMESH_COORDINATOR_SERVICE_GRPC_SERVICE_H_

#include "common/rpc/unary.h"
#include "coordinator/service/logic.h"
#include "coordinator/v1/coordinator.grpc.pb.h"
#include "saga/v1/saga.grpc.pb.h"

namespace sagamesh::coordinator {

// The gRPC edges: each method is the logic's behind rpc::Edge.

class GrpcCoordinatorService final : public ::coordinator::v1::CoordinatorService::CallbackService {
 public:
  GrpcCoordinatorService(rpc::Edge& edge, OrderLogic& logic) : edge_(edge), logic_(logic) {}

  SAGAMESH_UNARY(coordinator::v1, "coordinator.v1.CoordinatorService", ProcessOrder)

 private:
  rpc::Edge& edge_;
  OrderLogic& logic_;
};

class GrpcSagaService final : public ::saga::v1::SagaService::CallbackService {
 public:
  GrpcSagaService(rpc::Edge& edge, SagaLogic& logic) : edge_(edge), logic_(logic) {}

  SAGAMESH_UNARY(saga::v1, "saga.v1.SagaService", StartSaga)
  SAGAMESH_UNARY(saga::v1, "saga.v1.SagaService", GetSaga)
  SAGAMESH_UNARY(saga::v1, "saga.v1.SagaService", ListSagas)
  SAGAMESH_UNARY(saga::v1, "saga.v1.SagaService", RetrySaga)
  SAGAMESH_UNARY(saga::v1, "saga.v1.SagaService", CompensateSaga)

  // Initial metadata says that the watch is in place.
  grpc::ServerWriteReactor<::saga::v1::WatchSagasResponse>* WatchSagas(
      grpc::CallbackServerContext* context, const ::saga::v1::WatchSagasRequest* request) override;

 private:
  rpc::Edge& edge_;
  SagaLogic& logic_;
};

}  // namespace sagamesh::coordinator

#endif  // SAGAMESH_COORDINATOR_SERVICE_GRPC_SERVICE_H_
