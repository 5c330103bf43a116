#include "tests/simulation/storage.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/sql/sqlite.h"
#include "common/status/error.h"
#include "tests/simulation/check.h"

namespace sagamesh::simulation {
namespace {

// How long a writer waits for the write lock before it is told ABORTED.
constexpr absl::Duration kLockWaitMax = absl::Seconds(5);
constexpr absl::Duration kLateCommitMax = absl::Seconds(2);

// For the trace: what a statement was given or gave.
uint64_t Digest(absl::Span<const sql::Value> values) {
  uint64_t hash = 14695981039346656037u;
  const auto mix = [&hash](absl::string_view bytes) {
    for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
    hash = (hash ^ 0x1F) * 1099511628211u;
  };
  for (const sql::Value& value : values) {
    if (const auto* number = std::get_if<int64_t>(&value)) mix(absl::StrCat(*number));
    if (const auto* text = std::get_if<std::string>(&value)) mix(*text);
    if (const auto* blob = std::get_if<sql::Blob>(&value)) mix(blob->bytes);
    mix("");
  }
  return hash;
}

}  // namespace

class SimConnection;

// A life's open connections, by number.
using OpenConnections = std::map<uint64_t, SimConnection*>;

class SimConnection final : public sql::Connection {
 public:
  SimConnection(Storage& storage, Life& life, std::shared_ptr<OpenConnections> open, sql::Access access,
                std::unique_ptr<sql::Connection> inner)
      : storage_(storage),
        life_(life),
        open_(std::move(open)),
        access_(access),
        number_(storage.next_connection_++),
        inner_(std::move(inner)) {
    open_->emplace(number_, this);
  }
  ~SimConnection() override {
    open_->erase(number_);
    Lose();
  }

  sql::Dialect dialect() const override { return sql::Dialect::kSqlite; }
  bool alive() const override { return inner_ != nullptr && life_.alive(); }

  absl::Status Begin() override;
  absl::Status Commit() override;
  absl::Status Rollback() override;
  absl::StatusOr<int64_t> Execute(absl::string_view statement, absl::Span<const sql::Value> parameters) override;
  absl::StatusOr<std::vector<sql::Row>> Query(absl::string_view statement,
                                              absl::Span<const sql::Value> parameters) override;

  // The process died: what it had not committed is gone, at once.
  void Crash() {
    if (in_transaction_) storage_.counts_.rolled_back_by_crash++;
    Lose();
  }

 private:
  static absl::Status Dead() { return absl::UnavailableError("the database connection is lost"); }

  // The point before every call: others go first, and faults happen.
  absl::Status Await(absl::string_view what);
  // The point after a call whose effect is durable, before the caller knows.
  bool AwaitAfter() {
    storage_.scheduler_.Yield();
    return alive();
  }
  void Lose();
  absl::Status RollBackAborted(absl::string_view why);
  void EndTransaction();
  void Trace(absl::string_view what) { storage_.scheduler_.Trace(storage_.name_, absl::StrCat(number_, " ", what)); }

