#include "common/barrier/barrier.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/barrier/barrier_row.pb.h"
#include "common/fault/planted.h"
#include "common/hash/sha256.h"
#include "common/status/error.h"
#include "common/uuid/uuid.h"

namespace sagamesh {
namespace {

constexpr uint32_t kFormatVersion = 1;
constexpr char kSagaScope[] = "saga";
// Clocks differ; a saga that is this far ahead is no saga of ours.
constexpr absl::Duration kFutureMax = absl::Minutes(10);

std::string Encode(const BarrierRow& row) {
  internal::BarrierRowRecord record;
  record.set_format_version(kFormatVersion);
  record.set_epoch(row.epoch);
  record.set_compensating(row.compensating);
  record.set_created_ms(row.created_ms);
  for (const BarrierResult& result : row.results) {
    auto* stored = record.add_results();
    stored->set_step(result.step);
    stored->set_compensation(result.op == SagaOp::kCompensation);
    stored->set_method(result.method);
    stored->set_fingerprint(result.fingerprint);
    stored->set_refused(result.refused);
    stored->set_reply(result.bytes);
  }
  return record.SerializeAsString();
}

absl::StatusOr<BarrierRow> Decode(const std::string& bytes) {
  internal::BarrierRowRecord record;
  if (!record.ParseFromString(bytes)) return absl::InternalError("a barrier row cannot be read");
  if (record.format_version() > kFormatVersion) {
    return absl::InternalError(absl::StrCat("a barrier row has the newer format ", record.format_version()));
  }
  BarrierRow row;
  row.epoch = record.epoch();
  row.compensating = record.compensating();
  row.created_ms = record.created_ms();
  for (const auto& stored : record.results()) {
    row.results.push_back({stored.step(), stored.compensation() ? SagaOp::kCompensation : SagaOp::kAction,
                           stored.method(), stored.fingerprint(), stored.refused(), stored.reply()});
  }
  return row;
}

const BarrierResult* FindResult(const BarrierRow& row, const BarrierCall& call) {
  for (const BarrierResult& result : row.results) {
    if (result.step == call.step && result.op == call.op && result.method == call.method) return &result;
  }
  return nullptr;
}

absl::Status Refusal(const BarrierCall& call, absl::StatusCode code, absl::string_view reason,
                     absl::string_view message) {
  return MakeError(code, {call.domain, reason}, message);
}

// What the saga's fences say of a call, whatever is stored. A call that passes has raised the row's epoch and mark.
absl::Status CheckFences(BarrierRow& row, const BarrierCall& call, absl::Time now, absl::Duration retention) {
  if (!call.saga_started.has_value()) return absl::OkStatus();
  if (*call.saga_started < now - retention) {
    return Refusal(call, absl::StatusCode::kFailedPrecondition, "TOO_OLD",
                   "the saga is older than what this participant remembers");
  }
  if (*call.saga_started > now + kFutureMax) {
    return Refusal(call, absl::StatusCode::kInvalidArgument, "SAGA_ID_INVALID", "saga-id: lies in the future");
  }
  if (call.epoch < row.epoch && !Planted(Bug::kLowerEpochTaken)) {
    return WithErrorMetadata(Refusal(call, absl::StatusCode::kAborted, "STALE_EPOCH",
                                     absl::StrCat("epoch ", call.epoch, " is over; ", row.epoch, " has been here")),
                             "highest_epoch", absl::StrCat(row.epoch));
  }
  row.epoch = call.epoch;
  if (call.op == SagaOp::kCompensation) {
    row.compensating = !Planted(Bug::kDropCompensatingMark);
  } else if (row.compensating) {
    return Refusal(call, absl::StatusCode::kAborted, "ALREADY_COMPENSATED", "the saga is compensating here");
  }
  return absl::OkStatus();
}

// A condition for rows by their keys.
class WhereKeys {
 public:
  void Add(const BarrierKey& key) { ids_[key.scope].emplace_back(key.id); }
  bool empty() const { return ids_.empty(); }

