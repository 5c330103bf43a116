#ifndef SAGAMESH_COMMON_RPC_BATCHING_STEP_CALLER_H_
#define SAGAMESH_COMMON_RPC_BATCHING_STEP_CALLER_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock/clock.h"
#include "common/exec/executor.h"
#include "common/metrics/metrics.h"
#include "common/rpc/step_caller.h"

namespace sagamesh::rpc {

// A step's method to its batch twin, both as "orders.v1.OrdersService/BatchCreateOrders".
using BatchTwins = std::map<std::string, std::string>;

// What the contracts of these services ("orders.v1.OrdersService") say by their option (saga.v1.step). A service whose
// descriptor this program does not have is a stranger: it has no twins.
BatchTwins FindBatchTwins(const std::vector<std::string>& services);

struct BatchingOptions {
  std::string domain;  // of the errors made here
  // In one batch.
  int max_batch_calls = 128;
  size_t max_batch_bytes = 1 << 20;
  // Of a service, at a time; compensations have batches of their own.
  int max_action_batches = 2;
  int max_compensation_batches = 1;
  // A batch that is unanswered for so long makes room for another one: its replica may hang, and there may be others.
  absl::Duration slow_after = absl::Milliseconds(100);
  int max_slow_batches = 64;
  // Of a service, that wait.
  int max_waiting_calls = 20'000;
  // How long a twin that a service does not know (an older one) is left alone.
  absl::Duration unknown_twin_rest = absl::Seconds(10);
};

// Sends the calls of sagas that wait for the same method as one call of its batch twin (saga/v1/batch.proto). There is
// no linger time: a batch is what came while the ones before it were under way. What goes alone, by the method itself:
// a call of no saga, one of a method without a twin, one with a fault, so that a delay holds up no other, and one whose
// batch has failed as a whole twice: it may be what fails it.
//
// `step_caller` sends what is to be sent; it must end its calls before it is destroyed, and is destroyed after this.
// Thread-safe.
class BatchingStepCaller final : public StepCaller {
 public:
  // `loop` runs what sends batches; none of its tasks blocks.
  BatchingStepCaller(BatchingOptions options, BatchTwins twins, StepCaller& step_caller, EventLoop& loop, Clock& clock,
                     metrics::Registry& registry);
  // What waits is told UNAVAILABLE (SHUTTING_DOWN).
  ~BatchingStepCaller() override;

  // Besides the participant's errors: RESOURCE_EXHAUSTED (STEP_QUEUE_FULL), DEADLINE_EXCEEDED (TOO_LATE) for a call
  // whose time ended while it waited, INTERNAL for a reply that is none.
  void Call(const std::string& method, std::string request, const CallContext& context,
            absl::AnyInvocable<void(absl::StatusOr<std::string>)> done) override;

 private:
  class State;
  std::shared_ptr<State> state_;
};

}  // namespace sagamesh::rpc

#endif  // SAGAMESH_COMMON_RPC_BATCHING_STEP_CALLER_H_
