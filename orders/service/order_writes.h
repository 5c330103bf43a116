#ifndef SAGAMESH_ORDERS_SERVICE_ORDER_WRITES_H_
#define SAGAMESH_ORDERS_SERVICE_ORDER_WRITES_H_

#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/barrier/barrier.h"
#include "common/batch/group_commit.h"
#include "common/clock/clock.h"
#include "common/metrics/metrics.h"
#include "common/random/random.h"
#include "common/sql/sql.h"
#include "orders/domain/order.h"

namespace sagamesh::orders {

// What may be written of an order; the domain says what each does.
struct BeginDirectCommand {
  Order order;
};
struct PriceDirectCommand {
  Order priced;
};
struct RefuseDirectCommand {
  std::string order_id;
  absl::Status refusal;  // what the caller is told, now and on a repeat
};
struct CreateForSagaCommand {
  Order order;
};
struct CheckConfirmCommand {
  std::string order_id;
  Caller caller;
};
struct ConfirmCommand {
  std::string order_id;
  Caller caller;
};
struct MarkCancellingCommand {
  std::string order_id;
  Caller caller;
};
struct MarkExpiredCommand {
  std::string order_id;
  absl::Time sweep_at;
};
struct FinishCancelCommand {
  std::string order_id;
  Caller caller;
};
using OrderCommand =
    std::variant<BeginDirectCommand, PriceDirectCommand, RefuseDirectCommand, CreateForSagaCommand, CheckConfirmCommand,
                 ConfirmCommand, MarkCancellingCommand, MarkExpiredCommand, FinishCancelCommand>;

// What a write ended with.
struct Written {
  Order order;
  // The serialized response that was stored for the call: nothing was decided anew, and the call is over.
  std::optional<std::string> stored_reply;
};

// Every write of the service: one group commit, guarded by the barrier. Thread-safe; never blocks.
class OrderWrites {
 public:
  struct Options {
    int max_queued_operations;
    absl::Duration barrier_retention;
    absl::Duration order_ttl;
    absl::Duration cancelling_ttl;
  };
  // Whether the write ends its call, so that its success is the one to store under the barrier.
  enum class Ends { kCall, kNothing };
  // `replayed`: it is what an earlier call had stored.
  using Finish = absl::AnyInvocable<void(absl::StatusOr<Written>, bool replayed)>;

  OrderWrites(Options options, sql::Database& database, WorkerPool& pool, Clock& clock, Random& random,
              metrics::Registry& registry);

  // Ends what waits with UNAVAILABLE, and whatever comes later. Once no worker runs any more.
  void Close() { group_commit_.reset(); }

  // `barrier` is nullopt where the order's own states are guard enough.
  void Submit(OrderCommand command, std::optional<BarrierCall> barrier, Ends ends, absl::Time deadline,
              Priority priority, Finish finish);

 private:
  struct Operation {
    OrderCommand command;
    Guard guard;
    Ends ends = Ends::kNothing;
    absl::StatusOr<Written> result = absl::UnknownError("not run");
  };

  absl::StatusOr<BatchEffect> RunBatch(sql::Connection& connection, absl::Span<Operation* const> operations,
                                       bool in_doubt);
  absl::StatusOr<Written> RunOperation(WorkingSet& set, BarrierRows& barrier, Operation& operation);
  absl::StatusOr<Order> Decide(WorkingSet& set, const OrderCommand& command);

  const Options options_;
  Clock& clock_;
  ClaimHistory claims_;
  std::unique_ptr<GroupCommit<Operation>> group_commit_;  // nullptr once closed
};

}  // namespace sagamesh::orders

#endif  // SAGAMESH_ORDERS_SERVICE_ORDER_WRITES_H_
