#include "coordinator/engine/command.h"

#include <algorithm>

#include "common/fault/planted.h"
#include "common/status/error.h"
#include "coordinator/engine/history.h"

namespace sagamesh::engine {
namespace {

bool IsDecided(const SagaRecord& record) { return record.phase == Phase::kCompensating || !record.error.empty(); }

// ABORTED: nobody refused the request, so that it counts as a transient failure, and an ordinary retry may run.
void DecideToCompensate(SagaRecord& record) {
  record.error = SerializeStatus(MakeError(absl::StatusCode::kAborted, {"coordinator", "COMPENSATED_BY_OPERATOR"},
                                           "an operator had the saga undone", {{"saga_id", record.saga_id}}));
  record.error_definite = false;
}

}  // namespace

CommandOutcome Apply(const Command& command, const std::string& owner, absl::Time now, SagaRecord& record) {
  if (IsFinal(record.phase)) return CommandOutcome::kFinal;
  const bool compensate = command.kind == Command::Kind::kCompensate;
  if (compensate && record.phase == Phase::kCompensating) return CommandOutcome::kUnchanged;
  if (!compensate && record.phase == Phase::kRunning) return CommandOutcome::kNotParked;
  const uint64_t highest = std::max(record.epoch, record.epoch_met);
  if (highest >= kCommandEpochMax) return CommandOutcome::kEpochExhausted;

  const Phase before = record.phase;
  if (compensate && !IsDecided(record)) DecideToCompensate(record);
  record.phase = IsDecided(record) ? Phase::kCompensating : Phase::kRunning;
  record.park_reason.clear();
  record.owner = owner;
  if (!Planted(Bug::kCommandKeepsEpoch)) record.epoch = highest + 1;
  record.takeovers = 0;
  AddHistory(record, {.time = now,
                      .event = compensate ? HistoryEvent::kCompensateCommand : HistoryEvent::kRetryCommand,
                      .reason = command.reason,
                      .before = before,
                      .after = record.phase,
                      .command_id = command.id,
                      .principal = command.principal});
  return CommandOutcome::kDone;
}

bool IsApplied(const Command& command, const SagaRecord& record) {
  return std::any_of(record.history.begin(), record.history.end(),
                     [&command](const HistoryEntry& entry) { return entry.command_id == command.id; });
}

}  // namespace sagamesh::engine
