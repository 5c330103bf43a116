#include "coordinator/engine/engine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/fault/planted.h"
#include "common/status/error.h"
#include "coordinator/engine/history.h"

namespace sagamesh::engine {
namespace {

constexpr absl::string_view kDomain = "coordinator";
// An attempt with less time than this would end as DEADLINE_EXCEEDED, and the client not learn what the participant
// said.
constexpr absl::Duration kAttemptMin = absl::Milliseconds(100);

// One use of Decide: the saga being changed and the actions so far.
class Decider {
 public:
  Decider(const EngineOptions& options, const Definition& definition, Saga saga, const Surroundings& surroundings)
      : options_(options), definition_(definition), saga_(std::move(saga)), surroundings_(surroundings) {}

  void On(const Loaded&);
  void On(StepReplied&& event);
  void On(const TimerFired& event);
  void On(const RowRead& event);
  void On(JournalCommitted&& event);
  void On(const JournalFenced&) { Do(Forget{}); }

  Decision Take() && { return {std::move(saga_), std::move(actions_)}; }

 private:
  // Actions of the definition.
  void BeginStep();
  void SendStep();
  void StepSucceeded(std::string response);
  void StepFailed(const absl::Status& status);
  void Succeed();
  void Fail(const absl::Status& cause, bool definite);

  // Compensations.
  void BeginCompensating();
  void SendCompensation();
  void CompensationFailed(const absl::Status& status);
  absl::Status PlanCompensations();

  void Park(std::string reason);
  void ReadRowAgain(const absl::Status& stale);
  void Write(Phase phase);

  CallContext StepContext(const std::string& step, SagaOp op, absl::Time deadline) const;
  MappingInput Mappings() const {
    return {saga_.record.saga_id, saga_.record.input, saga_.responses, saga_.record.definition_version};
  }
  absl::Duration Backoff(absl::Duration initial, absl::Duration max, int attempts) const;
  absl::Duration Age() const { return surroundings_.now - AgeBegins(saga_.record); }
  void Do(Action action) { actions_.push_back(std::move(action)); }

