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
// Of a row that was ever claimed. Earlier versions also wrote how the saga ended, and still read this.
constexpr int64_t kClaimed = 1;

void AppendKeyRow(const std::string& hash, const engine::SagaRecord& claimant, int64_t now_ms,
                  std::vector<sql::Value>& values) {
  values.insert(values.end(), {hash, claimant.principal, claimant.definition, static_cast<int64_t>(claimant.key_kind),
                               claimant.key, claimant.fingerprint, claimant.saga_id, kClaimed, now_ms});
}

void AppendSagaRow(const SagaRow& saga, std::vector<sql::Value>& values) {
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

// `count` says how many changes the rows make if all are as they must be.
absl::Status SaveUnseen(sql::Connection& connection, std::vector<sql::Value> values, int64_t count) {
  // What an owner's write leaves as it is, is not written. The version comes last, since the condition looks at it.
  constexpr absl::string_view kChanged[] = {"phase",  "stuck",      "takeovers", "open_owner",
                                            "due_ms", "updated_ms", "record",    "version"};
  constexpr absl::string_view kIsAsKnown =
      "version = VALUES(version) - 1 AND epoch = VALUES(epoch) AND owner = VALUES(owner)";
  if (values.empty()) return absl::OkStatus();
  SAGAMESH_ASSIGN_OR_RETURN(const int64_t changes, sql::UpsertIf(connection, "sagas", kIsAsKnown, kSagaColumnNames,
                                                                 kChanged, std::move(values)));
  if (changes == count || Planted(Bug::kUnseenWriteTrusted)) return absl::OkStatus();
  return absl::AlreadyExistsError("a saga is not as its owner last knew it");
}

std::vector<sql::Value> Keys(const std::set<std::string>& texts) {
  std::vector<sql::Value> keys(texts.begin(), texts.end());
  sql::PadKeys(keys);
  return keys;
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

bool WritesUnseen(const sql::Connection& connection) {
  return connection.dialect() == sql::Dialect::kMysql && !Planted(Bug::kSkipFence);
}

absl::StatusOr<SagaRows> LoadSagas(sql::Connection& connection, const std::set<std::string>& ids) {
  SagaRows sagas;
  if (ids.empty()) return sagas;
  const std::vector<sql::Value> wanted = Keys(ids);
  const auto rows = connection.Query(
      absl::StrCat("SELECT ", SagaColumns(), " FROM sagas WHERE saga_id IN (", sql::Placeholders(wanted.size()),
                   ") ORDER BY saga_id", sql::ForUpdate(connection.dialect())),
      wanted);
  if (!rows.ok()) return rows.status();
  for (const sql::Row& row : *rows) sagas.emplace(row.Text(0), ReadSaga(row));
  return sagas;
}

absl::StatusOr<StoredKeys> LoadKeys(sql::Connection& connection, const std::set<std::string>& hashes) {
  StoredKeys keys;
  if (hashes.empty()) return keys;
  for (const std::string& hash : hashes) keys[hash];
  const std::vector<sql::Value> wanted = Keys(hashes);
  const auto rows = connection.Query(
      absl::StrCat("SELECT key_hash, fingerprint, saga_id FROM saga_keys WHERE key_hash IN (",
                   sql::Placeholders(wanted.size()), ") ORDER BY key_hash", sql::ForUpdate(connection.dialect())),
      wanted);
  if (!rows.ok()) return rows.status();
  for (const sql::Row& row : *rows) {
    keys[row.Text(0)] = {.row = {.fingerprint = row.Text(1), .saga_id = row.Text(2)}, .exists = true};
  }
  return keys;
}

absl::StatusOr<int> SaveSagas(sql::Connection& connection, const SagaRows& rows) {
  std::vector<sql::Value> seen;
  std::vector<sql::Value> unseen;
  int64_t changes = 0;  // of the unseen: each is inserted, 1, or changed, 2
  int count = 0;
  for (const auto& [id, saga] : rows) {
    if (!saga.dirty) continue;
    count++;
    AppendSagaRow(saga, saga.unseen ? unseen : seen);
    if (saga.unseen) changes += saga.record.version == 1 ? 1 : 2;
  }
  SAGAMESH_RETURN_IF_ERROR(SaveUnseen(connection, std::move(unseen), changes));
  SAGAMESH_RETURN_IF_ERROR(sql::Upsert(connection, "sagas", {"saga_id"}, kSagaColumnNames, std::move(seen)));
  return count;
}

absl::StatusOr<int> SaveKeys(sql::Connection& connection, const StoredKeys& keys, int64_t now_ms) {
  std::vector<sql::Value> added;
  std::vector<sql::Value> claimed_again;
  int count = 0;
  for (const auto& [hash, key] : keys) {
    if (key.claimant == nullptr) continue;
    count++;
    const bool exists = key.exists || Planted(Bug::kClaimOverwrites);
    AppendKeyRow(hash, *key.claimant, now_ms, exists ? claimed_again : added);
  }
  SAGAMESH_RETURN_IF_ERROR(sql::Insert(connection, "saga_keys", kKeyColumnNames, std::move(added)));
  SAGAMESH_RETURN_IF_ERROR(
      sql::Upsert(connection, "saga_keys", {"key_hash"}, kKeyColumnNames, std::move(claimed_again)));
  return count;
}

}  // namespace sagamesh::journal
