#ifndef SAGAMESH_COORDINATOR_JOURNAL_RECORD_H_
#define SAGAMESH_COORDINATOR_JOURNAL_RECORD_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "coordinator/engine/saga.h"

namespace sagamesh::journal {

// The highest format that this program reads and writes (StoredSaga.format).
inline constexpr uint32_t kRecordFormat = 2;

// The part of a saga that is no column of its row, as deterministic bytes.
std::string EncodeRecord(const engine::SagaRecord& record);

// Reads it into `record`, whose columns (id, definition, phase, stuck, owner, epoch, version, takeovers, times) are
// left as they are. DATA_LOSS if the bytes are damaged or of a newer format; `record` is then unchanged.
absl::Status DecodeRecord(absl::string_view bytes, engine::SagaRecord& record);

}  // namespace sagamesh::journal

#endif  // SAGAMESH_COORDINATOR_JOURNAL_RECORD_H_
