#include "tests/simulation/storage.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status/error.h"
#include "tests/simulation/check.h"
#include "tests/simulation/mysql/parser.h"

namespace sagamesh::simulation {
namespace {

// How long a statement waits for a row's lock before it is told ABORTED.
constexpr absl::Duration kLockWaitMax = absl::Seconds(5);
constexpr absl::Duration kLateCommitMax = absl::Seconds(2);

// For the comparison of two runs.
uint64_t Digest(absl::Span<const sql::Value> values) {
  uint64_t digest = values.size();
  const auto mix = [&digest](uint64_t word) { digest = (digest ^ word ^ (digest >> 29)) * 0x9E3779B97F4A7C15u; };
  for (const sql::Value& value : values) {
    const mysql::Cell cell = mysql::Cell::Of(value);
    mix(static_cast<uint64_t>(cell.number));
    mix(cell.bytes.size());
    for (size_t i = 0; i < cell.bytes.size(); i += sizeof(uint64_t)) {
      uint64_t word = 0;
      std::memcpy(&word, cell.bytes.data() + i, std::min(sizeof(word), cell.bytes.size() - i));
      mix(word);
    }
  }
  return digest;
}

// For people.
std::string Show(absl::Span<const sql::Value> values) {
  return absl::StrJoin(values, " ", [](std::string* out, const sql::Value& value) {
    if (const auto* number = std::get_if<int64_t>(&value)) {
      absl::StrAppend(out, *number);
    } else if (const auto* blob = std::get_if<sql::Blob>(&value)) {
      absl::StrAppend(out, "<", blob->bytes.size(), " bytes>");
    } else if (const auto* text = std::get_if<std::string>(&value)) {
      absl::StrAppend(out, "'", absl::CHexEscape(*text), "'");
    } else {
      out->append("NULL");
    }
  });
}

// Waits on a fibre.
class FibreWaiter final : public mysql::Waiter {
 public:
  explicit FibreWaiter(Scheduler& scheduler) : scheduler_(scheduler) {}

  bool Wait(absl::FunctionRef<bool()> ended) override {
    const absl::Time last = scheduler_.now() + kLockWaitMax;
    fibre_ = scheduler_.current();
    while (!ended()) {
      if (scheduler_.now() >= last) return false;
      scheduler_.Park(last - scheduler_.now());
    }
    return true;
  }
  void Wake() override { scheduler_.Wake(fibre_); }

 private:
  Scheduler& scheduler_;
  uint64_t fibre_ = 0;
};

}  // namespace

struct Storage::ServerSide {
  explicit ServerSide(Storage& storage) : waiter(storage.scheduler_), session(storage.server_, waiter) {}

  FibreWaiter waiter;
  mysql::Session session;
};

// A life's open connections, by number.
using OpenConnections = std::map<uint64_t, SimConnection*>;

class SimConnection final : public sql::Connection {
 public:
  SimConnection(Storage& storage, Life& life, std::shared_ptr<OpenConnections> open, sql::Access access)
      : storage_(storage),
        life_(life),
        open_(std::move(open)),
        access_(access),
        number_(storage.next_connection_++),
        server_(std::make_unique<Storage::ServerSide>(storage)) {
    open_->emplace(number_, this);
  }
  ~SimConnection() override {
    open_->erase(number_);
    Lose();
  }

  sql::Dialect dialect() const override { return sql::Dialect::kMysql; }
  bool alive() const override { return !lost_ && life_.alive(); }

  absl::Status Begin() override;
  absl::Status Commit() override;
  absl::Status Rollback() override;
  absl::StatusOr<int64_t> Execute(absl::string_view statement, absl::Span<const sql::Value> parameters) override;
  absl::StatusOr<std::vector<sql::Row>> Query(absl::string_view statement,
                                              absl::Span<const sql::Value> parameters) override;

  // The server gave its transaction up.
  void EndIdle() {
    if (!in_transaction_) return;
    storage_.counts_.ended_idle++;
    Trace("its idle transaction ends");
    Lose();
  }

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
  // The connection is lost; COMMIT is told to be unknown.
  absl::Status Unknown(absl::string_view what);
  // What became of a statement on the server: others may have gone on meanwhile, if it waited for a lock.
  absl::Status Ended(absl::string_view statement, absl::Span<const sql::Value> parameters, const absl::Status& status,
                     int64_t rows);
  template <typename... Parts>
  void Trace(const Parts&... parts) {
    storage_.scheduler_.Trace(storage_.name_, number_, " ", parts...);
  }

