#ifndef SAGAMESH_COORDINATOR_JOURNAL_JOURNAL_H_
#define SAGAMESH_COORDINATOR_JOURNAL_JOURNAL_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "common/clock/clock.h"
#include "common/exec/executor.h"
#include "common/metrics/metrics.h"
#include "common/random/random.h"
#include "common/sql/migrations.h"
#include "common/sql/sql.h"
#include "coordinator/engine/command.h"
#include "coordinator/engine/saga.h"

namespace sagamesh::journal {

using engine::KeyKind;
using engine::Phase;
using engine::SagaRecord;

struct JournalOptions {
  absl::Duration content_key_window = absl::Hours(24);
  absl::Duration lease = absl::Seconds(3);
  // A name that no other living replica has: what an earlier process of this name held is taken over at once, not when
  // its lease has run out. "": none.
  std::string replica;
  int max_queued_operations = 8192;
  int max_queued_reads = 4096;
  int read_connections = 2;
  // Of sagas in memory whose explicit keys were asked for again, to be answered without the database.
  size_t answers_bytes_max = 16 << 20;
};

// What Start found.
enum class ClaimOutcome {
  kStarted,   // the key is ours: the new saga is durable
  kAttached,  // a saga holds the key and is not final: wait for it
  kReplayed,  // a final saga holds the key: its result or error is the answer
  kReused,    // explicit key, other payload
};

struct Claimed {
  ClaimOutcome outcome;
  SagaRecord saga;  // the one that holds the key now
};

enum class WriteOutcome { kWritten, kFenced };

struct Commanded {
  engine::CommandOutcome outcome = engine::CommandOutcome::kNotFound;
  std::optional<SagaRecord> saga;  // as it is now; nullopt: kNotFound
};

struct ListFilter {
  std::string definition;      // "": every
  std::optional<Phase> phase;  // nullopt: every
  // The holder of an explicit key, which is found by all that it is scoped by.
  struct Key {
    std::string text;
    std::string principal;
    std::vector<std::string> definitions;  // of one of these; at least one
  };
  std::optional<Key> key;
  bool stuck = false;          // only the stuck
  std::string before_saga_id;  // only sagas with a lower id: the page token
  int limit = 50;
};

// The coordinator's durable state: sagas, idempotency keys, leases. All writes go through one group commit, in
// transactions that first read this replica's own lease row and are conditional on owner, epoch and version. Methods
// are thread-safe and never block; callbacks come once, on any thread, and must not block.
//
// Errors of every callback: UNAVAILABLE, RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED, INTERNAL as in GroupCommit.
class Journal {
 public:
  // Called after each COMMIT, on a worker, with the sagas that it changed, before the writers are told. COMMITs side by
  // side are told in any order: what is not told yet was changed at `oldest_untold_ms` or later.
  using OnCommit = std::function<void(absl::Span<const SagaRecord>, int64_t oldest_untold_ms)>;

  Journal(JournalOptions options, sql::Database& database, WorkerPool& pool, Clock& clock, Random& random,
          metrics::Registry& registry, OnCommit on_commit);
  ~Journal();

  // Migrates, takes a lease under a new incarnation, and closes those of earlier ones of this replica's name. Where one
  // process has the database to itself, which proves every other holder of a lease dead, also does what Sweep does
  // elsewhere. Blocks; run it on a worker. UNAVAILABLE: run it again later. FAILED_PRECONDITION: the schema is newer
  // than this program.
  absl::Status Open();

  // Claims the key and inserts the saga in one transaction, by the table of docs/semantics.md. `saga` comes with id,
  // definition, principal, key, fingerprint, input, fault, trace; owner, epoch, version and times are set here. An
  // explicit key that was replayed before is answered at once, in the caller's thread, without its saga's
  // history, fault and trace.
  void Start(SagaRecord saga, absl::Time deadline, absl::AnyInvocable<void(absl::StatusOr<Claimed>)> done);

  // Writes the saga's next state if owner, epoch and version still match (`saga` carries what was last read or
  // written; the callback's record has the new version). A final phase also settles the key.
  // `due`: the saga is dropped from memory and LoadDue finds it from then on; nullopt: it stays with its owner's
  // memory. Accepted work goes before new sagas and has no deadline: an UNAVAILABLE journal is tried again by the
  // caller.
  void Write(SagaRecord saga, std::optional<absl::Time> due,
             absl::AnyInvocable<void(absl::StatusOr<WriteOutcome>, SagaRecord)> done);

  // Takes up to `limit` of our unfinished, not parked sagas that are due into memory: marks them not due and returns
  // them (with their new version), oldest first.
  void LoadDue(int limit, absl::AnyInvocable<void(absl::StatusOr<std::vector<SagaRecord>>)> done);

  // Keeps the lease, by the database's clock, or takes a new one if a peer closed it; the caller does so every lease/3,
  // never before the last one's `done`. Where one process has the database to itself its file lock is its lease, and
  // nothing is written.
  void Heartbeat(absl::AnyInvocable<void(absl::Status)> done);

  // Closes the leases that have run out, by the database's clock, and makes the unfinished sagas of closed leases ours,
  // in batches, with `epoch + 1` and due at once; also what a lost answer of the database may have kept from us.
  // Answers how many sagas are due by this. The caller does so every 2/3 of a lease, never before the last one's
  // `done`.
  void Sweep(absl::AnyInvocable<void(absl::StatusOr<int>)> done);

  // Who this replica is now. Another one than before: what the one before owned is being taken over.
  std::string incarnation() const;
  // No other process has the database.
  bool alone() const;

  // Does what an operator wants of a saga, whoever owns it (engine::Apply): a takeover in one transaction, after which
  // the saga is ours and due at once.
  void Command(std::string saga_id, engine::Command command, absl::Time deadline,
               absl::AnyInvocable<void(absl::StatusOr<Commanded>)> done);

  // Gives the lease up at shutdown: a peer may take the sagas at once.
  void ReleaseLease(absl::AnyInvocable<void(absl::Status)> done);

  // Reads what is committed. nullopt: there is none.
  void Get(std::string saga_id, absl::AnyInvocable<void(absl::StatusOr<std::optional<SagaRecord>>)> done);
  // Newest first.
  void List(ListFilter filter, absl::AnyInvocable<void(absl::StatusOr<std::vector<SagaRecord>>)> done);
  // The sagas whose last change is at or after (`updated_ms`, `saga_id`), by (updated_ms, saga_id): to resume a watch.
  void ListChangedSince(int64_t updated_ms, std::string saga_id, int limit,
                        absl::AnyInvocable<void(absl::StatusOr<std::vector<SagaRecord>>)> done);
  // Of this replica's changes that OnCommit does not know yet, and of those to come, none is older.
  int64_t OldestUntoldMs() const;
  // Of any replica's changes that ListChangedSince does not see yet, none will be older.
  void FindOldestUntoldMs(absl::AnyInvocable<void(absl::StatusOr<int64_t>)> done);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The schema of the coordinator's database.
std::vector<sql::Migration> Migrations();

}  // namespace sagamesh::journal

#endif  // SAGAMESH_COORDINATOR_JOURNAL_JOURNAL_H_
