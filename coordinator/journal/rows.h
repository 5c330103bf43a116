#ifndef SAGAMESH_COORDINATOR_JOURNAL_ROWS_H_
#define SAGAMESH_COORDINATOR_JOURNAL_ROWS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/sql/sql.h"
#include "coordinator/engine/saga.h"
#include "coordinator/journal/claim.h"

namespace sagamesh::journal {

// Why a row whose record cannot be decoded shows as parked.
inline constexpr absl::string_view kRecordUnreadable = "RECORD_UNREADABLE";

// A row of `sagas`. An unreadable one has what its columns know, is parked whatever its column says (nobody may take
// its missing result for a success), and keeps its bytes for whoever can read them.
struct SagaRow {
  engine::SagaRecord record;
  bool readable = true;
  std::string unreadable_bytes;
  std::optional<std::string> open_owner;
  std::optional<int64_t> due_ms;
  bool dirty = false;
};

// A row of `saga_keys` by its hash; what is no part of the decision comes from the saga that claims it.
struct StoredKey {
  KeyRow row;
  engine::SagaRecord claimant;  // only principal, definition, kind and key
  bool dirty = false;
};

// For SELECT, in the order that ReadSaga expects.
absl::string_view SagaColumns();
SagaRow ReadSaga(const sql::Row& row);

using SagaRows = std::map<std::string, SagaRow>;
using StoredKeys = std::map<std::string, StoredKey>;

// Locks and loads; ids that do not exist are left out.
absl::StatusOr<SagaRows> LoadSagas(sql::Connection& connection, const std::vector<std::string>& ids);
// Locks and loads; a key that nobody has claimed is there with status kNone.
absl::StatusOr<StoredKeys> LoadKeys(sql::Connection& connection, const std::vector<std::string>& hashes);

// Write the dirty rows, with one statement each. Answer how many.
absl::StatusOr<int> SaveSagas(sql::Connection& connection, const SagaRows& rows);
absl::StatusOr<int> SaveKeys(sql::Connection& connection, const StoredKeys& keys);

}  // namespace sagamesh::journal

#endif  // SAGAMESH_COORDINATOR_JOURNAL_ROWS_H_