  // " WHERE (scope=? AND id IN (...)) OR ...", with its parameters. Nearly always it is one scope, that of sagas.
  std::string Build(std::vector<sql::Value>& parameters) const {
    std::vector<std::string> arms;
    for (auto [scope, ids] : ids_) {
      sql::PadKeys(ids);
      arms.push_back(absl::StrCat("(scope=? AND id IN (", sql::Placeholders(ids.size()), "))"));
      parameters.emplace_back(scope);
      parameters.insert(parameters.end(), ids.begin(), ids.end());
    }
    return absl::StrCat(" WHERE ", absl::StrJoin(arms, " OR "));
  }

 private:
  std::map<std::string, std::vector<sql::Value>> ids_;
};

}  // namespace

absl::StatusOr<BarrierCall> MakeBarrierCall(absl::string_view domain, const CallContext& context,
                                            absl::string_view method, std::string request_bytes,
                                            absl::string_view fallback_id) {
  BarrierCall call;
  call.domain = domain;
  call.method = std::string(method);
  call.fingerprint = Sha256(absl::StrCat(method, absl::string_view("\0", 1), request_bytes));
  if (context.saga.has_value()) {
    call.key = {context.saga->saga_id, kSagaScope};
    call.step = context.saga->step;
    call.op = context.saga->op;
    call.epoch = context.saga->epoch;
    const std::optional<absl::Time> started = UuidV7Time(context.saga->saga_id);
    if (!started.has_value()) {
      return MakeError(absl::StatusCode::kInvalidArgument, {domain, "SAGA_ID_INVALID"}, "saga-id: must be a UUIDv7");
    }
    call.saga_started = *started;
  } else if (context.idempotency_key.has_value()) {
    call.key = {*context.idempotency_key, absl::StrCat("key/", context.principal, "/", method)};
  } else {
    call.key = {std::string(fallback_id), absl::StrCat("call/", method)};
  }
  return call;
}

absl::Status CheckSagaOp(absl::string_view domain, const CallContext& context, SagaOp op_of_method) {
  if (!context.saga.has_value() || context.saga->op == op_of_method) return absl::OkStatus();
  return InvalidField(
      domain, "saga-op",
      op_of_method == SagaOp::kAction ? "must be action for this method" : "must be compensation for this method");
}

std::optional<BarrierEnd> CheckBarrier(BarrierRow& row, const BarrierCall& call, absl::Time now,
                                       absl::Duration retention) {
  if (absl::Status status = CheckFences(row, call, now, retention); !status.ok()) return BarrierEnd{std::move(status)};
  const BarrierResult* stored = FindResult(row, call);
  if (stored == nullptr || Planted(Bug::kDoubleApplyOnRetry)) return std::nullopt;
  if (stored->fingerprint != call.fingerprint) {
    return BarrierEnd{Refusal(call, absl::StatusCode::kInvalidArgument, "IDEMPOTENCY_KEY_REUSED",
                              "idempotency-key: was used with another payload")};
  }
  if (!stored->refused) return BarrierEnd{stored->bytes, /*stored=*/true};
  google::rpc::Status refusal;
  refusal.ParseFromString(stored->bytes);
  return BarrierEnd{FromProto(refusal), /*stored=*/true};
}

void StoreEnd(BarrierRow& row, const BarrierCall& call, const absl::StatusOr<std::string>& reply) {
  row.results.push_back({call.step, call.op, call.method, call.fingerprint, !reply.ok(),
                         reply.ok() ? *reply : SerializeStatus(reply.status())});
}

absl::StatusOr<BarrierRows> BarrierRows::Load(sql::Connection& connection, std::vector<BarrierKey> keys,
                                              absl::Time now) {
  std::sort(keys.begin(), keys.end());
  BarrierRows rows;
  WhereKeys wanted;
  std::vector<sql::Value> missing;
  for (BarrierKey& key : keys) {
    if (rows.entries_.contains(key)) continue;
    wanted.Add(key);
    missing.insert(missing.end(), {key.id, key.scope, sql::Blob{}, absl::ToUnixMillis(now)});
    Entry& entry = rows.entries_[std::move(key)];
    entry.row.created_ms = absl::ToUnixMillis(now);
  }
  if (wanted.empty()) return rows;
  if (connection.dialect() == sql::Dialect::kMysql) {
    SAGAMESH_RETURN_IF_ERROR(sql::InsertMissing(connection, "barrier", {"id", "scope"},
                                                {"id", "scope", "record", "created_ms"}, std::move(missing)));
  }
  std::vector<sql::Value> parameters;
  const std::string statement = absl::StrCat("SELECT id, scope, record FROM barrier", wanted.Build(parameters));
  SAGAMESH_ASSIGN_OR_RETURN(const std::vector<sql::Row> found, connection.Query(statement, parameters));
  for (const sql::Row& row : found) {
    Entry& entry = rows.entries_.at({row.Text(0), row.Text(1)});
    if (row.Text(2).empty()) continue;
    entry.loaded = row.Text(2);
    SAGAMESH_ASSIGN_OR_RETURN(entry.row, Decode(entry.loaded));
  }
  return rows;
}

BarrierRow& BarrierRows::Get(const BarrierKey& key) { return entries_.at(key).row; }

std::optional<absl::StatusOr<std::string>> BarrierRows::End(Guard& guard, absl::Time now, absl::Duration retention) {
  guard.replayed = false;
  if (!guard.call.has_value()) return std::nullopt;
  std::optional<BarrierEnd> end = CheckBarrier(Get(guard.call->key), *guard.call, now, retention);
  if (!end.has_value()) {
    guard.decided = true;
    return std::nullopt;
  }
  guard.replayed = end->stored && !guard.decided;
  return std::move(end->reply);
}

void BarrierRows::Store(const Guard& guard, const absl::StatusOr<std::string>& reply) {
  if (guard.call.has_value()) StoreEnd(Get(guard.call->key), *guard.call, reply);
}

absl::StatusOr<int> BarrierRows::Save(sql::Connection& connection) {
  std::vector<sql::Value> values;
  WhereKeys unneeded;
  int changed = 0;
  for (auto& [key, entry] : entries_) {
    const bool untouched = entry.row.epoch == 0 && !entry.row.compensating && entry.row.results.empty();
    if (untouched) {  // refused before anything was learnt of it
      if (entry.loaded.empty()) unneeded.Add(key);
      continue;
    }
    std::string encoded = Encode(entry.row);
    if (encoded == entry.loaded) continue;
    entry.loaded = encoded;
    changed++;
    values.insert(values.end(), {key.id, key.scope, sql::Blob{std::move(encoded)}, entry.row.created_ms});
  }
  if (changed > 0) {
    SAGAMESH_RETURN_IF_ERROR(sql::Upsert(connection, "barrier", {"id", "scope"},
                                         {"id", "scope", "record", "created_ms"}, std::move(values)));
  }
  // Load made them to lock them.
  if (connection.dialect() == sql::Dialect::kMysql && !unneeded.empty()) {
    std::vector<sql::Value> parameters;
    const std::string statement = absl::StrCat("DELETE FROM barrier", unneeded.Build(parameters));
    SAGAMESH_RETURN_IF_ERROR(connection.Execute(statement, parameters).status());
  }
  return changed;
}

sql::Migration BarrierMigration(int version) {
  sql::Migration migration;
  migration.version = version;
  migration.name = "barrier";
  // VARBINARY-like columns on MySQL: keys are compared byte by byte, never by a collation.
  migration.statements = {
      "CREATE TABLE barrier (id TEXT NOT NULL, scope TEXT NOT NULL, record BLOB NOT NULL, created_ms INTEGER NOT NULL, "
      "PRIMARY KEY (id, scope)) WITHOUT ROWID"};
  migration.mysql_statements = {
      "CREATE TABLE IF NOT EXISTS barrier (id VARBINARY(255) NOT NULL, scope VARBINARY(512) NOT NULL, record "
      "MEDIUMBLOB NOT NULL, "
      "created_ms BIGINT NOT NULL, PRIMARY KEY (id, scope))"};
  return migration;
}

}  // namespace sagamesh
