#ifndef SAGAMESH_COORDINATOR_ENGINE_HISTORY_H_
#define SAGAMESH_COORDINATOR_ENGINE_HISTORY_H_

#include <cstddef>
#include <string>

#include "absl/time/time.h"
#include "coordinator/engine/saga.h"

namespace sagamesh::engine {

// What came before is dropped and only counted: a saga that is retried without end must not grow.
inline constexpr size_t kHistoryEntriesMax = 32;

void AddHistory(SagaRecord& record, HistoryEntry entry);

// What parking makes of a record, whoever parks it.
void Park(SagaRecord& record, std::string reason, absl::Time now);

// When the saga began, or an operator last set it going again: its age is counted from then.
absl::Time AgeBegins(const SagaRecord& record);

}  // namespace sagamesh::engine

#endif  // SAGAMESH_COORDINATOR_ENGINE_HISTORY_H_
