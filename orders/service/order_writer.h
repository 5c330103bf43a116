#ifndef SAGAMESH_ORDERS_SERVICE_ORDER_WRITER_H_
#define SAGAMESH_ORDERS_SERVICE_ORDER_WRITER_H_

#include <functional>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/barrier/barrier.h"
#include "common/batch/group_commit.h"
#include "orders/domain/order.h"

namespace sagamesh::orders {

// One local write of a flow: a decision on one order, in the transaction of its batch.
struct Write {
  std::string order_id;
  // Pure; run afresh each time that the batch is run.
  std::function<absl::StatusOr<Order>(WorkingSet&, int64_t now_ms)> decide;
  // Checked before the decision. None for direct calls without a key: there the order's own status makes the write
  // repeatable.
  std::optional<BarrierCall> guard;
  // What the guard's row remembers: the response message of the order that the decision answers (null: it does not), a
  // definite refusal of the decision, or, once it is made, a refusal that came from elsewhere.
  std::string (*response)(const Order&) = nullptr;
  bool record_refusal = false;
  std::optional<absl::Status> refusal;
};

struct Written {
  // As the decision left it; or the decision's or the barrier's refusal; or why nothing is known to have happened (see
  // GroupCommit).
  absl::StatusOr<Order> order = absl::UnknownError("not run");
  // The barrier had a result: `order` is the stored refusal, or this is the stored response.
  bool replayed = false;
  std::optional<std::string> stored_response;
};

// A definite failure: a refusing code with the participant's own ErrorInfo, which asking again would not change.
bool IsDefiniteRefusal(const absl::Status& status);

// Every write of the service, in one group commit. Thread-safe.
class OrderWriter {
 public:
  struct Options {
    absl::Duration barrier_retention;
    int max_queued_operations;
  };

  OrderWriter(Options options, sql::Database& database, WorkerPool& pool, Clock& clock, Random& random,
              metrics::Registry& registry);

  // `finish` is called once, on a worker or (overload) in the caller's thread; must not block.
  void Submit(Write write, absl::Time deadline, Priority priority, absl::AnyInvocable<void(Written)> finish);

 private:
  struct Operation {
    Write write;
    Written written;
  };

  absl::StatusOr<BatchEffect> RunBatch(sql::Connection& connection, absl::Span<Operation* const> operations);
  // Answers what is stored or refused; false if the write may go on.
  bool Stop(BarrierRow& row, Operation& operation, absl::Time now) const;
  void Record(BarrierRow& row, const Operation& operation) const;

  const Options options_;
  Clock& clock_;
  GroupCommit<Operation> group_commit_;
};

}  // namespace sagamesh::orders

#endif  // SAGAMESH_ORDERS_SERVICE_ORDER_WRITER_H_