  Storage& storage_;
  Life& life_;
  const std::shared_ptr<OpenConnections> open_;
  const sql::Access access_;
  const uint64_t number_;
  // While a call of it waits it must stay, though the connection is lost.
  std::unique_ptr<Storage::ServerSide> server_;
  bool lost_ = false;
  bool in_transaction_ = false;
};

void SimConnection::Lose() {
  if (std::exchange(lost_, true)) return;
  server_->session.Abort();
  EndTransaction();
}

void SimConnection::EndTransaction() {
  if (std::exchange(in_transaction_, false)) storage_.open_transactions_--;
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
  if (storage_.away(life_) || storage_.rng_.Chance(storage_.faults.unavailable)) {
    storage_.counts_.lost++;
    Trace("lost at ", what);
    Lose();
    return absl::UnavailableError("simulated: the database is away");
  }
  return absl::OkStatus();
}

absl::Status SimConnection::RollBackAborted(absl::string_view why) {
  storage_.counts_.aborted++;
  Trace("aborted at ", why);
  server_->session.Abort();
  EndTransaction();
  return absl::AbortedError(absl::StrCat("simulated: aborted at ", why));
}

absl::Status SimConnection::Begin() {
  SAGAMESH_RETURN_IF_ERROR(Await("BEGIN"));
  Check(access_ != sql::Access::kRead, "BEGIN on a read connection");
  Check(!in_transaction_, "BEGIN in a transaction");
  if (storage_.rng_.Chance(storage_.faults.aborted)) return RollBackAborted("BEGIN");
  SAGAMESH_RETURN_IF_ERROR(server_->session.Begin());
  in_transaction_ = true;
  storage_.open_transactions_++;
  Trace("BEGIN");
  return absl::OkStatus();
}

absl::Status SimConnection::Ended(absl::string_view statement, absl::Span<const sql::Value> parameters,
                                  const absl::Status& status, int64_t rows) {
  const uint64_t digest = Digest(parameters);
  Trace(statement, Compared{absl::string_view(reinterpret_cast<const char*>(&digest), sizeof(digest))},
        Shown{[&] { return absl::StrCat(" [", Show(parameters), "]", status.ok() ? "" : " " + status.ToString()); }},
        " -> ", rows);
  if (absl::IsInternal(status) && !mysql::Parse(statement).ok()) Die(std::string(status.message()));
  if (!alive()) return Dead();
  if (absl::IsAborted(status)) return RollBackAborted(status.message());
  return status;
}

absl::StatusOr<int64_t> SimConnection::Execute(absl::string_view statement, absl::Span<const sql::Value> parameters) {
  SAGAMESH_RETURN_IF_ERROR(Await(statement));
  Check(access_ != sql::Access::kRead, "a statement that writes on a read connection");
  const bool alone = !in_transaction_;
  if (storage_.rng_.Chance(storage_.faults.aborted)) return RollBackAborted(statement);
  const absl::StatusOr<int64_t> changed = server_->session.Execute(statement, parameters);
  SAGAMESH_RETURN_IF_ERROR(Ended(statement, parameters, changed.status(), changed.value_or(-1)));
  if (alone && !AwaitAfter()) return Dead();
  return changed;
}

absl::StatusOr<std::vector<sql::Row>> SimConnection::Query(absl::string_view statement,
                                                           absl::Span<const sql::Value> parameters) {
  SAGAMESH_RETURN_IF_ERROR(Await(statement));
  if (in_transaction_ && storage_.rng_.Chance(storage_.faults.aborted)) return RollBackAborted(statement);
  absl::StatusOr<std::vector<sql::Row>> rows = server_->session.Query(statement, parameters);
  SAGAMESH_RETURN_IF_ERROR(
      Ended(statement, parameters, rows.status(), rows.ok() ? static_cast<int64_t>(rows->size()) : -1));
  return rows;
}

absl::Status SimConnection::Unknown(absl::string_view what) {
  Trace("COMMIT -> unknown, ", what);
  if (storage_.rng_.Chance(storage_.faults.cut_off_after_unknown)) {
    storage_.counts_.cut_off_after_unknown++;
    storage_.CutOffFor(life_.name(), storage_.rng_.Between(absl::Milliseconds(500), absl::Seconds(15)));
  }
  return absl::UnknownError(absl::StrCat("simulated: COMMIT, ", what));
}

absl::Status SimConnection::Commit() {
  Check(!alive() || in_transaction_, "COMMIT outside of a transaction");
  const StorageFaults& faults = storage_.faults;
  Rng& rng = storage_.rng_;
  if (alive() && storage_.away(life_)) {
    // The connection broke while COMMIT was under way.
    if (rng.Chance(0.5)) {
      storage_.counts_.unknown_done++;
      SAGAMESH_RETURN_IF_ERROR(server_->session.Commit());
      EndTransaction();
    } else {
      storage_.counts_.unknown_lost++;
    }
    Lose();
    return Unknown("the database went away");
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
    server_->session.Rollback().IgnoreError();
    EndTransaction();
    return absl::OkStatus();
  }
  if (rng.Chance(faults.unknown_lost)) {
    storage_.counts_.unknown_lost++;
    Lose();
    return Unknown("not done");
  }
  if (rng.Chance(faults.unknown_late)) {
    storage_.counts_.unknown_late++;
    in_transaction_ = false;
    lost_ = true;
    storage_.CommitLater(std::move(server_), number_);
    return Unknown("still open");
  }
  SAGAMESH_RETURN_IF_ERROR(server_->session.Commit());
  storage_.counts_.commits++;
  EndTransaction();
  Trace("COMMIT");
  if (rng.Chance(faults.unknown_done)) {
    storage_.counts_.unknown_done++;
    Lose();
    return Unknown("done");
  }
  if (!AwaitAfter()) return absl::UnknownError("the process died");
  return absl::OkStatus();
}

absl::Status SimConnection::Rollback() {
  if (!in_transaction_) return alive() ? absl::OkStatus() : Dead();
  SAGAMESH_RETURN_IF_ERROR(Await("ROLLBACK"));
  const absl::Status status = server_->session.Rollback();
  EndTransaction();
  Trace("ROLLBACK");
  return status;
}

class SimDatabase final : public sql::Database {
 public:
  SimDatabase(Storage& storage, Life& life)
      : storage_(storage), life_(life), open_(std::make_shared<OpenConnections>()) {
    storage_.open_[&life] = open_;
    life_.OnCrash([this_storage = &storage_, &life, open = open_] {
      this_storage->open_.erase(&life);
      for (const auto& [number, connection] : *open) connection->Crash();
    });
  }

