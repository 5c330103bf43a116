#include "coordinator/journal/lease.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "common/fault/planted.h"
#include "common/status/error.h"
#include "common/uuid/uuid.h"
#include "coordinator/engine/history.h"
#include "coordinator/journal/rows.h"

namespace sagamesh::journal {
namespace {

// nullopt: there is none.
absl::StatusOr<std::optional<LeaseState>> ReadLease(sql::Connection& connection, const std::string& incarnation) {
  const sql::Value parameters[] = {incarnation};
  const auto rows =
      connection.Query(absl::StrCat("SELECT closed FROM leases WHERE incarnation = ?",
                                    connection.dialect() == sql::Dialect::kMysql ? " LOCK IN SHARE MODE" : ""),
                       parameters);
  if (!rows.ok()) return rows.status();
  if (rows->empty()) return std::optional<LeaseState>();
  return std::optional(static_cast<LeaseState>((*rows)[0].Int(0)));
}

// Says first that nothing is told: until it is renewed, no peer lets a watch go on past what this replica may stamp.
absl::Status InsertLease(sql::Connection& connection, const std::string& incarnation, const Replica& replica) {
  const sql::Value parameters[] = {incarnation, absl::ToInt64Milliseconds(replica.lease()), replica.name()};
  return connection
      .Execute(absl::StrCat("INSERT INTO leases (incarnation, expires_ms, closed, untold_ms, replica) VALUES (?, ",
                            sql::NowMs(connection.dialect()), " + ?, 0, 0, ?)"),
               parameters)
      .status();
}

// Once the lease is there for all to see: what peers have told before does not reach past what they said then. From now
// on the lease says so, too, so that nobody is held up, and nothing is forgotten with the leases of others.
absl::Status StampAfterPeers(sql::Connection& connection, Replica& replica, const std::string& incarnation) {
  SAGAMESH_ASSIGN_OR_RETURN(const std::vector<sql::Row> rows, connection.Query("SELECT MAX(untold_ms) FROM leases"));
  replica.StampAfter(rows[0].Int(0));
  const sql::Value parameters[] = {replica.OldestUntoldMs(), incarnation};
  return connection.Execute("UPDATE leases SET untold_ms = ? WHERE incarnation = ?", parameters).status();
}

// One that is gone goes on record again, so that its sagas are found.
absl::Status RecordClosed(sql::Connection& connection, const std::string& incarnation) {
  return sql::InsertMissing(connection, "leases", {"incarnation"}, {"incarnation", "expires_ms", "closed"},
                            {incarnation, int64_t{0}, static_cast<int64_t>(LeaseState::kClosed)});
}

// By a conditional write, after which its holder can never renew it. False if it was not open, or not as `condition`
// says.
absl::StatusOr<bool> Close(sql::Connection& connection, const std::string& incarnation,
                           absl::string_view condition = "") {
  const sql::Value parameters[] = {incarnation};
  SAGAMESH_ASSIGN_OR_RETURN(
      const int64_t changed,
      connection.Execute(absl::StrCat("UPDATE leases SET closed = 1 WHERE incarnation = ? AND closed = 0", condition),
                         parameters));
  return changed > 0;
}

absl::Status DeleteLease(sql::Connection& connection, const std::string& incarnation) {
  const sql::Value parameters[] = {incarnation};
  return connection.Execute("DELETE FROM leases WHERE incarnation = ?", parameters).status();
}

// What a takeover makes of a row. Who died while the saga waited in its row, or gave its lease up, did not die of it.
void Take(SagaRow& saga, const std::string& incarnation, bool died, int64_t stamp_ms) {
  engine::SagaRecord& record = saga.record;
  const bool died_with_it = died && !saga.due_ms.has_value();
  record.owner = incarnation;
  if (!Planted(Bug::kReuseEpoch)) record.epoch++;
  record.version++;
  record.updated = std::max(record.updated, absl::FromUnixMillis(stamp_ms));
  saga.dirty = true;
  if (saga.readable && died_with_it && record.takeovers >= kTakeoversMax) {
    engine::Park(record, absl::StrCat("TAKEN_OVER_WITHOUT_PROGRESS: ", record.takeovers, " owners in a row"),
                 record.updated);
    spdlog::error("saga {} is parked: {}", record.saga_id, record.park_reason);
  }
  if (died_with_it) record.takeovers++;
  const bool parked = record.phase == engine::Phase::kParked;
  saga.open_owner = parked ? std::nullopt : std::optional<std::string>(incarnation);
  saga.due_ms = parked ? std::nullopt : std::optional<int64_t>(stamp_ms);
}

}  // namespace

Replica::Replica(Clock& clock, Random& random, absl::Duration lease, std::string name)
    : clock_(clock),
      random_(random),
      lease_(lease),
      name_(std::move(name)),
      incarnation_(MakeUuidV7(clock.Now(), random)) {}

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

void Replica::WantSweep() {
  MutexLock lock(mutex_);
  sweep_wanted_ = true;
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

int64_t Replica::OldestUntoldMs() {
  MutexLock lock(mutex_);
  if (!untold_ms_.empty()) return *untold_ms_.begin();
  last_stamp_ms_ = NextStampMs();  // what is said is kept, if the clock is set back too
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

absl::Status TakeFirstLease(sql::Connection& connection, Replica& replica) {
  const std::string incarnation = replica.incarnation();
  SAGAMESH_ASSIGN_OR_RETURN(const std::optional<LeaseState> state, ReadLease(connection, incarnation));
  if (!state.has_value()) SAGAMESH_RETURN_IF_ERROR(InsertLease(connection, incarnation, replica));
  return StampAfterPeers(connection, replica, incarnation);
}

absl::StatusOr<std::string> HoldLease(sql::Connection& connection, Replica& replica) {
  while (true) {
    const std::string incarnation = replica.incarnation();
    SAGAMESH_ASSIGN_OR_RETURN(const std::optional<LeaseState> state, ReadLease(connection, incarnation));
    if (state == LeaseState::kOpen || Planted(Bug::kInsertUnderClosedLease)) return incarnation;
    if (replica.leaving()) return absl::FailedPreconditionError("the lease is given up");
    if (!state.has_value()) SAGAMESH_RETURN_IF_ERROR(RecordClosed(connection, incarnation));
    const std::string renewed = replica.NewIncarnation();
    SAGAMESH_RETURN_IF_ERROR(InsertLease(connection, renewed, replica));
    SAGAMESH_RETURN_IF_ERROR(connection.Commit());
    SAGAMESH_RETURN_IF_ERROR(StampAfterPeers(connection, replica, renewed));
    if (replica.Renew(incarnation, renewed)) {
      spdlog::warn("the lease of incarnation {} was closed; this is {} now", incarnation, renewed);
    } else {
      // A transaction of ours beside this one took a new lease.
      SAGAMESH_RETURN_IF_ERROR(DeleteLease(connection, renewed));
    }
    SAGAMESH_RETURN_IF_ERROR(connection.Begin());
  }
}

absl::StatusOr<bool> ExtendLease(sql::Connection& connection, Replica& replica) {
  const sql::Value parameters[] = {absl::ToInt64Milliseconds(replica.lease()), replica.OldestUntoldMs(),
                                   replica.incarnation()};
  SAGAMESH_ASSIGN_OR_RETURN(
      const int64_t changed,
      connection.Execute(absl::StrCat("UPDATE leases SET expires_ms = ", sql::NowMs(connection.dialect()),
                                      " + ?, untold_ms = ? WHERE incarnation = ? AND closed = 0"),
                         parameters));
  return changed > 0;
}

absl::StatusOr<std::map<std::string, LeaseState>> FindDeadLeases(sql::Connection& connection, const Replica& replica) {
  const sql::Value parameters[] = {replica.incarnation()};
  SAGAMESH_ASSIGN_OR_RETURN(
      const std::vector<sql::Row> rows,
      connection.Query(absl::StrCat("SELECT incarnation, closed FROM leases WHERE incarnation <> ? AND (closed <> 0 OR "
                                    "expires_ms < ",
                                    sql::NowMs(connection.dialect()), ")"),
                       parameters));
  std::map<std::string, LeaseState> leases;
  for (const sql::Row& row : rows) leases[row.Text(0)] = static_cast<LeaseState>(row.Int(1));
  return leases;
}

absl::StatusOr<bool> CloseIfRunOut(sql::Connection& connection, const std::string& incarnation) {
  return Close(connection, incarnation, absl::StrCat(" AND expires_ms < ", sql::NowMs(connection.dialect())));
}

absl::Status CloseEarlierLeases(sql::Connection& connection, const Replica& replica) {
  if (replica.name().empty()) return absl::OkStatus();
  const sql::Value parameters[] = {replica.name(), replica.incarnation()};
  SAGAMESH_ASSIGN_OR_RETURN(
      const std::vector<sql::Row> earlier,
      connection.Query("SELECT incarnation FROM leases WHERE replica = ? AND closed = 0 AND incarnation <> ?",
                       parameters));
  for (const sql::Row& lease : earlier) {
    const absl::StatusOr<bool> closed = Close(connection, lease.Text(0));
    if (!closed.ok() && !absl::IsAborted(closed.status())) return closed.status();
    if (closed.ok() && *closed)
      spdlog::info("the lease of incarnation {}, which was {} too, is closed", lease.Text(0), replica.name());
  }
  return absl::OkStatus();
}

absl::Status CloseOtherLeases(sql::Connection& connection, const Replica& replica) {
  const sql::Value parameters[] = {replica.incarnation()};
  return connection.Execute("UPDATE leases SET closed = 1 WHERE closed = 0 AND incarnation <> ?", parameters).status();
}

absl::Status ForgetLease(sql::Connection& connection, const std::string& incarnation) {
  const sql::Value parameters[] = {incarnation, incarnation};
  return connection
      .Execute(
          "DELETE FROM leases WHERE incarnation = ? AND closed <> 0 AND NOT EXISTS "
          "(SELECT 1 FROM sagas WHERE open_owner = ?)",
          parameters)
      .status();
}

absl::StatusOr<int64_t> FindOldestUntoldMs(sql::Connection& connection, const Replica& replica) {
  const std::string incarnation = replica.incarnation();
  const sql::Value parameters[] = {incarnation};
  SAGAMESH_ASSIGN_OR_RETURN(
      const std::vector<sql::Row> leases,
      connection.Query("SELECT incarnation, untold_ms FROM leases WHERE closed = 0 OR incarnation = ?", parameters));
  bool on_record = false;
  int64_t oldest_ms = std::numeric_limits<int64_t>::max();
  for (const sql::Row& lease : leases) {
    on_record |= lease.Text(0) == incarnation;
    oldest_ms = std::min(oldest_ms, lease.Int(1));
  }
  if (!on_record) return absl::UnavailableError("this replica has no lease");
  return oldest_ms;
}

absl::Status GiveUpLease(sql::Connection& connection, const Replica& replica) {
  const sql::Value parameters[] = {static_cast<int64_t>(LeaseState::kGivenUp), replica.incarnation()};
  return connection.Execute("UPDATE leases SET closed = ? WHERE incarnation = ?", parameters).status();
}

absl::StatusOr<Taken> TakeOver(sql::Connection& connection, const std::string& incarnation, int64_t stamp_ms,
                               int limit) {
  SAGAMESH_ASSIGN_OR_RETURN(const std::vector<sql::Row> leases,
                            connection.Query("SELECT incarnation, closed FROM leases WHERE closed <> 0"));
  std::map<std::string, LeaseState> owners;
  std::vector<sql::Value> parameters;
  for (const sql::Row& lease : leases) {
    owners[lease.Text(0)] = static_cast<LeaseState>(lease.Int(1));
    parameters.push_back(lease.Text(0));
  }
  if (owners.empty()) return Taken();
  parameters.push_back(int64_t{limit});
  SAGAMESH_ASSIGN_OR_RETURN(
      const std::vector<sql::Row> found,
      connection.Query(absl::StrCat("SELECT saga_id FROM sagas WHERE open_owner IN (", sql::Placeholders(owners.size()),
                                    ") ORDER BY open_owner, due_ms, saga_id LIMIT ?"),
                       parameters));
  std::set<std::string> ids;
  for (const sql::Row& row : found) ids.insert(row.Text(0));
  SAGAMESH_ASSIGN_OR_RETURN(SagaRows rows, LoadSagas(connection, ids));
  Taken taken;
  taken.more = found.size() == static_cast<size_t>(limit);
  for (auto& [id, saga] : rows) {
    // Another taker may have been faster, before the rows were locked.
    const auto owner = saga.open_owner.has_value() ? owners.find(*saga.open_owner) : owners.end();
    if (owner == owners.end()) continue;
    Take(saga, incarnation, owner->second == LeaseState::kClosed, stamp_ms);
    taken.sagas.push_back(saga.record);
  }
  SAGAMESH_RETURN_IF_ERROR(SaveSagas(connection, rows).status());
  return taken;
}

}  // namespace sagamesh::journal
