#include "orders/service/order_writes.h"

#include <set>
#include <utility>

#include "common/proto/deterministic.h"
#include "common/status/error.h"
#include "orders/domain/errors.h"
#include "orders/service/messages.h"
#include "orders/store/order_store.h"

namespace sagamesh::orders {
namespace {

template <typename... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
template <typename... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

std::string OrderIdOf(const OrderCommand& command) {
  return std::visit(Overloaded{[](const BeginDirectCommand& begin) { return begin.order.id; },
                               [](const PriceDirectCommand& price) { return price.priced.id; },
                               [](const CreateForSagaCommand& create) { return create.order.id; },
                               [](const auto& other) { return other.order_id; }},
                    command);
}

}  // namespace

OrderWrites::OrderWrites(Options options, sql::Database& database, WorkerPool& pool, Clock& clock, Random& random,
                         metrics::Registry& registry)
    : options_(options),
      clock_(clock),
      group_commit_(std::make_unique<GroupCommit<Operation>>(
          GroupCommitOptions{.name = "orders", .max_queued_operations = options.max_queued_operations}, database, pool,
          clock, random, registry,
          [this](sql::Connection& connection, absl::Span<Operation* const> operations, bool in_doubt) {
            return RunBatch(connection, operations, in_doubt);
          })) {}

void OrderWrites::Submit(OrderCommand command, std::optional<BarrierCall> barrier, Ends ends, absl::Time deadline,
                         Priority priority, Finish finish) {
  if (group_commit_ == nullptr) {
    return finish(DatabaseUnavailable(error::kDomain), false);
  }
  Guard guard;
  guard.likely_first = std::holds_alternative<CreateForSagaCommand>(command) && MayBeFirst(barrier);
  guard.call = std::move(barrier);
  group_commit_->Submit({std::move(command), std::move(guard), ends}, deadline, priority,
                        [finish = std::move(finish)](absl::Status status, Operation& finished) mutable {
                          if (!status.ok()) return finish(std::move(status), false);
                          finish(std::move(finished.result), finished.guard.replayed);
                        });
}

absl::StatusOr<BatchEffect> OrderWrites::RunBatch(sql::Connection& connection, absl::Span<Operation* const> operations,
                                                  bool in_doubt) {
  // The lock order: barrier, orders; then rows that are new, in the same order.
  std::vector<const Guard*> guards;
  for (const Operation* operation : operations) guards.push_back(&operation->guard);
  SAGAMESH_ASSIGN_OR_RETURN(BarrierRows barrier,
                            BarrierRows::Load(connection, guards, clock_.Now(), in_doubt, claims_));
  std::set<std::string> order_ids;
  for (const Operation* operation : operations) {
    const bool creates = std::holds_alternative<CreateForSagaCommand>(operation->command);
    if (!creates || !barrier.IsNew(operation->guard)) order_ids.insert(OrderIdOf(operation->command));
  }
  WorkingSet set;
  SAGAMESH_RETURN_IF_ERROR(LoadOrders(connection, order_ids, set));

  for (Operation* operation : operations) operation->result = RunOperation(set, barrier, *operation);

  SAGAMESH_ASSIGN_OR_RETURN(const int marked, barrier.Save(connection));
  SAGAMESH_ASSIGN_OR_RETURN(const bool changed, SaveOrders(connection, set));
  return changed || marked > 0 ? BatchEffect::kWrote : BatchEffect::kNothing;
}

absl::StatusOr<Written> OrderWrites::RunOperation(WorkingSet& set, BarrierRows& barrier, Operation& operation) {
  if (auto end = barrier.End(operation.guard, clock_.Now(), options_.barrier_retention)) {
    if (!end->ok()) return end->status();
    return Written{.stored_reply = **std::move(end)};
  }
  absl::StatusOr<Order> order = Decide(set, operation.command);
  const bool ends_call = operation.ends == Ends::kCall;
  if (!order.ok()) {
    // The domain's refusals are definite. An earlier write's refusal ends the call too, but an order never seen leaves
    // no trace, and a key that is bound to another payload stays with that one.
    if (ends_call || absl::IsFailedPrecondition(order.status())) barrier.Store(operation.guard, order.status());
    return order.status();
  }
  if (ends_call) {
    ::orders::v1::CreateOrderResponse response;  // every response that holds an order has the same fields
    Fill(*order, *response.mutable_order());
    barrier.Store(operation.guard, SerializeDeterministic(response));
  }
  return Written{*std::move(order)};
}

absl::StatusOr<Order> OrderWrites::Decide(WorkingSet& set, const OrderCommand& command) {
  const Timing timing{clock_.Now(), options_.order_ttl, options_.cancelling_ttl};
  return std::visit(
      Overloaded{
          [&](const BeginDirectCommand& c) { return BeginDirect(set, c.order, timing); },
          [&](const PriceDirectCommand& c) { return PriceDirect(set, c.priced, timing); },
          [&](const RefuseDirectCommand& c) {
            const absl::StatusOr<Order> order = RefuseDirect(set, c.order_id);
            return order.ok() ? absl::StatusOr<Order>(c.refusal) : order;
          },
          [&](const CreateForSagaCommand& c) { return CreateForSaga(set, c.order, timing); },
          [&](const CheckConfirmCommand& c) { return CheckConfirm(set, c.order_id, c.caller); },
          [&](const ConfirmCommand& c) { return Confirm(set, c.order_id, c.caller); },
          [&](const MarkCancellingCommand& c) { return MarkCancelling(set, c.order_id, c.caller, timing); },
          [&](const MarkExpiredCommand& c) { return MarkExpired(set, c.order_id, c.sweep_at, timing); },
          [&](const FinishCancelCommand& c) { return FinishCancel(set, c.order_id, c.caller); },
      },
      command);
}

}  // namespace sagamesh::orders
