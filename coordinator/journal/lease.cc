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

absl::Status InsertLease(sql::Connection& connection, const std::string& incarnation, absl::Duration lease) {
  const sql::Value parameters[] = {incarnation, absl::ToInt64Milliseconds(lease)};
  return connection
      .Execute(absl::StrCat("INSERT INTO leases (incarnation, expires_ms, closed) VALUES (?, ",
                            sql::NowMs(connection.dialect()), " + ?, 0)"),
               parameters)
      .status();
}

// One that is gone goes on record again, so that its sagas are found.
absl::Status RecordClosed(sql::Connection& connection, const std::string& incarnation) {
  return sql::InsertMissing(connection, "leases", {"incarnation"}, {"incarnation", "expires_ms", "closed"},
                            {incarnation, int64_t{0}, int64_t{1}});
}

absl::Status DeleteLease(sql::Connection& connection, const std::string& incarnation) {
  const sql::Value parameters[] = {incarnation};
  return connection.Execute("DELETE FROM leases WHERE incarnation = ?", parameters).status();
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

std::string Replica::NewIncarnation() { return MakeUuidV7(clock_.Now(), random_); }

bool Replica::Renew(const std::string& old, const std::string& next) {
  MutexLock lock(mutex_);
  if (incarnation_ != old) return false;
  incarnation_ = next;
  sweep_wanted_ = true;
  return true;
}

bool Replica::sweep_wanted() const {
  MutexLock lock(mutex_);
  return sweep_wanted_;
}

void Replica::SweepDone() {
  MutexLock lock(mutex_);
  sweep_wanted_ = false;
}

Stamp::Stamp(Replica& replica) : replica_(replica), ms_(replica.TakeStampMs()) {}

Stamp::~Stamp() {
  MutexLock lock(replica_.mutex_);
  replica_.untold_ms_.erase(replica_.untold_ms_.find(ms_));
}

int64_t Replica::TakeStampMs() {
  MutexLock lock(mutex_);
  last_stamp_ms_ = NextStampMs();
  untold_ms_.insert(last_stamp_ms_);
  return last_stamp_ms_;
}

int64_t Replica::NextStampMs() const { return std::max(last_stamp_ms_, absl::ToUnixMillis(clock_.Now())); }

int64_t Replica::NowMs() const {
  MutexLock lock(mutex_);
  return NextStampMs();
}

int64_t Replica::OldestUntoldMs() const {
  MutexLock lock(mutex_);
  return untold_ms_.empty() ? NextStampMs() : *untold_ms_.begin();
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

void SagaVersions::Add(const Map& versions, std::shared_ptr<const Stamp> stamp) {
  MutexLock lock(mutex_);
  for (const auto& [saga_id, version] : versions) versions_[saga_id] = {version, stamp};
}

void SagaVersions::Remove(const Map& versions) {
  MutexLock lock(mutex_);
  for (const auto& [saga_id, version] : versions) {
    const auto entry = versions_.find(saga_id);
    if (entry != versions_.end() && entry->second.version == version) versions_.erase(entry);
  }
}

SagaVersions::Map SagaVersions::All() const {
  Map versions;
  MutexLock lock(mutex_);
  for (const auto& [saga_id, entry] : versions_) versions[saga_id] = entry.version;
  return versions;
}

absl::StatusOr<std::string> HoldLease(sql::Connection& connection, Replica& replica, bool& wrote) {
  while (true) {
    const std::string incarnation = replica.incarnation();
    SAGAMESH_ASSIGN_OR_RETURN(const LeaseState state, ReadLease(connection, incarnation));
    if (state == LeaseState::kOpen) return incarnation;
    if (replica.leaving()) return absl::FailedPreconditionError("the lease is given up");
    if (state == LeaseState::kMissing) SAGAMESH_RETURN_IF_ERROR(RecordClosed(connection, incarnation));
    std::string renewed = replica.NewIncarnation();
    SAGAMESH_RETURN_IF_ERROR(InsertLease(connection, renewed, replica.lease()));
    wrote = true;
    if (replica.Renew(incarnation, renewed)) {
      spdlog::warn("the lease of incarnation {} was closed; this is {} now", incarnation, renewed);
      return renewed;
    }
    // A transaction of ours beside this one took a new lease: wait for its row, and go on under it.
    SAGAMESH_RETURN_IF_ERROR(DeleteLease(connection, renewed));
  }
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
    SAGAMESH_RETURN_IF_ERROR(InsertLease(connection, incarnation, replica.lease()));
  }
  const sql::Value parameters[] = {incarnation};
  return connection.Execute("UPDATE leases SET closed = 1 WHERE closed = 0 AND incarnation <> ?", parameters).status();
}

absl::StatusOr<std::vector<engine::SagaRecord>> TakeOver(sql::Connection& connection, const std::string& incarnation,
                                                         int64_t stamp_ms, int limit) {
  const sql::Value parameters[] = {int64_t{limit}};
  SAGAMESH_ASSIGN_OR_RETURN(
      const std::vector<sql::Row> found,
      connection.Query(
          "SELECT saga_id, open_owner FROM sagas WHERE open_owner IN (SELECT incarnation FROM leases WHERE "
          "closed = 1) ORDER BY saga_id LIMIT ?",
          parameters));
  std::vector<std::string> ids;
  for (const sql::Row& row : found) ids.push_back(row.Text(0));
  SAGAMESH_ASSIGN_OR_RETURN(SagaRows sagas, LoadSagas(connection, ids));
  std::vector<engine::SagaRecord> taken;
  for (const sql::Row& row : found) {
    // Another taker may have been faster, before the rows were locked.
    const auto saga = sagas.find(row.Text(0));
    if (saga == sagas.end() || saga->second.open_owner != row.Text(1)) continue;
    Take(saga->second, incarnation, stamp_ms);
    taken.push_back(saga->second.record);
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
