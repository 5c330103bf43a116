#ifndef SAGAMESH_COORDINATOR_RUNTIME_RUNTIME_H_
#define SAGAMESH_COORDINATOR_RUNTIME_RUNTIME_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock/clock.h"
#include "common/exec/executor.h"
#include "common/fault/crash_at.h"
#include "common/metrics/metrics.h"
#include "common/random/random.h"
#include "common/rpc/call_context.h"
#include "common/rpc/step_caller.h"
#include "coordinator/engine/command.h"
#include "coordinator/engine/definition.h"
#include "coordinator/engine/engine.h"
#include "coordinator/journal/journal.h"
#include "coordinator/runtime/waiters.h"

namespace sagamesh::runtime {

struct RuntimeOptions {
  int max_inflight_sagas = 10'000;
  int max_waiters_per_saga = 1'000;
  // How long callers wait for the compensation to end before they are told its cause.
  absl::Duration compensation_wait = absl::Seconds(5);
  engine::EngineOptions engine;
  CrashAt crash_at;  // one of crash_points.h
  // How often due sagas are looked for while there are some, and otherwise.
  absl::Duration due_poll_interval = absl::Seconds(1);
  absl::Duration due_poll_at_rest = absl::Seconds(10);
  int due_page_sagas = 256;
  // Of the sagas that were taken up from their rows, how many are in memory at a time: all that a dead replica left,
  // taken up at once, would wait for each other longer than their steps may take, and compensate.
  int max_recovering_sagas = 1'000;
};

// Runs sagas: sharded by id over single-threaded event loops, each with the sagas that it holds in memory. It carries
// out what engine::Decide asks for. Thread-safe.
class Runtime {
 public:
  // A request to run a saga, validated: `input` is the serialized canonical input message.
  struct Request {
    const engine::Definition* definition = nullptr;
    std::string input;
    std::string fingerprint;  // SHA-256 of version tag, canonical input and fault
    CallContext call;         // explicit key, principal, fault, trace
  };
  // Errors: RESOURCE_EXHAUSTED (SAGAS_IN_FLIGHT, JOURNAL_QUEUE_FULL, with RetryInfo), INVALID_ARGUMENT
  // (IDEMPOTENCY_KEY_REUSED), DEADLINE_EXCEEDED (the caller's own wait ended; the saga goes on), UNAVAILABLE (the
  // journal's database is away).
  using AnswerCallback = runtime::AnswerCallback;
  using StartCallback = absl::AnyInvocable<void(absl::StatusOr<journal::Claimed>)>;
  using CommandCallback = absl::AnyInvocable<void(absl::StatusOr<journal::Commanded>)>;

  // All references outlive the runtime; `loops` has at least one.
  Runtime(RuntimeOptions options, const engine::DefinitionSet& definitions, journal::Journal& journal,
          rpc::StepCaller& step_caller, std::vector<EventLoop*> loops, Clock& clock, Random& random,
          metrics::Registry& registry);
  ~Runtime();

  // Starts a saga, attaches to the one that holds the key, or replays its answer; waits for the end, at most until
  // call.deadline.
  void Run(Request request, AnswerCallback done);

  // The same, but answers as soon as the saga is durable.
  void Start(Request request, StartCallback done);

  // Gives an operator's command to a saga, wherever it is; done, the saga goes on here. The command's id is made here.
  void Command(std::string saga_id, engine::Command command, absl::Time deadline, CommandCallback done);

  // Takes up the sagas that Journal::Open left due, in pages, and goes on looking for due ones. Call once.
  void Recover();
  // Takes up what is due now, without waiting for the next look.
  void TakeUpDue();
  // Drops from memory the sagas that another than `owner` owns: an earlier incarnation of this replica, whose lease was
  // closed. Who waits for them goes on waiting for their rows.
  void DropStrangers(const std::string& owner);

  // From now on nothing new starts and nothing is taken up; what is in memory goes on.
  void Drain();
  // Tells every caller that still waits UNAVAILABLE (SHUTTING_DOWN), so that none holds up the end of the process.
  void SendCallersAway();
  int inflight() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace sagamesh::runtime

#endif  // SAGAMESH_COORDINATOR_RUNTIME_RUNTIME_H_