  const EngineOptions& options_;
  const Definition& definition_;
  Saga saga_;
  const Surroundings& surroundings_;
  std::vector<Action> actions_;
};

void Decider::On(const Loaded&) {
  if (Age() > options_.unfinished_max) return Park("UNFINISHED_TOO_LONG");
  if (saga_.record.phase == Phase::kCompensating) return BeginCompensating();
  BeginStep();
}

void Decider::On(StepReplied&& event) {
  if (event.turn != saga_.turn) return;
  if (saga_.record.phase == Phase::kRunning) {
    if (event.reply.ok()) return StepSucceeded(*std::move(event.reply));
    return StepFailed(event.reply.status());
  }
  if (!event.reply.ok()) return CompensationFailed(event.reply.status());
  saga_.compensation++;
  saga_.attempts = 0;
  saga_.record.compensation_attempts = 0;
  saga_.record.stuck = false;
  if (saga_.compensation == saga_.plan.size()) return Write(Phase::kCompensated);
  SendCompensation();
}

void Decider::On(const TimerFired& event) {
  if (event.turn != saga_.turn) return;
  if (Age() > options_.unfinished_max) return Park("UNFINISHED_TOO_LONG");
  if (saga_.record.phase == Phase::kRunning) return SendStep();
  SendCompensation();
}

void Decider::On(const RowRead& event) {
  if (event.turn != saga_.turn) return;
  // A newer owner never lets us compensate. Still the owner at this epoch: the participant has met an epoch that was
  // never given out (a restored database, a stranger).
  if (!event.still_owner) return Do(Forget{});
  const uint64_t met = saga_.record.epoch_met;
  Park(met == 0 ? "EPOCH_AHEAD" : absl::StrCat("EPOCH_AHEAD: a participant has met epoch ", met));
}

void Decider::On(JournalCommitted&& event) {
  saga_.record = std::move(event.record);
  switch (saga_.record.phase) {
    case Phase::kRunning:
      return;
    case Phase::kCompensating:
      if (saga_.plan.empty()) return BeginCompensating();  // the decision to compensate is durable now
      return Do(Forget{});                                 // a deferred compensation waits in its row
    case Phase::kParked:
    case Phase::kSucceeded:
    case Phase::kCompensated:
      Do(AnswerCallers{});
      return Do(Forget{});
  }
}

void Decider::BeginStep() {
  saga_.attempts = 0;
  saga_.step_deadline = surroundings_.now + definition_.steps[saga_.step].step_timeout;
  SendStep();
}

void Decider::SendStep() {
  if (Age() > options_.undecided_max) {
    return Fail(MakeError(absl::StatusCode::kDeadlineExceeded, {kDomain, "SAGA_UNDECIDED_TOO_LONG"},
                          "the saga was not decided in time"),
                /*definite=*/false);
  }
  const Step& step = definition_.steps[saga_.step];
  absl::StatusOr<std::string> request = step.request(Mappings());
  if (!request.ok()) return Fail(request.status(), /*definite=*/false);
  saga_.attempts++;
  const absl::Time deadline = std::min(surroundings_.now + step.attempt_timeout, saga_.step_deadline);
  Do(CallStep{++saga_.turn, step.method, *std::move(request), StepContext(step.name, SagaOp::kAction, deadline)});
}

void Decider::StepSucceeded(std::string response) {
  saga_.responses.push_back(std::move(response));
  saga_.step++;
  if (saga_.step == definition_.steps.size()) return Succeed();
  BeginStep();
}

void Decider::StepFailed(const absl::Status& status) {
  const Failure failure = Classify(status);
  if (failure == Failure::kStaleEpoch) return ReadRowAgain(status);
  if (failure != Failure::kTransient) return Fail(status, failure == Failure::kDefinite);
  const Step& step = definition_.steps[saga_.step];
  const absl::Duration delay = Backoff(step.backoff_initial, step.backoff_max, saga_.attempts);
  if (surroundings_.now + delay + kAttemptMin > saga_.step_deadline) return Fail(status, /*definite=*/false);
  Do(SetTimer{++saga_.turn, delay});
}

void Decider::Succeed() {
  absl::StatusOr<std::string> output = definition_.output(Mappings());
  if (!output.ok()) {
    saga_.step--;  // the last step was the last attempted
    return Fail(output.status(), /*definite=*/false);
  }
  saga_.record.result = *std::move(output);
  Write(Phase::kSucceeded);
}

// The cause as the client will see it: a participant's own error keeps its code, message and details.
absl::Status ClientError(const absl::Status& cause, const std::string& saga_id, const std::string& step) {
  absl::Status error = cause;
  if (!GetErrorInfo(cause).has_value()) {
    error =
        MakeError(cause.code(), {kDomain, "STEP_FAILED"},
                  absl::StrCat("step ", step, " failed: ", absl::StatusCodeToString(cause.code())), {{"step", step}});
  }
  return WithErrorMetadata(error, "saga_id", saga_id);
}

void Decider::Fail(const absl::Status& cause, bool definite) {
  SagaRecord& record = saga_.record;
  record.failed_step = definition_.steps[saga_.step].name;
  const absl::Status error = ClientError(cause, record.saga_id, record.failed_step);
  record.error = SerializeStatus(error);
  record.error_definite = definite;
  AddHistory(record, {.time = surroundings_.now,
                      .event = HistoryEvent::kDecided,
                      .reason = absl::StrCat(record.failed_step, ": ", GetReason(error)),
                      .before = Phase::kRunning,
                      .after = Phase::kCompensating});
  if (Planted(Bug::kCompensateBeforeDecision)) {
    record.phase = Phase::kCompensating;
    return BeginCompensating();
  }
  Write(Phase::kCompensating);
}

absl::Status Decider::PlanCompensations() {
  saga_.plan.clear();
  saga_.compensation = 0;
  // Which steps an earlier owner attempted is not known; null compensation makes it safe to undo them all.
  const bool all = saga_.recovered && !Planted(Bug::kForgetEarlierOwner);
  const size_t attempted = all ? definition_.steps.size() : saga_.step + (Planted(Bug::kFailedStepNotUndone) ? 0 : 1);
  for (size_t i = attempted; i-- > 0;) {
    const Step& step = definition_.steps[i];
    absl::StatusOr<std::string> request = step.compensation_request(Mappings());
    if (!request.ok()) return request.status();
    if (!saga_.plan.empty() && saga_.plan.back().method == step.compensation_method &&
        saga_.plan.back().request == *request) {
      saga_.plan.back().step = step.name;
    } else {
      saga_.plan.push_back({step.name, step.compensation_method, *std::move(request)});
    }
  }
  if (Planted(Bug::kCompensateForward)) std::reverse(saga_.plan.begin(), saga_.plan.end());
  return absl::OkStatus();
}

void Decider::BeginCompensating() {
  saga_.attempts = 0;
  if (absl::Status status = PlanCompensations(); !status.ok()) {
    return Park(absl::StrCat("COMPENSATION_MAPPING_FAILED: ", status.message()));
  }
  if (Planted(Bug::kFailedStepNotUndone) && saga_.plan.empty()) return Write(Phase::kCompensated);
  SendCompensation();
}

void Decider::SendCompensation() {
  const Compensation& compensation = saga_.plan[saga_.compensation];
  Do(CallStep{
      ++saga_.turn, compensation.method, compensation.request,
      StepContext(compensation.step, SagaOp::kCompensation, surroundings_.now + options_.compensation_timeout)});
}

void Decider::CompensationFailed(const absl::Status& status) {
  switch (Classify(status)) {
    case Failure::kStaleEpoch:
      return ReadRowAgain(status);
    case Failure::kDefinite:
    case Failure::kAlreadyCompensated:
    case Failure::kTooOld:
      return Park(absl::StrCat("COMPENSATION_REFUSED: ", GetReason(status), ": ", status.message()));
    case Failure::kTransient:
      break;
  }
  saga_.attempts++;
  saga_.record.compensation_attempts++;
  saga_.record.stuck = saga_.record.compensation_attempts >= options_.stuck_after;
  const absl::Duration delay = Backoff(options_.compensation_backoff_initial, options_.compensation_backoff_max,
                                       static_cast<int>(saga_.record.compensation_attempts));
  if (delay < options_.defer_from) return Do(SetTimer{++saga_.turn, delay});
  saga_.turn++;
  Do(WriteJournal{saga_.record, surroundings_.now + delay});
}

// With what the participant tells, so that a later owner may go on above it.
void Decider::ReadRowAgain(const absl::Status& stale) {
  saga_.record.epoch_met = std::max(saga_.record.epoch_met, HighestEpoch(stale));
  Do(ReadRow{++saga_.turn});
}

void Decider::Park(std::string reason) {
  saga_.turn++;
  SagaRecord next = saga_.record;
  engine::Park(next, std::move(reason), surroundings_.now);
  Do(WriteJournal{std::move(next), std::nullopt});
}

void Decider::Write(Phase phase) {
  saga_.turn++;  // whatever is still under way is late from here on
  SagaRecord next = saga_.record;
  next.phase = phase;
  if (Planted(Bug::kAnswerBeforeCommit) && IsFinal(phase)) {
    saga_.record.phase = phase;
    Do(AnswerCallers{});
  }
  Do(WriteJournal{std::move(next), std::nullopt});
}

CallContext Decider::StepContext(const std::string& step, SagaOp op, absl::Time deadline) const {
  const SagaRecord& record = saga_.record;
  CallContext context;
  context.saga = SagaCall{record.saga_id, step, op, record.epoch};
  context.idempotency_key =
      absl::StrCat(record.saga_id, "/", step, "/", op == SagaOp::kAction ? "action" : "compensation");
  context.principal = record.principal;
  context.deadline = deadline;
  context.traceparent = record.traceparent;
  context.tracestate = record.tracestate;
  context.fault = record.fault;
  return context;
}

// Exponential backoff with full jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
absl::Duration Decider::Backoff(absl::Duration initial, absl::Duration max, int attempts) const {
  const int doublings = std::clamp(attempts - 1, 0, 30);
  const absl::Duration ceiling = std::min(max, initial * (int64_t{1} << doublings));
  return ceiling * surroundings_.random;
}

}  // namespace

bool IsStepSuccess(const Saga& saga, const Event& event) {
  const auto* replied = std::get_if<StepReplied>(&event);
  return replied != nullptr && saga.record.phase == Phase::kRunning && replied->turn == saga.turn &&
         replied->reply.ok();
}

Decision Decide(const EngineOptions& options, const Definition& definition, Saga saga, Event event,
                const Surroundings& surroundings) {
  Decider decider(options, definition, std::move(saga), surroundings);
  std::visit([&decider](auto& happened) { decider.On(std::move(happened)); }, event);
  return std::move(decider).Take();
}

}  // namespace sagamesh::engine
