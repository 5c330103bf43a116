#include "coordinator/journal/journal.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/batch/group_commit.h"
#include "common/fault/planted.h"
#include "common/sql/reader.h"
#include "common/status/error.h"
#include "coordinator/journal/answers.h"
#include "coordinator/journal/batch.h"
#include "coordinator/journal/claim.h"
#include "coordinator/journal/lease.h"
#include "coordinator/journal/rows.h"

namespace sagamesh::journal {
namespace {

constexpr int kTakeOverPageSagas = 256;
constexpr char kDomain[] = "coordinator";

GroupCommitOptions CommitOptions(const JournalOptions& options) {
  GroupCommitOptions commit;
  commit.name = "journal";
  commit.domain = kDomain;
  commit.max_queued_operations = options.max_queued_operations;
  return commit;
}

// One transaction of Open. Everything in it may be run again.
absl::Status InTransaction(sql::Connection& connection, absl::AnyInvocable<absl::Status()> body) {
  SAGAMESH_RETURN_IF_ERROR(connection.Begin());
  if (absl::Status status = body(); !status.ok()) {
    connection.Rollback().IgnoreError();
    return status;
  }
  return connection.Commit();
}

absl::StatusOr<std::vector<SagaRecord>> QuerySagas(sql::Connection& connection, const std::string& rest,
                                                   const std::vector<sql::Value>& parameters) {
  const auto rows = connection.Query(absl::StrCat("SELECT ", SagaColumns(), " FROM sagas ", rest), parameters);
  if (!rows.ok()) return rows.status();
  std::vector<SagaRecord> records;
  records.reserve(rows->size());
  for (const sql::Row& row : *rows) records.push_back(ReadSaga(row).record);
  return records;
}

// As the indexes find it: those that ended well are most, and are in none.
absl::string_view PhaseCondition(Phase phase) {
  if (phase == Phase::kRunning) return "open_owner IS NOT NULL AND phase = ?";
  return phase == Phase::kSucceeded ? "phase = ?" : "unhappy_phase = ?";
}

// Compensating or parked.
constexpr char kStuck[] = "unhappy_phase IN (2, 3) AND stuck = 1";

absl::StatusOr<std::vector<SagaRecord>> QueryList(sql::Connection& connection, const ListFilter& filter) {
  std::vector<std::string> conditions = {"1 = 1"};
  std::vector<sql::Value> parameters;
  const auto where = [&](absl::string_view condition, sql::Value value) {
    conditions.emplace_back(condition);
    parameters.push_back(std::move(value));
  };
  if (filter.key.has_value()) {
    conditions.push_back(absl::StrCat("saga_id IN (SELECT saga_id FROM saga_keys WHERE key_hash IN (",
                                      sql::Placeholders(filter.key->definitions.size()), "))"));
    for (const std::string& definition : filter.key->definitions) {
      parameters.emplace_back(KeyHash({filter.key->principal, definition, KeyKind::kExplicit, filter.key->text}));
    }
  }
  if (!filter.definition.empty()) where("definition = ?", filter.definition);
  if (filter.phase.has_value()) where(PhaseCondition(*filter.phase), static_cast<int64_t>(*filter.phase));
  if (filter.stuck) conditions.push_back(kStuck);
  if (!filter.before_saga_id.empty()) where("saga_id < ?", filter.before_saga_id);
  parameters.push_back(int64_t{filter.limit});
  return QuerySagas(connection,
                    absl::StrCat("WHERE ", absl::StrJoin(conditions, " AND "), " ORDER BY saga_id DESC LIMIT ?"),
                    parameters);
}

}  // namespace

struct Journal::State {
  State(JournalOptions options, sql::Database& database, WorkerPool& pool, Clock& clock, Random& random,
        metrics::Registry& registry, OnCommit on_commit)
      : options(options),
        database(database),
        pool(pool),
        on_commit(std::move(on_commit)),
        replica(clock, random, options.lease, options.replica),
        heartbeats(registry.Counter("sagamesh_journal_heartbeats_total", "Renewals of the lease, each a commit.")),
        heartbeat_session(database, sql::Access::kWrite),
        sweep_session(database, sql::Access::kWrite),
        answers(options.answers_bytes_max),
        reader({kDomain, options.read_connections, options.max_queued_reads}, database, pool, clock),
        commit(CommitOptions(options), database, pool, clock, random, registry,
               [this](sql::Connection& connection, absl::Span<Operation* const> operations, bool) {
                 return Batch(this->options, replica, connection, operations).Run();
               }) {}

