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

// A row of `saga_keys` by its hash. `claimant` is the saga to write it for.
struct StoredKey {
  KeyRow row;
  const engine::SagaRecord* claimant = nullptr;
  bool dirty = false;
};

// For SELECT, in the order that ReadSaga expects.
absl::string_view SagaColumns();
SagaRow ReadSaga(const sql::Row& row);

using SagaRows = std::map<std::string, SagaRow>;
using StoredKeys = std::map<std::string, StoredKey>;

// Locks and loads; ids that do not exist are left out.
absl::StatusOr<SagaRows> LoadSagas(sql::Connection& connection, const std::vector<std::string>& ids);
// By its key's hash, a saga that wants the key.
using Claimants = std::map<std::string, const engine::SagaRecord*>;

// Locks and loads. On MySQL a key without a row is claimed by this very locking: its row is inserted for the claimant.
absl::StatusOr<StoredKeys> LoadKeys(sql::Connection& connection, const Claimants& claimants, int64_t now_ms);

// Write the dirty rows, with one statement each. Answer how many.
absl::StatusOr<int> SaveSagas(sql::Connection& connection, const SagaRows& rows);
absl::StatusOr<int> SaveKeys(sql::Connection& connection, const StoredKeys& keys, int64_t now_ms);

}  // namespace sagamesh::journal

#endif  // SAGAMESH_COORDINATOR_JOURNAL_ROWS_H_
