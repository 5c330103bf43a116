#include "coordinator/engine/history.h"

#include <algorithm>
#include <utility>

namespace sagamesh::engine {

void AddHistory(SagaRecord& record, HistoryEntry entry) {
  if (record.history.size() >= kHistoryEntriesMax) {
    record.history.erase(record.history.begin());
    record.history_dropped++;
  }
  record.history.push_back(std::move(entry));
}

void Park(SagaRecord& record, std::string reason, absl::Time now) {
  AddHistory(
      record,
      {.time = now, .event = HistoryEvent::kParked, .reason = reason, .before = record.phase, .after = Phase::kParked});
  record.phase = Phase::kParked;
  record.park_reason = std::move(reason);
}

absl::Time AgeBegins(const SagaRecord& record) {
  // Between two commands a saga decides and parks once each at most: the last command is never among the dropped.
  for (auto entry = record.history.rbegin(); entry != record.history.rend(); ++entry) {
    if (!entry->command_id.empty()) return std::max(record.created, entry->time);
  }
  return record.created;
}

}  // namespace sagamesh::engine
