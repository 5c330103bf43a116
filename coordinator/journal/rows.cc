#include "coordinator/journal/rows.h"

#include <spdlog/spdlog.h>

#include "absl/strings/str_cat.h"
#include "common/fault/planted.h"
#include "common/status/error.h"
#include "coordinator/journal/record.h"

namespace sagamesh::journal {
namespace {

constexpr absl::string_view kSagaColumnNames[] = {"saga_id",    "definition", "phase",     "stuck",      "owner",
                                                  "epoch",      "version",    "takeovers", "open_owner", "due_ms",
                                                  "created_ms", "updated_ms", "record"};
constexpr absl::string_view kKeyColumnNames[] = {
    "key_hash", "principal", "definition", "kind", "idempotency_key", "fingerprint", "saga_id", "status", "claimed_ms"};

std::vector<sql::Value> TextValues(const std::vector<std::string>& texts) {
  return std::vector<sql::Value>(texts.begin(), texts.end());
}

bool IsPhase(int64_t phase) {
  return phase >= static_cast<int64_t>(Phase::kRunning) && phase <= static_cast<int64_t>(Phase::kCompensated);
}

}  // namespace

absl::string_view SagaColumns() {
  return "saga_id, definition, phase, stuck, owner, epoch, version, takeovers, open_owner, due_ms, created_ms, "
         "updated_ms, record";
}

SagaRow ReadSaga(const sql::Row& row) {
  SagaRow saga;
  engine::SagaRecord& record = saga.record;
  record.saga_id = row.Text(0);
  record.definition = row.Text(1);
  record.stuck = row.Int(3) != 0;
  record.owner = row.Text(4);
  record.epoch = static_cast<uint64_t>(row.Int(5));
  record.version = static_cast<uint64_t>(row.Int(6));
  record.takeovers = static_cast<uint32_t>(row.Int(7));
  if (!row.IsNull(8)) saga.open_owner = row.Text(8);
  if (!row.IsNull(9)) saga.due_ms = row.Int(9);
  record.created = absl::FromUnixMillis(row.Int(10));
  record.updated = absl::FromUnixMillis(row.Int(11));
  absl::Status readable = DecodeRecord(row.Text(12), record);
  if (readable.ok() && !IsPhase(row.Int(2))) readable = absl::DataLossError(absl::StrCat("phase ", row.Int(2)));
  if (readable.ok()) {
    record.phase = static_cast<Phase>(row.Int(2));
    return saga;
  }
  spdlog::error("saga {} cannot be read: {}", record.saga_id, std::string(readable.message()));
  saga.readable = false;
  saga.unreadable_bytes = row.Text(12);
  record.phase = Phase::kParked;
  record.park_reason = absl::StrCat(kRecordUnreadable, ": ", readable.message());
  return saga;
}

absl::StatusOr<SagaRows> LoadSagas(sql::Connection& connection, const std::vector<std::string>& ids) {
  SagaRows sagas;
  if (ids.empty()) return sagas;
  const auto rows = connection.Query(
      absl::StrCat("SELECT ", SagaColumns(), " FROM sagas WHERE saga_id IN (", sql::Placeholders(ids.size()),
                   ") ORDER BY saga_id", sql::ForUpdate(connection.dialect())),
      TextValues(ids));
  if (!rows.ok()) return rows.status();
  for (const sql::Row& row : *rows) sagas.emplace(row.Text(0), ReadSaga(row));
  return sagas;
}

absl::StatusOr<StoredKeys> LoadKeys(sql::Connection& connection, const std::vector<std::string>& hashes) {
  StoredKeys keys;
  if (hashes.empty()) return keys;
  for (const std::string& hash : hashes) keys[hash];
  if (connection.dialect() == sql::Dialect::kMysql && !Planted(Bug::kReadKeysUnlocked)) {
    constexpr absl::string_view kHash[] = {"key_hash"};
    std::vector<sql::Value> values;
    for (const auto& [hash, key] : keys) values.push_back(hash);
    SAGAMESH_RETURN_IF_ERROR(sql::InsertMissing(connection, "saga_keys", kHash, kHash, std::move(values)));
  }
  const auto rows = connection.Query(
      absl::StrCat("SELECT key_hash, principal, definition, kind, idempotency_key, fingerprint, saga_id, status, "
                   "claimed_ms FROM saga_keys WHERE key_hash IN (",
                   sql::Placeholders(hashes.size()), ") ORDER BY key_hash", sql::ForUpdate(connection.dialect())),
      TextValues(hashes));
  if (!rows.ok()) return rows.status();
  for (const sql::Row& row : *rows) {
    StoredKey& key = keys[row.Text(0)];
    key.claimant.principal = row.Text(1);
    key.claimant.definition = row.Text(2);
    key.claimant.key_kind = static_cast<KeyKind>(row.Int(3));
    key.claimant.key = row.Text(4);
    key.row = {.fingerprint = row.Text(5),
               .saga_id = row.Text(6),
               .status = static_cast<KeyStatus>(row.Int(7)),
               .claimed = absl::FromUnixMillis(row.Int(8))};
  }
  return keys;
}

absl::StatusOr<int> SaveSagas(sql::Connection& connection, const SagaRows& rows) {
  constexpr absl::string_view kKey[] = {"saga_id"};
  std::vector<sql::Value> values;
  int count = 0;
  for (const auto& [id, saga] : rows) {
    if (!saga.dirty) continue;
    count++;
    const engine::SagaRecord& record = saga.record;
    const auto number = [&values](auto value) { values.push_back(static_cast<int64_t>(value)); };
    values.push_back(record.saga_id);
    values.push_back(record.definition);
    number(record.phase);
    number(record.stuck);
    values.push_back(record.owner);
    number(record.epoch);
    number(record.version);
    number(record.takeovers);
    values.push_back(saga.open_owner.has_value() ? sql::Value(*saga.open_owner) : sql::Value());
    values.push_back(saga.due_ms.has_value() ? sql::Value(*saga.due_ms) : sql::Value());
    number(absl::ToUnixMillis(record.created));
    number(absl::ToUnixMillis(record.updated));
    values.push_back(sql::Blob{saga.readable ? EncodeRecord(record) : saga.unreadable_bytes});
  }
  if (count > 0) SAGAMESH_RETURN_IF_ERROR(sql::Upsert(connection, "sagas", kKey, kSagaColumnNames, std::move(values)));
  return count;
}

absl::StatusOr<int> SaveKeys(sql::Connection& connection, const StoredKeys& keys) {
  constexpr absl::string_view kKey[] = {"key_hash"};
  std::vector<sql::Value> values;
  int count = 0;
  for (const auto& [hash, key] : keys) {
    if (!key.dirty) continue;
    count++;
    values.push_back(hash);
    values.push_back(key.claimant.principal);
    values.push_back(key.claimant.definition);
    values.push_back(static_cast<int64_t>(key.claimant.key_kind));
    values.push_back(key.claimant.key);
    values.push_back(key.row.fingerprint);
    values.push_back(key.row.saga_id);
    values.push_back(static_cast<int64_t>(key.row.status));
    values.push_back(absl::ToUnixMillis(key.row.claimed));
  }
  if (count > 0) {
    SAGAMESH_RETURN_IF_ERROR(sql::Upsert(connection, "saga_keys", kKey, kKeyColumnNames, std::move(values)));
  }
  return count;
}

}  // namespace sagamesh::journal
