#include "tests/simulation/operators.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/error.h"

namespace sagamesh::simulation {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(5);

template <typename Request>
std::string Serialize(const std::string& saga_id, const std::string& reason) {
  Request request;
  request.set_saga_id(saga_id);
  request.set_reason(reason);
  return request.SerializeAsString();
}

template <typename Response>
absl::StatusOr<::saga::v1::Saga> SagaIn(const absl::StatusOr<std::string>& reply) {
  if (!reply.ok()) return reply.status();
  Response response;
  response.ParseFromString(*reply);
  return response.saga();
}

}  // namespace

void Operators::Step() {
  if (steps_per_command_ == 0 || rng_.Below(steps_per_command_) != 0) return;
  const auto& calls = network_.exchanges();
  if (calls.empty()) return;
  // Mostly one that is likely to be under way.
  constexpr uint64_t kFreshCalls = 10;
  const uint64_t last = calls.size();
  const uint64_t first = last > kFreshCalls && rng_.Chance(0.8) ? last - kFreshCalls : 0;
  const Exchange& call = calls[first + rng_.Below(last - first)];
  if (call.context.saga.has_value()) Command(call.context.saga->saga_id, rng_.Chance(0.5));
}

void Operators::RetryParked(const Snapshot& snapshot, const std::string& but) {
  if (steps_per_command_ == 0) return;
  for (const auto& [id, saga] : snapshot.sagas) {
    if (saga.phase == engine::Phase::kParked && id != but) Command(id, /*compensate=*/false);
  }
}

void Operators::Command(const std::string& saga_id, bool compensate) {
  const std::string reason = absl::StrCat("command ", commands_++);
  CallContext context;
  context.deadline = scheduler_.now() + kTimeout;
  under_way_++;
  if (compensate) {
    network_.Call(nullptr, "coordinator", kCompensateSaga,
                  Serialize<::saga::v1::CompensateSagaRequest>(saga_id, reason), context,
                  [this, reason](absl::StatusOr<std::string> reply, ReplyInfo) {
                    Answered(reason, SagaIn<::saga::v1::CompensateSagaResponse>(reply));
                  });
  } else {
    network_.Call(nullptr, "coordinator", kRetrySaga, Serialize<::saga::v1::RetrySagaRequest>(saga_id, reason), context,
                  [this, reason](absl::StatusOr<std::string> reply, ReplyInfo) {
                    Answered(reason, SagaIn<::saga::v1::RetrySagaResponse>(reply));
                  });
  }
}

void Operators::Answered(const std::string& reason, const absl::StatusOr<::saga::v1::Saga>& saga) {
  under_way_--;
  if (!saga.ok()) {
    counts_[absl::StrCat("commands: ", GetReason(saga.status()))]++;
    return;
  }
  const auto& history = saga->history();
  const auto entry = std::find_if(history.begin(), history.end(),
                                  [&reason](const ::saga::v1::HistoryEntry& told) { return told.reason() == reason; });
  if (entry == history.end()) {
    counts_["commands: nothing to change"]++;
    return;
  }
  done_[reason] = saga->saga_id();
  counts_[absl::StrCat("commands: ", ::saga::v1::HistoryEntry::Event_Name(entry->event()), " from ",
                       ::saga::v1::Saga::State_Name(entry->state_before()))]++;
}

void Operators::CheckDone(const Snapshot& snapshot, Violations& violations) const {
  for (const auto& [reason, saga_id] : done_) {
    const auto saga = snapshot.sagas.find(saga_id);
    const bool kept =
        saga != snapshot.sagas.end() &&
        (saga->second.history_dropped > 0 ||
         std::any_of(saga->second.history.begin(), saga->second.history.end(),
                     [&reason = reason](const engine::HistoryEntry& entry) { return entry.reason == reason; }));
    if (!kept) Add(violations, "9: ", reason, " was answered as done and saga ", saga_id, " does not know of it");
  }
}

void Operators::Count(Counts& counts) const {
  for (const auto& [name, count] : counts_) counts[name] += count;
}

}  // namespace sagamesh::simulation
