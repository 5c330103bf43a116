#include "coordinator/runtime/shard.h"

#include <algorithm>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "coordinator/runtime/crash_points.h"
#include "coordinator/runtime/errors.h"

namespace sagamesh::runtime {
namespace {

using engine::Phase;
using engine::SagaRecord;

// How long to wait before a journal that is away is tried again.
constexpr absl::Duration kJournalRetryMax = absl::Seconds(1);
// How often the row of a saga that is not in memory is read for its waiters.
constexpr absl::Duration kRowPollInterval = absl::Milliseconds(500);

}  // namespace

void Shard::Adopt(SagaRecord record, const engine::Definition& definition, Recovering recovering) {
  const std::string saga_id = record.saga_id;
  if (const auto there = slots_.find(saga_id); there != slots_.end()) {
    shared_.inflight.Leave();
    // A write whose outcome we have not learned yet put the saga into its row, and it was taken out of there again: the
    // row is what counts, and what was under way is late.
    if (record.version <= there->second.saga.record.version) return;
  }
  Slot& slot = slots_[saga_id];
  slot.saga = engine::Saga{};
  slot.saga.record = std::move(record);
  slot.saga.recovered = recovering != nullptr;
  slot.recovering = std::move(recovering);
  // No turn is had twice: what comes late may be of a time when we had this saga before.
  slot.saga.turn = ++adoptions_ << 32;
  slot.definition = &definition;
  // An operator may have decided for callers that wait for another end.
  if (slot.saga.record.phase == Phase::kCompensating) AnswerLater(slot.saga.record);
  Happen(saga_id, engine::Loaded{});
}

void Shard::DropStrangers(const std::string& owner) {
  std::vector<std::string> strangers;
  for (const auto& [saga_id, slot] : slots_) {
    if (slot.saga.record.owner != owner) strangers.push_back(saga_id);
  }
  std::sort(strangers.begin(), strangers.end());
  for (const std::string& saga_id : strangers) {
    shared_.metrics.Fenced();
    CarryOut(saga_id, engine::Forget{});
  }
}

void Shard::SendCallersAway() {
  callers_sent_away_ = true;
  waiters_.FinishEvery(error::ShuttingDown());
}

void Shard::Attach(const std::string& saga_id, absl::Time deadline, AnswerCallback done) {
  if (callers_sent_away_) return done(error::ShuttingDown());
  const uint64_t waiter = waiters_.Add(saga_id, done);
  if (waiter == 0) return done(error::TooManyWaiters(saga_id, shared_.options.max_waiters_per_saga));
  if (deadline != absl::InfiniteFuture()) {
    loop_.PostAfter(deadline - shared_.clock.Now(), [self = shared_from_this(), saga_id, waiter] {
      self->waiters_.Finish(saga_id, waiter, error::StillRunning(saga_id));
    });
  }
  const auto slot = slots_.find(saga_id);
  // Registered, then read again: an end that was written before we registered is in the row.
  if (slot == slots_.end()) return PollRow(saga_id);
  if (slot->second.saga.record.phase == Phase::kCompensating) AnswerLater(slot->second.saga.record);
}

bool Shard::Holds(const std::string& saga_id, uint64_t version) const {
  const auto slot = slots_.find(saga_id);
  return slot != slots_.end() && slot->second.saga.record.version == version;
}

void Shard::Happen(const std::string& saga_id, engine::Event event) {
  const auto found = slots_.find(saga_id);
  if (found == slots_.end()) return;  // forgotten meanwhile: the event is late
  Slot& slot = found->second;
  const Phase before = slot.saga.record.phase;
  const bool was_stuck = slot.saga.record.stuck;
  if (engine::IsStepSuccess(slot.saga, event)) {
    shared_.options.crash_at.Reached(crash_point::kStepReplied, slot.definition->steps[slot.saga.step].name);
  }
  engine::Decision decision = engine::Decide(shared_.options.engine, *slot.definition, std::move(slot.saga),
                                             std::move(event), {shared_.clock.Now(), shared_.random.NextDouble()});
  slot.saga = std::move(decision.saga);
  if (slot.saga.record.phase != before) {
    shared_.metrics.Entered(slot.saga.record.phase);
    if (slot.saga.record.phase == Phase::kCompensating) AnswerLater(slot.saga.record);
  }
  if (slot.saga.record.stuck && !was_stuck) shared_.metrics.BecameStuck();
  for (engine::Action& action : decision.actions) {
    std::visit([this, &saga_id](auto& wanted) { CarryOut(saga_id, std::move(wanted)); }, action);
  }
}

void Shard::CarryOut(const std::string& saga_id, engine::WriteJournal action) {
  if (action.record.phase == Phase::kCompensated) shared_.options.crash_at.Reached(crash_point::kCompensated);
  const uint64_t version = action.record.version;
  shared_.journal.Write(std::move(action.record), action.due,
                        OnLoop([saga_id, version, due = action.due](
                                   Shard& shard, absl::StatusOr<journal::WriteOutcome> outcome, SagaRecord record) {
                          if (shard.Holds(saga_id, version))
                            shard.Written(saga_id, due, std::move(outcome), std::move(record));
                        }));
}

void Shard::Written(const std::string& saga_id, std::optional<absl::Time> due,
                    absl::StatusOr<journal::WriteOutcome> outcome, SagaRecord record) {
  if (!outcome.ok()) {
    // The journal is away; the write is guarded by the version, so that it may be tried until it is known.
    loop_.PostAfter(
        kJournalRetryMax * shared_.random.NextDouble(),
        [self = shared_from_this(), saga_id, action = engine::WriteJournal{std::move(record), due}]() mutable {
          if (self->Holds(saga_id, action.record.version)) self->CarryOut(saga_id, std::move(action));
        });
    return;
  }
  if (*outcome == journal::WriteOutcome::kFenced) {
    shared_.metrics.Fenced();
    return Happen(saga_id, engine::JournalFenced{});
  }
  if (record.phase == Phase::kCompensating) shared_.options.crash_at.Reached(crash_point::kDecided);
  if (engine::IsFinal(record.phase)) shared_.options.crash_at.Reached(crash_point::kFinal);
  if (due.has_value()) DeferredUntil(absl::ToUnixMillis(*due));
  Happen(saga_id, engine::JournalCommitted{std::move(record)});
}

void Shard::DeferredUntil(int64_t due_ms) {
  int64_t latest = shared_.deferred_until_ms;
  while (latest < due_ms && !shared_.deferred_until_ms.compare_exchange_weak(latest, due_ms)) {
  }
}

void Shard::CarryOut(const std::string& saga_id, engine::CallStep action) {
  const uint64_t turn = action.turn;
  shared_.step_caller.Call(action.method, std::move(action.request), action.context,
                           OnLoop([saga_id, turn](Shard& shard, absl::StatusOr<std::string> reply) {
                             shard.Happen(saga_id, engine::StepReplied{turn, std::move(reply)});
                           }));
}

void Shard::CarryOut(const std::string& saga_id, engine::SetTimer action) {
  loop_.PostAfter(action.delay, [self = shared_from_this(), saga_id, turn = action.turn] {
    self->Happen(saga_id, engine::TimerFired{turn});
  });
}

void Shard::CarryOut(const std::string& saga_id, engine::ReadRow action) {
  const uint64_t turn = action.turn;
  shared_.journal.Get(saga_id, OnLoop([saga_id, turn](Shard& shard, absl::StatusOr<std::optional<SagaRecord>> row) {
                        const auto slot = shard.slots_.find(saga_id);
                        if (slot == shard.slots_.end()) return;
                        if (!row.ok()) {
                          shard.loop_.PostAfter(kRowPollInterval, [self = shard.shared_from_this(), saga_id, turn] {
                            self->CarryOut(saga_id, engine::ReadRow{turn});
                          });
                          return;
                        }
                        const SagaRecord& ours = slot->second.saga.record;
                        const bool still_owner =
                            row->has_value() && (*row)->owner == ours.owner && (*row)->epoch == ours.epoch;
                        shard.Happen(saga_id, engine::RowRead{turn, still_owner});
                      }));
}

void Shard::CarryOut(const std::string& saga_id, engine::AnswerCallers) {
  waiters_.FinishAll(saga_id, AnswerOf(slots_.at(saga_id).saga.record));
}

void Shard::CarryOut(const std::string& saga_id, engine::Forget) {
  if (slots_.erase(saga_id) == 0) return;
  shared_.inflight.Leave();
  // Waiters of a saga that left memory unfinished go on as attachers.
  if (waiters_.Has(saga_id)) PollRow(saga_id);
}

void Shard::AnswerLater(const SagaRecord& record) {
  const std::vector<uint64_t> waiters = waiters_.Ids(record.saga_id);
  if (waiters.empty()) return;
  loop_.PostAfter(shared_.options.compensation_wait, [self = shared_from_this(), answer = AnswerOf(record), waiters] {
    for (uint64_t waiter : waiters) self->waiters_.Finish(answer.saga_id, waiter, answer);
  });
}

void Shard::PollRow(const std::string& saga_id) {
  shared_.journal.Get(saga_id, OnLoop([saga_id](Shard& shard, absl::StatusOr<std::optional<SagaRecord>> row) {
                        shard.RowPolled(saga_id, std::move(row));
                      }));
}

void Shard::RowPolled(const std::string& saga_id, absl::StatusOr<std::optional<SagaRecord>> row) {
  if (!waiters_.Has(saga_id) || slots_.contains(saga_id)) return;
  if (row.ok() && row->has_value()) {
    const SagaRecord& record = **row;
    if (engine::IsFinal(record.phase) || record.phase == Phase::kParked) {
      return waiters_.FinishAll(saga_id, AnswerOf(record));
    }
    if (record.phase == Phase::kCompensating) AnswerLater(record);
  }
  loop_.PostAfter(kRowPollInterval, [self = shared_from_this(), saga_id] {
    if (self->waiters_.Has(saga_id) && !self->slots_.contains(saga_id)) self->PollRow(saga_id);
  });
}

}  // namespace sagamesh::runtime