  // `finish` learns the operation's end after its changes are published.
  void Submit(Operation operation, absl::Time deadline, Priority priority,
              absl::AnyInvocable<void(absl::Status, Operation&)> finish) {
    if (!opened) return finish(DatabaseUnavailable(kDomain), operation);
    commit.Submit(std::move(operation), deadline, priority,
                  [this, finish = std::move(finish)](absl::Status status, Operation& done) mutable {
                    if (status.ok()) {
                      if (!done.changed.empty() && on_commit) on_commit(done.changed, replica.OldestUntoldMs());
                      replica.doubted().Remove(done.made);
                      status = done.status;
                    } else {
                      replica.doubted().Add(done.made, done.stamp);
                    }
                    finish(std::move(status), done);
                  });
  }

  // `query` and `done` are called once.
  template <typename Result>
  void Read(absl::AnyInvocable<absl::StatusOr<Result>(sql::Connection&)> query,
            absl::AnyInvocable<void(absl::StatusOr<Result>)> done) {
    if (!opened) return done(DatabaseUnavailable(kDomain));
    reader.Read<Result>(absl::InfiniteFuture(), std::move(query), std::move(done));
  }

  absl::Status Open();
  // For a process that has the database to itself.
  absl::Status TakeOverAll(sql::Connection& connection);
  void Heartbeat(absl::AnyInvocable<void(absl::Status)> done);
  // Looks for dead leases and closes what has run out.
  absl::StatusOr<std::map<std::string, LeaseState>> CloseDeadLeases();
  void ForgetLeases(const std::map<std::string, LeaseState>& dead);
  // Transactions of SweepOperation, as long as there is something to take; `due` so far.
  void TakePages(int due, absl::AnyInvocable<void(absl::StatusOr<int>)> done);

