#ifndef SAGAMESH_COORDINATOR_ENGINE_ENGINE_H_
#define SAGAMESH_COORDINATOR_ENGINE_ENGINE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/rpc/call_context.h"
#include "coordinator/engine/definition.h"
#include "coordinator/engine/saga.h"

// The saga engine: a pure state machine. Decide takes a saga, an event and the time, and returns what to do; it has no
// I/O, clock, randomness or threads. The runtime carries the actions out and turns their ends into events. (The shape
// is that of Restate's partition state machine: state and event in, list of actions out.)

namespace sagamesh::engine {

struct EngineOptions {
  // A compensation that has failed this often counts as stuck.
  uint32_t stuck_after = 10;
  // A saga that is undecided after this compensates. Both ages begin anew with an operator's command.
  absl::Duration undecided_max = absl::Minutes(10);
  // A saga that is unfinished after this parks: half of the participants' retention, since an automatic compensation
  // must not outlive the barrier rows that make it safe.
  absl::Duration unfinished_max = absl::Hours(84);
  absl::Duration compensation_timeout = absl::Seconds(5);
  absl::Duration compensation_backoff_initial = absl::Milliseconds(100);
  absl::Duration compensation_backoff_max = absl::Seconds(30);
  // A compensation whose next attempt is at least this far away waits in its row, not in memory.
  absl::Duration defer_from = absl::Seconds(1);
};

// One compensation to send: neighbouring steps with the same method and request are undone by one call, which carries
// the earliest step's name.
struct Compensation {
  std::string step;
  std::string method;
  std::string request;
};

// A saga in its owner's memory.
struct Saga {
  SagaRecord record;  // as last read or written
  // An earlier owner, or an earlier stay in memory, may have attempted any step: all are compensated.
  bool recovered = false;

  size_t step = 0;   // of the definition
  int attempts = 0;  // of the current step or compensation, in this stay in memory
  absl::Time step_deadline;
  std::vector<std::string> responses;

  std::vector<Compensation> plan;  // in the order of sending
  size_t compensation = 0;         // of the plan

  // Numbers the calls, timers and row reads: an event that carries another number than this is late.
  uint64_t turn = 0;
};

// Events. The first three carry the turn that they answer.
struct StepReplied {
  uint64_t turn;
  absl::StatusOr<std::string> reply;
};
struct TimerFired {
  uint64_t turn;
};
// A STALE_EPOCH made us read our row again.
struct RowRead {
  uint64_t turn;
  bool still_owner;
};
// The write of `record` is durable; the record has its new version.
struct JournalCommitted {
  SagaRecord record;
};
// The write changed nothing: the saga has another owner.
struct JournalFenced {};
// The saga is in memory: just started, or taken up from its row.
struct Loaded {};
using Event = std::variant<Loaded, StepReplied, TimerFired, RowRead, JournalCommitted, JournalFenced>;

// Actions.
// Ends in JournalCommitted or JournalFenced. With `due` the saga waits in its row from then on.
struct WriteJournal {
  SagaRecord record;
  std::optional<absl::Time> due;
};
// Ends in StepReplied.
struct CallStep {
  uint64_t turn;
  std::string method;
  std::string request;
  CallContext context;
};
struct SetTimer {
  uint64_t turn;
  absl::Duration delay;
};
// Ends in RowRead.
struct ReadRow {
  uint64_t turn;
};
// The saga is final or parked, durably: its callers get their answer.
struct AnswerCallers {};
// The saga leaves memory. Always the last action.
struct Forget {};
using Action = std::variant<WriteJournal, CallStep, SetTimer, ReadRow, AnswerCallers, Forget>;

struct Decision {
  Saga saga;
  std::vector<Action> actions;
};

// What the pure function may not fetch itself.
struct Surroundings {
  absl::Time now;
  double random;  // uniform in [0, 1), for jitter
};

// `definition` is the saga's own. Total: every event in every state has an answer; late ones change nothing.
Decision Decide(const EngineOptions& options, const Definition& definition, Saga saga, Event event,
                const Surroundings& surroundings);

// Whether the event is the success of the step that the saga is at.
bool IsStepSuccess(const Saga& saga, const Event& event);

// How a participant's answer counts (docs/semantics.md).
enum class Failure {
  kDefinite,            // a refusing code with the participant's own ErrorInfo: neither retried nor doubted
  kTransient,           // everything else: retried
  kStaleEpoch,          // a newer owner has been there
  kAlreadyCompensated,  // the saga is compensating there
  kTooOld,              // older than the participant's memory
};
Failure Classify(const absl::Status& status);

// The highest epoch that a participant which answers STALE_EPOCH has met; 0 if it does not say.
uint64_t HighestEpoch(const absl::Status& status);

}  // namespace sagamesh::engine

#endif  // SAGAMESH_COORDINATOR_ENGINE_ENGINE_H_