  Storage& storage_;
  Life& life_;
  const std::shared_ptr<OpenConnections> open_;
  const sql::Access access_;
  const uint64_t number_;
  std::unique_ptr<sql::Connection> inner_;
  bool in_transaction_ = false;
};

void SimConnection::Lose() {
  if (inner_ == nullptr) return;
  if (in_transaction_) inner_->Rollback().IgnoreError();
  inner_ = nullptr;
  EndTransaction();
}

void SimConnection::EndTransaction() {
  in_transaction_ = false;
  storage_.Unlock(number_);
}

absl::Status SimConnection::Await(absl::string_view what) {
  if (!alive()) return Dead();
  Scheduler& scheduler = storage_.scheduler_;
  Check(scheduler.in_fibre(), "a database call outside of a worker");
  storage_.counts_.calls++;
  if (storage_.rng_.Chance(storage_.faults.slow)) {
    storage_.counts_.slow++;
    scheduler.Park(storage_.rng_.Between(absl::Milliseconds(1), storage_.faults.slow_max));
  } else {
    scheduler.Yield();
  }
  if (!alive()) return Dead();
  if (storage_.away() || storage_.rng_.Chance(storage_.faults.unavailable)) {
    storage_.counts_.lost++;
    Trace(absl::StrCat("lost at ", what));
    Lose();
    return absl::UnavailableError("simulated: the database is away");
  }
  return absl::OkStatus();
}

absl::Status SimConnection::RollBackAborted(absl::string_view why) {
  storage_.counts_.aborted++;
  Trace(absl::StrCat("aborted at ", why));
  if (in_transaction_) {
    inner_->Rollback().IgnoreError();
    EndTransaction();
  }
  return absl::AbortedError(absl::StrCat("simulated: aborted at ", why));
}

absl::Status SimConnection::Begin() {
  SAGAMESH_RETURN_IF_ERROR(Await("BEGIN"));
  Check(access_ == sql::Access::kWrite, "BEGIN on a read connection");
  Check(!in_transaction_, "BEGIN in a transaction");
  if (storage_.rng_.Chance(storage_.faults.aborted)) return RollBackAborted("BEGIN");
  const bool locked = storage_.Lock(number_, life_, kLockWaitMax);
  if (!alive()) {
    storage_.Unlock(number_);
    return Dead();
  }
  if (!locked) return RollBackAborted("BEGIN, which waited too long");
  const absl::Status status = inner_->Begin();
  Check(status.ok(), "BEGIN failed under the write lock");
  in_transaction_ = true;
  Trace("BEGIN");
  return absl::OkStatus();
}

absl::StatusOr<int64_t> SimConnection::Execute(absl::string_view statement, absl::Span<const sql::Value> parameters) {
  SAGAMESH_RETURN_IF_ERROR(Await(statement));
  Check(access_ == sql::Access::kWrite, "a statement that writes on a read connection");
  const bool alone = !in_transaction_;
  if (storage_.rng_.Chance(storage_.faults.aborted)) return RollBackAborted(statement);
  if (alone) {
    const bool locked = storage_.Lock(number_, life_, kLockWaitMax);
    if (!alive()) {
      storage_.Unlock(number_);
      return Dead();
    }
    if (!locked) return RollBackAborted("a statement, which waited too long");
  }
  absl::StatusOr<int64_t> changed = inner_->Execute(statement, parameters);
  if (alone) storage_.Unlock(number_);
  Trace(absl::StrFormat("%s [%x] -> %s", statement, Digest(parameters),
                        changed.ok() ? absl::StrCat(*changed) : changed.status().ToString()));
  if (alone && changed.ok() && !AwaitAfter()) return Dead();
  return changed;
}

absl::StatusOr<std::vector<sql::Row>> SimConnection::Query(absl::string_view statement,
                                                           absl::Span<const sql::Value> parameters) {
  SAGAMESH_RETURN_IF_ERROR(Await(statement));
  if (in_transaction_ && storage_.rng_.Chance(storage_.faults.aborted)) return RollBackAborted(statement);
  absl::StatusOr<std::vector<sql::Row>> rows = inner_->Query(statement, parameters);
  Trace(absl::StrFormat("%s [%x] -> %s", statement, Digest(parameters),
                        rows.ok() ? absl::StrCat(rows->size(), " rows") : rows.status().ToString()));
  return rows;
}

absl::Status SimConnection::Commit() {
  Check(!alive() || in_transaction_, "COMMIT outside of a transaction");
  const StorageFaults& faults = storage_.faults;
  Rng& rng = storage_.rng_;
  if (alive() && storage_.away()) {
    // The connection broke while COMMIT was under way.
    if (rng.Chance(0.5)) {
      storage_.counts_.unknown_done++;
      SAGAMESH_RETURN_IF_ERROR(inner_->Commit());
      EndTransaction();
    } else {
      storage_.counts_.unknown_lost++;
    }
    Trace("COMMIT -> unknown, the database went away");
    Lose();
    return absl::UnknownError("simulated: the database went away during COMMIT");
  }
  SAGAMESH_RETURN_IF_ERROR(Await("COMMIT"));
  if (storage_.slow_disk()) {
    storage_.counts_.slow_commits++;
    storage_.scheduler_.Park(rng.Between(Storage::kSlowDiskMin, Storage::kSlowDiskMax));
    if (!alive()) return absl::UnknownError("the process died");
  }
  if (rng.Chance(faults.commit_aborted)) return RollBackAborted("COMMIT");
  if (rng.Chance(faults.commit_dropped)) {
    storage_.counts_.dropped++;
    inner_->Rollback().IgnoreError();
    EndTransaction();
    return absl::OkStatus();
  }
  if (rng.Chance(faults.unknown_lost)) {
    storage_.counts_.unknown_lost++;
    Trace("COMMIT -> unknown, not done");
    Lose();
    return absl::UnknownError("simulated: COMMIT, not done");
  }
  if (rng.Chance(faults.unknown_late)) {
    storage_.counts_.unknown_late++;
    Trace("COMMIT -> unknown, still open");
    in_transaction_ = false;
    storage_.CommitLater(std::move(inner_), number_);
    return absl::UnknownError("simulated: COMMIT, still open");
  }
  SAGAMESH_RETURN_IF_ERROR(inner_->Commit());
  storage_.counts_.commits++;
  EndTransaction();
  Trace("COMMIT");
  if (rng.Chance(faults.unknown_done)) {
    storage_.counts_.unknown_done++;
    Trace("COMMIT -> unknown, done");
    Lose();
    return absl::UnknownError("simulated: COMMIT, done");
  }
  if (!AwaitAfter()) return absl::UnknownError("the process died");
  return absl::OkStatus();
}

absl::Status SimConnection::Rollback() {
  if (!in_transaction_) return alive() ? absl::OkStatus() : Dead();
  SAGAMESH_RETURN_IF_ERROR(Await("ROLLBACK"));
  const absl::Status status = inner_->Rollback();
  EndTransaction();
  Trace("ROLLBACK");
  return status;
}

class SimDatabase final : public sql::Database {
 public:
  SimDatabase(Storage& storage, Life& life)
      : storage_(storage), life_(life), open_(std::make_shared<OpenConnections>()) {
    life_.OnCrash([open = open_] {
      for (const auto& [number, connection] : *open) connection->Crash();
    });
  }

