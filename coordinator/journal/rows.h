#ifndef SAGAMESH_COORDINATOR_JOURNAL_ROWS_H_
#define SAGAMESH_COORDINATOR_JOURNAL_ROWS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
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
  // Nobody has looked whether the row is there: it must be as its owner last knew it, one version below, or, at its
  // first version, not be there.
  bool unseen = false;
};

// A row of `saga_keys`.
struct StoredKey {
  KeyRow row;
  bool exists = false;
  const engine::SagaRecord* claimant = nullptr;  // whom it is to be written for
};

// For SELECT, in the order that ReadSaga expects.
absl::string_view SagaColumns();
SagaRow ReadSaga(const sql::Row& row);

using SagaRows = std::map<std::string, SagaRow>;
using StoredKeys = std::map<std::string, StoredKey>;

// Whether rows can be written unseen: where a look at them costs a call of a server.
bool WritesUnseen(const sql::Connection& connection);

// Locks and loads; ids that do not exist are left out.
absl::StatusOr<SagaRows> LoadSagas(sql::Connection& connection, const std::set<std::string>& ids);
// Locks and loads; of one that does not exist the row is as if never claimed.
absl::StatusOr<StoredKeys> LoadKeys(sql::Connection& connection, const std::set<std::string>& hashes);

// Write the dirty rows. Answer how many. ALREADY_EXISTS: a key that did not exist was claimed meanwhile, or an unseen
// row is not as it must be; run the transaction again.
absl::StatusOr<int> SaveSagas(sql::Connection& connection, const SagaRows& rows);
absl::StatusOr<int> SaveKeys(sql::Connection& connection, const StoredKeys& keys, int64_t now_ms);

}  // namespace sagamesh::journal

#endif  // SAGAMESH_COORDINATOR_JOURNAL_ROWS_H_
