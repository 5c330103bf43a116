#ifndef SAGAMESH_COMMON_RPC_GRPC_STEP_CALLER_H_
#define SAGAMESH_COMMON_RPC_GRPC_STEP_CALLER_H_

#include <map>
#include <memory>
#include <string>

#include "common/rpc/step_caller.h"

namespace sagamesh::rpc {

// Calls participants by gRPC, any method by its name (a generic stub), on one channel a target. A method of a service
// that has no target answers UNIMPLEMENTED. The destructor cancels what is under way and waits for its end.
class GrpcStepCaller final : public StepCaller {
 public:
  // Service ("orders.v1.OrdersService") to target (common/rpc/target.h).
  explicit GrpcStepCaller(const std::map<std::string, std::string>& targets);
  ~GrpcStepCaller() override;

  void Call(const std::string& method, std::string request, const CallContext& context,
            absl::AnyInvocable<void(absl::StatusOr<std::string>)> done) override;

 private:
  struct Participant;
  struct Calls;

  std::map<std::string, std::unique_ptr<Participant>> participants_;
  std::shared_ptr<Calls> calls_;
};

}  // namespace sagamesh::rpc

#endif  // SAGAMESH_COMMON_RPC_GRPC_STEP_CALLER_H_
