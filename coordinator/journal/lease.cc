#include "coordinator/journal/lease.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/status/error.h"
#include "common/uuid/uuid.h"
#include "coordinator/journal/rows.h"

namespace sagamesh::journal {
namespace {

enum class LeaseState { kOpen, kClosed, kMissing };

absl::StatusOr<LeaseState> ReadLease(sql::Connection& connection, const std::string& incarnation) {
  const sql::Value parameters[] = {incarnation};
  const auto rows =
      connection.Query(absl::StrCat("SELECT closed FROM leases WHERE incarnation = ?",
                                    connection.dialect() == sql::Dialect::kMysql ? " LOCK IN SHARE MODE" : ""),
                       parameters);
  if (!rows.ok()) return rows.status();
  if (rows->empty()) return LeaseState::kMissing;
  return (*rows)[0].Int(0) == 0 ? LeaseState::kOpen : LeaseState::kClosed;
}

absl::Status InsertLease(sql::Connection& connection, const std::string& incarnation, absl::Duration lease,
                         bool closed) {
  const sql::Value parameters[] = {incarnation, absl::ToInt64Milliseconds(lease), static_cast<int64_t>(closed)};
  return connection
      .Execute(absl::StrCat("INSERT INTO leases (incarnation, expires_ms, closed) VALUES (?, ",
                            sql::NowMs(connection.dialect()), " + ?, ?)"),
               parameters)
      .status();
}

// What a takeover makes of a row.
void Take(SagaRow& saga, const std::string& incarnation, int64_t stamp_ms) {
  engine::SagaRecord& record = saga.record;
  record.owner = incarnation;
  record.epoch++;
  record.version++;
  record.updated = absl::FromUnixMillis(stamp_ms);
  saga.dirty = true;
  if (saga.readable && record.takeovers >= kTakeoversMax) {
    record.phase = engine::Phase::kParked;
    record.park_reason = absl::StrCat("TAKEN_OVER_WITHOUT_PROGRESS: ", record.takeovers, " owners in a row");
    spdlog::error("saga {} is parked: {}", record.saga_id, record.park_reason);
  }
  record.takeovers++;
  const bool parked = record.phase == engine::Phase::kParked;
  saga.open_owner = parked ? std::nullopt : std::optional<std::string>(incarnation);
  saga.due_ms = parked ? std::nullopt : std::optional<int64_t>(stamp_ms);
}

}  // namespace

Replica::Replica(Clock& clock, Random& random, absl::Duration lease)
    : clock_(clock), random_(random), lease_(lease), incarnation_(MakeUuidV7(clock.Now(), random)) {}

std::string Replica::incarnation() const {
  MutexLock lock(mutex_);
  return incarnation_;
}

std::string Replica::Renew() {
  std::string incarnation = MakeUuidV7(clock_.Now(), random_);
  MutexLock lock(mutex_);
  incarnation_ = incarnation;
  sweep_wanted_ = true;
  return incarnation;
}

bool Replica::sweep_wanted() const {
  MutexLock lock(mutex_);
  return sweep_wanted_;
}

void Replica::SweepDone() {
  MutexLock lock(mutex_);
  sweep_wanted_ = false;
}

int64_t Replica::Stamp() {
  const int64_t now_ms = absl::ToUnixMillis(clock_.Now());
  MutexLock lock(mutex_);
  last_stamp_ms_ = std::max(last_stamp_ms_, now_ms);
  return last_stamp_ms_;
}

void Replica::StampAfter(int64_t stamp_ms) {
  MutexLock lock(mutex_);
  last_stamp_ms_ = std::max(last_stamp_ms_, stamp_ms);
}

void Replica::Leave() {
  MutexLock lock(mutex_);
  leaving_ = true;
}

bool Replica::leaving() const {
  MutexLock lock(mutex_);
  return leaving_;
}

void SagaVersions::Add(const Map& versions) {
  MutexLock lock(mutex_);
  for (const auto& [saga_id, version] : versions) versions_[saga_id] = version;
}

void SagaVersions::Remove(const Map& versions) {
  MutexLock lock(mutex_);
  for (const auto& [saga_id, version] : versions) {
    const auto entry = versions_.find(saga_id);
    if (entry != versions_.end() && entry->second == version) versions_.erase(entry);
  }
}

SagaVersions::Map SagaVersions::All() const {
  MutexLock lock(mutex_);
  return versions_;
}

absl::Status HoldLease(sql::Connection& connection, Replica& replica, bool& wrote) {
  const std::string incarnation = replica.incarnation();
  SAGAMESH_ASSIGN_OR_RETURN(const LeaseState state, ReadLease(connection, incarnation));
  if (state == LeaseState::kOpen) return absl::OkStatus();
  if (replica.leaving()) return absl::FailedPreconditionError("the lease is given up");
  // The old one stays on record as closed, so that its sagas are found.
  if (state == LeaseState::kMissing) {
    SAGAMESH_RETURN_IF_ERROR(InsertLease(connection, incarnation, replica.lease(), /*closed=*/true));
  }
  const std::string renewed = replica.Renew();
  spdlog::warn("the lease of incarnation {} was closed; this is {} now", incarnation, renewed);
  wrote = true;
  return InsertLease(connection, renewed, replica.lease(), /*closed=*/false);
}

absl::StatusOr<bool> ExtendLease(sql::Connection& connection, Replica& replica) {
  const sql::Value parameters[] = {absl::ToInt64Milliseconds(replica.lease()), replica.incarnation()};
  SAGAMESH_ASSIGN_OR_RETURN(
      const int64_t changed,
      connection.Execute(absl::StrCat("UPDATE leases SET expires_ms = ", sql::NowMs(connection.dialect()),
                                      " + ? WHERE incarnation = ? AND closed = 0"),
                         parameters));
  return changed > 0;
}

absl::Status CloseLease(sql::Connection& connection, Replica& replica) {
  const sql::Value parameters[] = {replica.incarnation()};
  return connection.Execute("UPDATE leases SET closed = 1 WHERE incarnation = ?", parameters).status();
}

absl::Status CloseOtherLeases(sql::Connection& connection, Replica& replica) {
  const std::string incarnation = replica.incarnation();
  SAGAMESH_ASSIGN_OR_RETURN(const LeaseState state, ReadLease(connection, incarnation));
  if (state == LeaseState::kMissing) {
    SAGAMESH_RETURN_IF_ERROR(InsertLease(connection, incarnation, replica.lease(), /*closed=*/false));
  }
  const sql::Value parameters[] = {incarnation};
  return connection.Execute("UPDATE leases SET closed = 1 WHERE closed = 0 AND incarnation <> ?", parameters).status();
}

absl::StatusOr<std::vector<engine::SagaRecord>> TakeOver(sql::Connection& connection, Replica& replica, int limit) {
  const sql::Value parameters[] = {int64_t{limit}};
  const auto found = connection.Query(
      "SELECT saga_id FROM sagas WHERE open_owner IN (SELECT incarnation FROM leases WHERE closed = 1) "
      "ORDER BY saga_id LIMIT ?",
      parameters);
  if (!found.ok()) return found.status();
  std::vector<std::string> ids;
  for (const sql::Row& row : *found) ids.push_back(row.Text(0));
  SAGAMESH_ASSIGN_OR_RETURN(SagaRows sagas, LoadSagas(connection, ids));
  const std::string incarnation = replica.incarnation();
  const int64_t stamp_ms = replica.Stamp();
  std::vector<engine::SagaRecord> taken;
  for (auto& [id, saga] : sagas) {
    Take(saga, incarnation, stamp_ms);
    taken.push_back(saga.record);
  }
  SAGAMESH_RETURN_IF_ERROR(SaveSagas(connection, sagas).status());
  return taken;
}

absl::Status ForgetLeases(sql::Connection& connection, Replica& replica) {
  const sql::Value parameters[] = {replica.incarnation()};
  return connection
      .Execute(
          "DELETE FROM leases WHERE closed = 1 AND incarnation <> ? AND NOT EXISTS "
          "(SELECT 1 FROM sagas WHERE sagas.open_owner = leases.incarnation)",
          parameters)
      .status();
}

}  // namespace sagamesh::journal
