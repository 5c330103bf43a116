#ifndef SAGAMESH_COORDINATOR_JOURNAL_BATCH_H_
#define SAGAMESH_COORDINATOR_JOURNAL_BATCH_H_

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "common/batch/group_commit.h"
#include "common/sql/sql.h"
#include "coordinator/journal/journal.h"
#include "coordinator/journal/lease.h"
#include "coordinator/journal/rows.h"

namespace sagamesh::journal {

// What a transaction of the journal does. Each can be run again after an unknown COMMIT: it then recognises its own
// work.
struct StartOperation {
  SagaRecord saga;
  std::string key_hash;  // KeyHash of it
  std::optional<Claimed> claimed;
  bool attempted = false;
};
struct WriteOperation {
  SagaRecord saga;  // as it was last read, with the next state
  std::optional<absl::Time> due;
  WriteOutcome outcome = WriteOutcome::kFenced;
  // What is there, or of a saga that is gone what its owner knew, where this run has written nothing; otherwise it is
  // the last of the operation's changes.
  std::optional<SagaRecord> instead;
};
struct LoadDueOperation {
  int limit = 0;
  std::map<std::string, uint64_t> chosen;  // by the runs so far, with the version written
  std::vector<SagaRecord> loaded;
};
// Nothing but what every transaction does first: holds the lease, or takes a new one.
struct HoldOperation {};
// Makes due what may have been lost on its way to its owner, and takes over a page of what closed leases own, if that
// is wanted.
struct SweepOperation {
  std::map<std::string, uint64_t> lost;  // Replica::lost when it was last run
  int due = 0;                           // sagas of ours that are due now
  bool more = false;                     // to take over
};
struct CommandOperation {
  std::string saga_id;
  engine::Command command;
  Commanded commanded;
};
struct ReleaseOperation {};

struct Operation {
  std::variant<StartOperation, WriteOperation, LoadDueOperation, SweepOperation, CommandOperation, HoldOperation,
               ReleaseOperation>
      what;
  absl::Status status;
  // The sagas as this transaction leaves them, to be published.
  std::vector<SagaRecord> changed;
  // What the runs so far have written, or would have: a run whose COMMIT was unknown may have made it durable.
  SagaVersions::Map made;
  // Of the first run; until what the runs have made is told.
  std::shared_ptr<const Stamp> stamp;
};

// One transaction: loads and locks the rows that its operations need (lease, keys, sagas), lets each operation decide
// in memory in arrival order, and writes what changed.
class Batch {
 public:
  Batch(const JournalOptions& options, Replica& replica, sql::Connection& connection,
        absl::Span<Operation* const> operations);

  absl::StatusOr<BatchEffect> Run();

 private:
  absl::Status Load();
  bool MayGoUnseen(const Operation& operation, const WriteOperation& write) const;
  void TakeStamp();
  // Publishes what an earlier run or an earlier transaction made durable without our being told.
  void PublishMade();
  absl::Status FindDue(const LoadDueOperation& load, std::vector<std::string>& ids);
  void Apply(Operation& operation, StartOperation& start);
  void Apply(Operation& operation, WriteOperation& write);
  void Apply(Operation& operation, LoadDueOperation& load);
  void Apply(Operation& operation, SweepOperation& sweep);
  void Apply(Operation& operation, CommandOperation& command);
  void Apply(Operation& operation, HoldOperation& hold) {}
  void Apply(Operation& operation, ReleaseOperation& release);
  absl::StatusOr<BatchEffect> Save();
  absl::Status Sweep();

  void Touch(SagaRow& saga, Operation& operation);
  bool IsOurs(const SagaRow& saga) const;

  const JournalOptions& options_;
  Replica& replica_;
  sql::Connection& connection_;
  const absl::Span<Operation* const> operations_;
  std::string incarnation_;
  int64_t stamp_ms_ = 0;
  absl::Time now_;
  bool wrote_ = false;
  bool release_ = false;
  StoredKeys keys_;
  SagaRows sagas_;
  std::map<std::string, int64_t> due_ms_;  // of what FindDue found
  std::set<std::string> loaded_;           // taken into memory here: not lost, whatever an earlier run made of them
};

}  // namespace sagamesh::journal

#endif  // SAGAMESH_COORDINATOR_JOURNAL_BATCH_H_