  const JournalOptions options;
  sql::Database& database;
  WorkerPool& pool;
  const OnCommit on_commit;
  std::atomic<bool> opened{false};
  Replica replica;
  prometheus::Counter& heartbeats;
  sql::Session heartbeat_session;  // its own, so that neither a batch nor a sweep holds up a renewal
  sql::Session sweep_session;
  Answers answers;
  sql::Reader reader;
  GroupCommit<Operation> commit;
};

Journal::Journal(JournalOptions options, sql::Database& database, WorkerPool& pool, Clock& clock, Random& random,
                 metrics::Registry& registry, OnCommit on_commit)
    : state_(std::make_unique<State>(options, database, pool, clock, random, registry, std::move(on_commit))) {}

Journal::~Journal() = default;

absl::Status Journal::State::Open() {
  SAGAMESH_RETURN_IF_ERROR(sql::Migrate(database, Migrations()));
  SAGAMESH_ASSIGN_OR_RETURN(const std::unique_ptr<sql::Connection> connection, database.Connect(sql::Access::kWrite));
  SAGAMESH_ASSIGN_OR_RETURN(const std::vector<sql::Row> rows, connection->Query("SELECT MAX(updated_ms) FROM sagas"));
  replica.StampAfter(rows[0].Int(0));
  SAGAMESH_RETURN_IF_ERROR(TakeFirstLease(*connection, replica));
  SAGAMESH_RETURN_IF_ERROR(CloseEarlierLeases(*connection, replica));
  if (database.exclusive()) SAGAMESH_RETURN_IF_ERROR(TakeOverAll(*connection));
  spdlog::info("journal: open as incarnation {}", replica.incarnation());
  return absl::OkStatus();
}

absl::Status Journal::State::TakeOverAll(sql::Connection& connection) {
  SAGAMESH_RETURN_IF_ERROR(CloseOtherLeases(connection, replica));
  size_t total = 0;
  Taken taken;
  do {
    SAGAMESH_RETURN_IF_ERROR(InTransaction(connection, [&]() -> absl::Status {
      SAGAMESH_ASSIGN_OR_RETURN(taken,
                                TakeOver(connection, replica.incarnation(), replica.NowMs(), kTakeOverPageSagas));
      return absl::OkStatus();
    }));
    total += taken.sagas.size();
  } while (taken.more);
  if (total > 0) spdlog::info("journal: {} sagas taken over", total);
  SAGAMESH_ASSIGN_OR_RETURN(const auto dead, FindDeadLeases(connection, replica));
  for (const auto& [incarnation, state] : dead) SAGAMESH_RETURN_IF_ERROR(ForgetLease(connection, incarnation));
  return absl::OkStatus();
}

absl::Status Journal::Open() {
  if (state_->opened) return absl::OkStatus();
  const absl::Status status = state_->Open();
  if (status.ok()) {
    state_->opened = true;
    return status;
  }
  // Run again, it continues where it was: its incarnation stays the same.
  if (status.code() == absl::StatusCode::kAborted || status.code() == absl::StatusCode::kUnknown) {
    return absl::UnavailableError(status.message());
  }
  return status;
}

void Journal::Start(SagaRecord saga, absl::Time deadline, absl::AnyInvocable<void(absl::StatusOr<Claimed>)> done) {
  std::string key_hash = KeyHash(saga);
  if (std::optional<SagaRecord> answered = state_->answers.Find(key_hash, saga)) {
    return done(Claimed{ClaimOutcome::kReplayed, *std::move(answered)});
  }
  Operation operation{.what = StartOperation{.saga = std::move(saga), .key_hash = std::move(key_hash)}};
  state_->Submit(std::move(operation), deadline, Priority::kNew,
                 [state = state_.get(), done = std::move(done)](absl::Status status, Operation& operation) mutable {
                   auto& start = std::get<StartOperation>(operation.what);
                   if (status.ok()) {
                     const Claimed& claimed = *start.claimed;
                     if (claimed.outcome == ClaimOutcome::kReplayed) state->answers.Add(start.key_hash, claimed.saga);
                     return done(*std::move(start.claimed));
                   }
                   const bool lost = start.attempted && !Planted(Bug::kLostStartForgotten);
                   if (lost) state->replica.lost().Add({{start.saga.saga_id, 1}});
                   done(std::move(status));
                 });
}

void Journal::Write(SagaRecord saga, std::optional<absl::Time> due,
                    absl::AnyInvocable<void(absl::StatusOr<WriteOutcome>, SagaRecord)> done) {
  Operation operation{.what = WriteOperation{.saga = std::move(saga), .due = due}};
  state_->Submit(std::move(operation), absl::InfiniteFuture(), Priority::kAccepted,
                 [done = std::move(done)](absl::Status status, Operation& operation) mutable {
                   auto& write = std::get<WriteOperation>(operation.what);
                   if (!status.ok()) return done(std::move(status), std::move(write.saga));
                   done(write.outcome,
                        std::move(write.instead.has_value() ? *write.instead : operation.changed.back()));
                 });
}

void Journal::LoadDue(int limit, absl::AnyInvocable<void(absl::StatusOr<std::vector<SagaRecord>>)> done) {
  Operation operation{.what = LoadDueOperation{.limit = limit}};
  state_->Submit(std::move(operation), absl::InfiniteFuture(), Priority::kAccepted,
                 [state = state_.get(), done = std::move(done)](absl::Status status, Operation& operation) mutable {
                   auto& load = std::get<LoadDueOperation>(operation.what);
                   if (status.ok()) {
                     // An earlier, failed LoadDue may have lost the same version of them.
                     std::map<std::string, uint64_t> found;
                     for (const SagaRecord& record : load.loaded) found[record.saga_id] = record.version;
                     state->replica.lost().Remove(found);
                     return done(std::move(load.loaded));
                   }
                   state->replica.lost().Add(load.chosen);
                   done(std::move(status));
                 });
}

void Journal::Heartbeat(absl::AnyInvocable<void(absl::Status)> done) {
  if (!state_->opened) return done(DatabaseUnavailable(kDomain));
  if (state_->database.exclusive()) return done(absl::OkStatus());
  state_->pool.Post([state = state_.get(), done = std::move(done)]() mutable { state->Heartbeat(std::move(done)); });
}

void Journal::State::Heartbeat(absl::AnyInvocable<void(absl::Status)> done) {
  const absl::StatusOr<sql::Connection*> connection = heartbeat_session.Get();
  const absl::StatusOr<bool> held = connection.ok() ? ExtendLease(**connection, replica) : connection.status();
  if (!held.ok()) {
    spdlog::warn("{}: the lease could not be renewed: {}", kDomain, held.status().ToString());
    return done(DatabaseUnavailable(kDomain));
  }
  if (*held) {
    heartbeats.Increment();
    return done(absl::OkStatus());
  }
  // Closed by a peer.
  Submit(Operation{.what = HoldOperation{}}, absl::InfiniteFuture(), Priority::kAccepted,
         [done = std::move(done)](absl::Status status, Operation&) mutable { done(std::move(status)); });
}

void Journal::Sweep(absl::AnyInvocable<void(absl::StatusOr<int>)> done) {
  if (!state_->opened) return done(DatabaseUnavailable(kDomain));
  if (state_->database.exclusive()) return state_->TakePages(0, std::move(done));
  state_->pool.Post([state = state_.get(), done = std::move(done)]() mutable {
    absl::StatusOr<std::map<std::string, LeaseState>> dead = state->CloseDeadLeases();
    if (!dead.ok()) {
      spdlog::warn("{}: leases could not be looked at: {}", kDomain, dead.status().ToString());
      return done(DatabaseUnavailable(kDomain));
    }
    state->TakePages(0, [state, dead = *std::move(dead), done = std::move(done)](absl::StatusOr<int> due) mutable {
      if (!due.ok() || dead.empty()) return done(std::move(due));
      state->pool.Post([state, dead = std::move(dead), due = *due, done = std::move(done)]() mutable {
        state->ForgetLeases(dead);
        done(due);
      });
    });
  });
}

absl::StatusOr<std::map<std::string, LeaseState>> Journal::State::CloseDeadLeases() {
  SAGAMESH_ASSIGN_OR_RETURN(sql::Connection* const connection, sweep_session.Get());
  SAGAMESH_ASSIGN_OR_RETURN(auto dead, FindDeadLeases(*connection, replica));
  for (auto lease = dead.begin(); lease != dead.end();) {
    const absl::StatusOr<bool> closed =
        lease->second == LeaseState::kOpen ? CloseIfRunOut(*connection, lease->first) : true;
    // Its holder is in the middle of a transaction, or is not dead after all.
    if (absl::IsAborted(closed.status()) || (closed.ok() && !*closed)) {
      lease = dead.erase(lease);
      continue;
    }
    SAGAMESH_RETURN_IF_ERROR(closed.status());
    if (lease->second == LeaseState::kOpen) spdlog::info("the lease of incarnation {} ran out", lease->first);
    ++lease;
  }
  if (!dead.empty()) replica.WantSweep();
  return dead;
}

void Journal::State::TakePages(int due, absl::AnyInvocable<void(absl::StatusOr<int>)> done) {
  if (!replica.sweep_wanted() && replica.lost().All().empty()) return done(due);
  Submit(Operation{.what = SweepOperation{}}, absl::InfiniteFuture(), Priority::kAccepted,
         [this, due, done = std::move(done)](absl::Status status, Operation& operation) mutable {
           if (!status.ok()) return done(std::move(status));
           const auto& sweep = std::get<SweepOperation>(operation.what);
           replica.lost().Remove(sweep.lost);
           if (sweep.more) return TakePages(due + sweep.due, std::move(done));
           replica.SweepDone();
           done(due + sweep.due);
         });
}

void Journal::State::ForgetLeases(const std::map<std::string, LeaseState>& dead) {
  const absl::StatusOr<sql::Connection*> connection = sweep_session.Get();
  absl::Status status = connection.status();
  for (const auto& [incarnation, state] : dead) {
    if (status.ok()) status = ForgetLease(**connection, incarnation);
  }
  if (!status.ok()) spdlog::warn("{}: closed leases stay for now: {}", kDomain, status.ToString());
}

std::string Journal::incarnation() const { return state_->replica.incarnation(); }

bool Journal::alone() const { return state_->database.exclusive(); }

int64_t Journal::OldestUntoldMs() const { return state_->replica.OldestUntoldMs(); }

void Journal::FindOldestUntoldMs(absl::AnyInvocable<void(absl::StatusOr<int64_t>)> done) {
  if (alone()) return done(OldestUntoldMs());
  state_->Read<int64_t>(
      [state = state_.get()](sql::Connection& connection) {
        return journal::FindOldestUntoldMs(connection, state->replica);
      },
      std::move(done));
}

void Journal::Command(std::string saga_id, engine::Command command, absl::Time deadline,
                      absl::AnyInvocable<void(absl::StatusOr<Commanded>)> done) {
  Operation operation{.what = CommandOperation{.saga_id = std::move(saga_id), .command = std::move(command)}};
  state_->Submit(std::move(operation), deadline, Priority::kNew,
                 [done = std::move(done)](absl::Status status, Operation& operation) mutable {
                   if (!status.ok()) return done(std::move(status));
                   done(std::move(std::get<CommandOperation>(operation.what).commanded));
                 });
}

void Journal::ReleaseLease(absl::AnyInvocable<void(absl::Status)> done) {
  state_->replica.Leave();
  state_->Submit(Operation{.what = ReleaseOperation{}}, absl::InfiniteFuture(), Priority::kAccepted,
                 [done = std::move(done)](absl::Status status, Operation&) mutable { done(std::move(status)); });
}

void Journal::Get(std::string saga_id, absl::AnyInvocable<void(absl::StatusOr<std::optional<SagaRecord>>)> done) {
  state_->Read<std::optional<SagaRecord>>(
      [saga_id = std::move(saga_id)](sql::Connection& connection) -> absl::StatusOr<std::optional<SagaRecord>> {
        SAGAMESH_ASSIGN_OR_RETURN(std::vector<SagaRecord> records,
                                  QuerySagas(connection, "WHERE saga_id = ?", {saga_id}));
        if (records.empty()) return std::optional<SagaRecord>();
        return std::optional<SagaRecord>(std::move(records[0]));
      },
      std::move(done));
}

void Journal::List(ListFilter filter, absl::AnyInvocable<void(absl::StatusOr<std::vector<SagaRecord>>)> done) {
  state_->Read<std::vector<SagaRecord>>(
      [filter = std::move(filter)](sql::Connection& connection) { return QueryList(connection, filter); },
      std::move(done));
}

void Journal::ListChangedSince(int64_t updated_ms, std::string saga_id, int limit,
                               absl::AnyInvocable<void(absl::StatusOr<std::vector<SagaRecord>>)> done) {
  state_->Read<std::vector<SagaRecord>>(
      [updated_ms, saga_id = std::move(saga_id), limit](sql::Connection& connection) {
        return QuerySagas(connection,
                          "WHERE updated_ms >= ? AND (updated_ms > ? OR saga_id >= ?) "
                          "ORDER BY updated_ms, saga_id LIMIT ?",
                          {updated_ms, updated_ms, saga_id, int64_t{limit}});
      },
      std::move(done));
}

}  // namespace sagamesh::journal