  sql::Dialect dialect() const override { return sql::Dialect::kMysql; }
  int max_writers() const override { return storage_.max_writers; }
  bool exclusive() const override { return !storage_.shared; }

  absl::StatusOr<std::unique_ptr<sql::Connection>> Connect(sql::Access access) override {
    if (!life_.alive()) return absl::UnavailableError("the process died");
    simulation::Check(storage_.scheduler_.in_fibre(), "a connection made outside of a worker");
    storage_.scheduler_.Yield();
    if (!life_.alive() || storage_.away(life_) || storage_.rng_.Chance(storage_.faults.connect_unavailable)) {
      return absl::UnavailableError("simulated: the database is away");
    }
    return std::make_unique<SimConnection>(storage_, life_, open_, access);
  }

 private:
  Storage& storage_;
  Life& life_;
  std::shared_ptr<OpenConnections> open_;
};

Storage::Storage(Scheduler& scheduler, std::string name, uint64_t seed)
    : scheduler_(scheduler), name_(std::move(name)), clock_(scheduler), rng_(seed) {}

Storage::~Storage() = default;

std::unique_ptr<sql::Database> Storage::Open(Life& life) { return std::make_unique<SimDatabase>(*this, life); }

absl::StatusOr<std::unique_ptr<sql::Connection>> Storage::Look() {
  return std::make_unique<mysql::Session>(server_, nobody_);
}

void Storage::EndIdleTransactions(const Life& life) {
  const auto open = open_.find(&life);
  if (open == open_.end()) return;
  for (const auto& [number, connection] : *open->second) connection->EndIdle();
}

void Storage::CommitLater(std::unique_ptr<ServerSide> connection, uint64_t number) {
  const bool done = rng_.Chance(0.5);
  const absl::Duration delay = rng_.Between(absl::ZeroDuration(), kLateCommitMax);
  late_.emplace(number, std::move(connection));
  scheduler_.After(delay, [this, number, done] {
    const auto late = late_.find(number);
    mysql::Session& session = late->second->session;
    Check((done ? session.Commit() : session.Rollback()).ok(), "a late COMMIT failed");
    late_.erase(late);
    open_transactions_--;
    scheduler_.Trace(name_, number, done ? " late COMMIT" : " late ROLLBACK");
  });
}

}  // namespace sagamesh::simulation
