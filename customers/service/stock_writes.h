#ifndef SAGAMESH_CUSTOMERS_SERVICE_STOCK_WRITES_H_
#define SAGAMESH_CUSTOMERS_SERVICE_STOCK_WRITES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "common/barrier/barrier.h"
#include "common/batch/group_commit.h"
#include "common/clock/clock.h"
#include "common/fault/crash_at.h"
#include "common/metrics/metrics.h"
#include "common/random/random.h"
#include "common/sql/sql.h"
#include "customers/domain/stock.h"

namespace sagamesh::customers {

// What may be written; the domain says what each does. A Product or a Customer is one to create.
struct CommitCommand {
  std::string order_id;
  std::string owner;
};
struct ReleaseCommand {
  std::string order_id;
  std::string owner;
};
struct RestockCommand {
  std::string sku;
  int64_t quantity;
  std::string movement_id;
};
using StockCommand = std::variant<ReserveCommand, CommitCommand, ReleaseCommand, RestockCommand, Product, Customer>;

struct StockWrite {
  StockCommand command;
  // What guards it. A direct reserve, commit or release without a key has none: the reservation's own states, and its
  // items, make it repeatable by its order id, and a stored answer would outlive what it says.
  std::optional<BarrierCall> barrier;
  // Whether a refusal is stored: for the calls of sagas and those with a key, which may come again.
  bool store_refusal = false;
};

// Every write of the service: one group commit, guarded by the barrier. Thread-safe; never blocks.
class StockWrites {
 public:
  struct Options {
    int max_queued_operations;
    absl::Duration barrier_retention;
    CrashAt crash_at;
  };
  // The serialized response message or the refusal, and whether it is what an earlier call had stored.
  using Finish = absl::AnyInvocable<void(absl::StatusOr<std::string> reply, bool replayed)>;

  StockWrites(Options options, sql::Database& database, WorkerPool& pool, Clock& clock, Random& random,
              metrics::Registry& registry);

  void Submit(StockWrite write, absl::Time deadline, Priority priority, Finish finish);

 private:
  struct Operation {
    StockCommand command;
    Guard guard;
    bool store_refusal = false;
    absl::StatusOr<std::string> reply = absl::UnknownError("not run");

    // Whether it made an effect of its own.
    bool took_effect() const { return reply.ok() && !guard.replayed; }
  };

  absl::StatusOr<BatchEffect> RunBatch(sql::Connection& connection, absl::Span<Operation* const> operations,
                                       bool in_doubt);
  void RunOperation(WorkingSet& set, BarrierRows& barrier, Operation& operation);
  // Reaches `point` of the operation's method, if it took effect.
  void ReachCrashPoint(absl::string_view point, const Operation& operation) const;

  const Options options_;
  Clock& clock_;
  ClaimHistory claims_;
  GroupCommit<Operation> group_commit_;
};

}  // namespace sagamesh::customers

#endif  // SAGAMESH_CUSTOMERS_SERVICE_STOCK_WRITES_H_