  sql::Dialect dialect() const override { return sql::Dialect::kSqlite; }
  int max_writers() const override { return storage_.max_writers; }

  absl::StatusOr<std::unique_ptr<sql::Connection>> Connect(sql::Access access) override {
    if (!life_.alive()) return absl::UnavailableError("the process died");
    simulation::Check(storage_.scheduler_.in_fibre(), "a connection made outside of a worker");
    storage_.scheduler_.Yield();
    if (!life_.alive() || storage_.away() || storage_.rng_.Chance(storage_.faults.connect_unavailable)) {
      return absl::UnavailableError("simulated: the database is away");
    }
    SAGAMESH_ASSIGN_OR_RETURN(std::unique_ptr<sql::Connection> inner, storage_.inner_->Connect(access));
    return std::make_unique<SimConnection>(storage_, life_, open_, access, std::move(inner));
  }

 private:
  Storage& storage_;
  Life& life_;
  std::shared_ptr<OpenConnections> open_;
};

Storage::Storage(Scheduler& scheduler, std::string name, const std::filesystem::path& directory, uint64_t seed)
    : scheduler_(scheduler), name_(std::move(name)), clock_(scheduler), rng_(seed) {
  inner_ = sql::MakeSqliteDatabase((directory / (name_ + ".db")).string(), clock_);
}

Storage::~Storage() = default;

std::unique_ptr<sql::Database> Storage::Open(Life& life) { return std::make_unique<SimDatabase>(*this, life); }

absl::StatusOr<std::unique_ptr<sql::Connection>> Storage::Look() { return inner_->Connect(sql::Access::kRead); }

bool Storage::Lock(uint64_t holder, const Life& life, absl::Duration limit) {
  const absl::Time last = scheduler_.now() + limit;
  while (holder_ != 0) {
    if (!life.alive() || scheduler_.now() >= last) return false;
    const uint64_t self = scheduler_.current();
    waiting_.push_back(self);
    scheduler_.Park(last - scheduler_.now());
    std::erase(waiting_, self);
  }
  holder_ = holder;
  return true;
}

void Storage::Unlock(uint64_t holder) {
  if (holder_ != holder) return;
  holder_ = 0;
  // All may try; the scheduler chooses.
  for (const uint64_t fibre : waiting_) scheduler_.Wake(fibre);
}

void Storage::CommitLater(std::unique_ptr<sql::Connection> connection, uint64_t holder) {
  const bool done = rng_.Chance(0.5);
  const absl::Duration delay = rng_.Between(absl::ZeroDuration(), kLateCommitMax);
  late_.emplace_back(holder, std::move(connection));
  scheduler_.After(delay, [this, holder, done] {
    for (auto it = late_.begin(); it != late_.end(); ++it) {
      if (it->first != holder) continue;
      const absl::Status status = done ? it->second->Commit() : it->second->Rollback();
      Check(status.ok(), "a late COMMIT failed");
      late_.erase(it);
      break;
    }
    scheduler_.Trace(name_, absl::StrCat(holder, done ? " late COMMIT" : " late ROLLBACK"));
    Unlock(holder);
  });
}

}  // namespace sagamesh::simulation
