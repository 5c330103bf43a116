#ifndef SAGAMESH_COMMON_RPC_STEP_CALLER_H_
#define SAGAMESH_COMMON_RPC_STEP_CALLER_H_

#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "common/rpc/call_context.h"

namespace sagamesh::rpc {

// How the steps of sagas reach participants: gRPC in production, the simulated network in the simulation. Thread-safe.
class StepCaller {
 public:
  virtual ~StepCaller() = default;

  // Calls `method` ("orders.v1.OrdersService/CreateOrder") with the serialized `request` once, within
  // `context.deadline`; no retry. `done` comes once, on any thread, with the serialized response or the participant's
  // status with its details.
  virtual void Call(const std::string& method, std::string request, const CallContext& context,
                    absl::AnyInvocable<void(absl::StatusOr<std::string>)> done) = 0;
};

}  // namespace sagamesh::rpc

#endif  // SAGAMESH_COMMON_RPC_STEP_CALLER_H_
