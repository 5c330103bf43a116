#ifndef SAGAMESH_COORDINATOR_ENVIRONMENT_H_
#define SAGAMESH_COORDINATOR_ENVIRONMENT_H_

#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/exec/executor.h"
#include "common/rpc/batching_step_caller.h"
#include "common/rpc/grpc_step_caller.h"
#include "common/service/process.h"
#include "coordinator/engine/definition.h"
#include "coordinator/journal/journal.h"
#include "coordinator/runtime/lease_keeper.h"
#include "coordinator/runtime/runtime.h"
#include "coordinator/service/grpc_service.h"
#include "coordinator/service/logic.h"
#include "coordinator/service/peer_changes.h"
#include "coordinator/service/watch_hub.h"

namespace sagamesh::coordinator {

struct EnvironmentOptions {
  ProcessOptions process;
  journal::JournalOptions journal;
  runtime::RuntimeOptions runtime;
  // Service ("orders.v1.OrdersService") to target (common/rpc/target.h).
  std::map<std::string, std::string> participants;
};

// Every long-lived object of the coordinator process.
class Environment {
 public:
  static absl::StatusOr<std::unique_ptr<Environment>> Create(EnvironmentOptions options);
  ~Environment();

  // Serves until SIGTERM or SIGINT; then accepted sagas finish, at most for the grace, and the lease is given up.
  void Run();

 private:
  Environment(const EnvironmentOptions& options, std::unique_ptr<Process> process, engine::DefinitionSet definitions);

  void WaitForSagas(absl::Time until);
  void ReleaseLease();

  const EnvironmentOptions options_;
  // In the order of use: whoever comes later uses what comes before.
  std::unique_ptr<Process> process_;
  engine::DefinitionSet definitions_;
  WatchHub hub_;
  journal::Journal journal_;
  std::unique_ptr<EventLoop> saga_loop_a_;
  std::unique_ptr<EventLoop> saga_loop_b_;
  rpc::GrpcStepCaller unary_step_caller_;
  rpc::BatchingStepCaller step_caller_;
  runtime::Runtime runtime_;
  runtime::LeaseKeeper lease_keeper_;
  PeerChanges peer_changes_;
  OrderLogic order_logic_;
  SagaLogic saga_logic_;
  GrpcCoordinatorService coordinator_service_;
  GrpcSagaService saga_service_;
};

}  // namespace sagamesh::coordinator

#endif  // SAGAMESH_COORDINATOR_ENVIRONMENT_H_
