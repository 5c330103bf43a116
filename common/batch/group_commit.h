#ifndef SAGAMESH_COMMON_BATCH_GROUP_COMMIT_H_
#define SAGAMESH_COMMON_BATCH_GROUP_COMMIT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "common/clock/clock.h"
#include "common/exec/executor.h"
#include "common/exec/mutex.h"
#include "common/metrics/metrics.h"
#include "common/random/random.h"
#include "common/sql/sql.h"

namespace sagamesh {

// Group commit: every write path of a service goes through one of these. Operations wait in a bounded queue; a worker
// with a connection of its own takes all that waits (up to max_batch), runs one transaction for them, commits, and
// finishes every caller. There is no linger time: a batch is what queued while the last one committed, so a lone caller
// waits for nothing. There are as many workers as the database allows writers, and their batches commit side by side,
// in any order; but two that share little work only make smaller batches. Another one joins when enough waits to be
// worth a transaction of its own, when batches are of a few operations anyway, or when those at work stand still.
//
// Every operation must be guarded inside its transaction (by a barrier row or a conditional write), because a batch
// whose COMMIT has an unknown outcome is run again until the outcome is known.

struct GroupCommitOptions {
  std::string name;    // label of the metrics, for example "orders"
  std::string domain;  // of the errors' ErrorInfo; empty: the name
  int max_batch_operations = 128;
  int max_queued_operations = 8192;
  // So many are worth another worker. On two cores with 256 callers, 24 did 9% more sagas than a whole batch (128) did,
  // and two workers at all times did fewer: their batches were too small.
  int join_at_operations = 24;
  // Those at work stand still if none of them has taken a batch for so long.
  absl::Duration join_after = absl::Milliseconds(20);
  // A batch that fails as a whole (ABORTED, ALREADY_EXISTS) is run again this often before it is split.
  int max_attempts = 4;
  absl::Duration retry_backoff_max = absl::Milliseconds(100);
  // How long the outcome of an unknown COMMIT is looked for before its callers are told UNAVAILABLE (they then do not
  // know, as after any lost reply).
  absl::Duration unknown_outcome_max = absl::Seconds(10);
};

// Work of accepted sagas and compensations goes before new work.
enum class Priority { kAccepted, kNew };

// What a batch's transaction did: a batch that wrote nothing is not committed (it costs no fsync).
enum class BatchEffect { kNothing, kWrote };

namespace batch_internal {

// The part that does not depend on the operation's type; operations are opaque pointers owned by the template below.
class GroupCommitCore {
 public:
  struct Item {
    void* operation;
    absl::Time deadline;
    Priority priority;
    absl::AnyInvocable<void(absl::Status)> finish;
  };
  using Run = absl::AnyInvocable<absl::StatusOr<BatchEffect>(sql::Connection&, absl::Span<void* const>, bool in_doubt)>;

  GroupCommitCore(GroupCommitOptions options, sql::Database& database, WorkerPool& pool, Clock& clock, Random& random,
                  metrics::Registry& registry, Run run);
  ~GroupCommitCore();

  void Submit(Item item);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace batch_internal

// `Operation` holds a request and the place for its result. `run` decides and writes a batch in the transaction that is
// already open: it sets each operation's result, business refusals included (one operation that fails its rule does not
// harm the others), and returns an error only when the batch as a whole cannot go on: ALREADY_EXISTS if another writer
// made a row between its reading and its writing, or it wrote one that it had not looked for, which is decided again.
// It may be called several times for the same operation, in other company, and must set the result afresh each time;
// `in_doubt`: an earlier run's COMMIT may have happened. Thread-safe.
template <typename Operation>
class GroupCommit {
 public:
  // OK: committed, and the operation holds its result. Otherwise nothing is known to have happened: UNAVAILABLE (the
  // database is away), RESOURCE_EXHAUSTED with RetryInfo (the queue is full; told in the caller's thread),
  // DEADLINE_EXCEEDED (it waited past its deadline and was not run), ABORTED (CONTENTION: it met a lock at every
  // attempt, alone too), INTERNAL (the poison of its batch). Called once, on a worker; must not block.
  using Finish = absl::AnyInvocable<void(absl::Status, Operation&)>;
  using Run =
      absl::AnyInvocable<absl::StatusOr<BatchEffect>(sql::Connection&, absl::Span<Operation* const>, bool in_doubt)>;

  GroupCommit(GroupCommitOptions options, sql::Database& database, WorkerPool& pool, Clock& clock, Random& random,
              metrics::Registry& registry, Run run)
      : core_(
            std::move(options), database, pool, clock, random, registry,
            [run = std::move(run)](sql::Connection& connection, absl::Span<void* const> opaque, bool in_doubt) mutable {
              std::vector<Operation*> operations;
              operations.reserve(opaque.size());
              for (void* operation : opaque) operations.push_back(static_cast<Operation*>(operation));
              return run(connection, operations, in_doubt);
            }) {}

  void Submit(Operation operation, absl::Time deadline, Priority priority, Finish finish) {
    auto owned = std::make_unique<Operation>(std::move(operation));
    void* opaque = owned.get();
    core_.Submit({opaque, deadline, priority,
                  [owned = std::move(owned), finish = std::move(finish)](absl::Status status) mutable {
                    finish(std::move(status), *owned);
                  }});
  }

 private:
  batch_internal::GroupCommitCore core_;
};

}  // namespace sagamesh

#endif  // SAGAMESH_COMMON_BATCH_GROUP_COMMIT_H_
