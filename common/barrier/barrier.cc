#include "common/barrier/barrier.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/barrier/barrier_row.pb.h"
#include "common/fault/planted.h"
#include "common/hash/sha256.h"
#include "common/status/error.h"
#include "common/uuid/uuid.h"

namespace sagamesh {
namespace {

// 2: later results of a saga may be in rows of their own, which a program that knows only 1 would miss.
constexpr uint32_t kFormatVersion = 2;
constexpr char kSagaScope[] = "saga";
// Before the number of a row of a saga's later results.
constexpr char kLaterScope[] = "saga/";
// Clocks differ; a saga that is this far ahead is no saga of ours.
constexpr absl::Duration kFutureMax = absl::Minutes(10);

void Append(absl::Span<const BarrierResult> results, internal::BarrierRowRecord& record) {
  for (const BarrierResult& result : results) {
    auto* stored = record.add_results();
    stored->set_step(result.step);
    stored->set_compensation(result.op == SagaOp::kCompensation);
    stored->set_method(result.method);
    stored->set_fingerprint(result.fingerprint);
    stored->set_refused(result.refused);
    stored->set_reply(result.bytes);
  }
}

absl::StatusOr<internal::BarrierRowRecord> Decode(const std::string& bytes) {
  internal::BarrierRowRecord record;
  if (!record.ParseFromString(bytes)) return absl::InternalError("a barrier row cannot be read");
  if (record.format_version() > kFormatVersion) {
    return absl::InternalError(absl::StrCat("a barrier row has the newer format ", record.format_version()));
  }
  return record;
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
    return Refusal(call, absl::StatusCode::kUnavailable, "SAGA_IN_THE_FUTURE",
                   "saga-id: lies in the future; the clocks differ, or the id was not made by a coordinator");
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
      return InvalidField(domain, "saga-id", "must be a UUIDv7", "SAGA_ID_INVALID");
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

bool MayBeFirst(const std::optional<BarrierCall>& call) {
  return call.has_value() && call->saga_started.has_value() && call->op == SagaOp::kAction && call->epoch == 1;
}

absl::StatusOr<BarrierRows> BarrierRows::Load(sql::Connection& connection, const std::vector<BarrierKey>& keys,
                                              absl::Time now) {
  BarrierRows rows;
  for (const BarrierKey& key : keys) rows.Add(key, now);
  SAGAMESH_RETURN_IF_ERROR(rows.Read(connection, {keys.begin(), keys.end()}));
  return rows;
}

absl::StatusOr<BarrierRows> BarrierRows::Load(sql::Connection& connection, const std::vector<const Guard*>& guards,
                                              absl::Time now, bool in_doubt, ClaimHistory& claims) {
  BarrierRows rows;
  rows.in_doubt_ = in_doubt;
  const bool look_first = claims.LookFirst(now);
  std::set<BarrierKey> wanted;
  for (const Guard* guard : guards) {
    if (!guard->call.has_value()) continue;
    rows.Add(guard->call->key, now);
    if (!guard->likely_first || guard->decided || look_first) wanted.insert(guard->call->key);
  }
  SAGAMESH_RETURN_IF_ERROR(rows.Read(connection, wanted));
  for (const Guard* guard : guards) {
    if (!guard->call.has_value() || !guard->likely_first) continue;
    if (rows.entries_.at(guard->call->key).loaded_format > 0) claims.MetRow(now);
  }
  return rows;
}

void BarrierRows::Add(const BarrierKey& key, absl::Time now) {
  const auto [entry, added] = entries_.try_emplace(key);
  if (added) entry->second.row.created_ms = absl::ToUnixMillis(now);
}

absl::Status BarrierRows::Read(sql::Connection& connection, const std::set<BarrierKey>& keys) {
  if (keys.empty()) return absl::OkStatus();
  std::vector<sql::Value> ids;
  for (const BarrierKey& key : keys) ids.emplace_back(key.id);
  sql::PadKeys(ids);
  SAGAMESH_ASSIGN_OR_RETURN(const std::vector<sql::Row> found,
                            connection.Query(absl::StrCat("SELECT id, scope, record FROM barrier WHERE id IN (",
                                                          sql::Placeholders(ids.size()), ") ORDER BY id, scope",
                                                          sql::ForUpdate(connection.dialect())),
                                             ids));
  for (const sql::Row& row : found) {
    const bool later = absl::StartsWith(row.Text(1), kLaterScope);
    const auto entry = entries_.find({row.Text(0), later ? kSagaScope : row.Text(1)});
    if (entry == entries_.end()) continue;  // the same id in another scope
    SAGAMESH_RETURN_IF_ERROR(entry->second.Read(row.Text(2), later));
  }
  return absl::OkStatus();
}

absl::Status BarrierRows::Entry::Read(const std::string& bytes, bool later) {
  SAGAMESH_ASSIGN_OR_RETURN(const internal::BarrierRowRecord record, Decode(bytes));
  for (const auto& stored : record.results()) {
    row.results.push_back({stored.step(), stored.compensation() ? SagaOp::kCompensation : SagaOp::kAction,
                           stored.method(), stored.fingerprint(), stored.refused(), stored.reply()});
  }
  loaded_results = row.results.size();
  if (later) {
    later_rows++;
    return absl::OkStatus();
  }
  loaded_format = std::max(record.format_version(), 1u);
  row.epoch = loaded_epoch = record.epoch();
  row.compensating = loaded_compensating = record.compensating();
  row.created_ms = record.created_ms();
  first_results = loaded_results;
  return absl::OkStatus();
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
  guard.replayed = end->stored && !(guard.decided && in_doubt_);
  return std::move(end->reply);
}

void BarrierRows::Store(const Guard& guard, const absl::StatusOr<std::string>& reply) {
  if (guard.call.has_value()) StoreEnd(Get(guard.call->key), *guard.call, reply);
}

bool BarrierRows::IsNew(const Guard& guard) const {
  return guard.call.has_value() && guard.call->saga_started.has_value() && !guard.decided &&
         entries_.at(guard.call->key).loaded_format == 0;
}

absl::StatusOr<int> BarrierRows::Save(sql::Connection& connection) {
  constexpr absl::string_view kColumns[] = {"id", "scope", "record", "created_ms"};
  std::vector<sql::Value> added;
  std::vector<sql::Value> rewritten;
  int changed = 0;
  for (const auto& [key, entry] : entries_) {
    const BarrierRow& row = entry.row;
    const auto all = absl::MakeConstSpan(row.results);
    const auto results = all.subspan(entry.loaded_results);
    const bool is_new = entry.loaded_format == 0;
    const bool fences = row.epoch != entry.loaded_epoch || row.compensating != entry.loaded_compensating;
    if (!fences && results.empty()) continue;
    changed++;
    const bool writes_own = is_new || fences || entry.loaded_format < kFormatVersion || key.scope != kSagaScope;
    const bool later = !results.empty() && (!writes_own || entry.later_rows > 0);
    const auto write = [&](const std::string& scope, internal::BarrierRowRecord record, bool add) {
      record.set_format_version(key.scope == kSagaScope ? kFormatVersion : 1);
      std::vector<sql::Value>& values = add && !Planted(Bug::kBarrierOverwrites) ? added : rewritten;
      values.insert(values.end(), {key.id, scope, sql::Blob{record.SerializeAsString()}, row.created_ms});
    };
    if (writes_own) {
      internal::BarrierRowRecord record;
      record.set_epoch(row.epoch);
      record.set_compensating(row.compensating);
      record.set_created_ms(row.created_ms);
      Append(all.first(entry.first_results), record);
      if (!later) Append(results, record);
      write(key.scope, std::move(record), is_new);
    }
    if (later) {
      internal::BarrierRowRecord record;
      Append(results, record);
      write(absl::StrCat(kLaterScope, absl::Dec(entry.later_rows + 1, absl::kZeroPad3)), std::move(record), true);
    }
  }
  SAGAMESH_RETURN_IF_ERROR(sql::Insert(connection, "barrier", kColumns, std::move(added)));
  SAGAMESH_RETURN_IF_ERROR(sql::Upsert(connection, "barrier", {"id", "scope"}, kColumns, std::move(rewritten)));
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
