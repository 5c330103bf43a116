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
          clock, random, registry, [this](sql::Connection& connection, absl::Span<Operation* const> operations) {
            return RunBatch(connection, operations);
          })) {}

void OrderWrites::Submit(OrderCommand command, std::optional<BarrierCall> barrier, Ends ends, absl::Time deadline,
                         Priority priority, Finish finish) {
  if (group_commit_ == nullptr) {
    return finish(DatabaseUnavailable(error::kDomain), false);
  }
  group_commit_->Submit({std::move(command), std::move(barrier), ends}, deadline, priority,
                        [finish = std::move(finish)](absl::Status status, Operation& finished) mutable {
                          if (!status.ok()) return finish(std::move(status), false);
                          finish(std::move(finished.result), finished.replayed);
                        });
}

absl::StatusOr<BatchEffect> OrderWrites::RunBatch(sql::Connection& connection,
                                                  absl::Span<Operation* const> operations) {
  // The lock order: barrier, orders.
  std::vector<BarrierKey> keys;
  std::set<std::string> order_ids;
  for (const Operation* operation : operations) {
    if (operation->barrier.has_value()) keys.push_back(operation->barrier->key);
    order_ids.insert(OrderIdOf(operation->command));
  }
  SAGAMESH_ASSIGN_OR_RETURN(BarrierRows barrier, BarrierRows::Load(connection, std::move(keys), clock_.Now()));
  WorkingSet set;
  SAGAMESH_RETURN_IF_ERROR(LoadOrders(connection, order_ids, set));

  for (Operation* operation : operations) RunOperation(set, barrier, *operation);

  SAGAMESH_ASSIGN_OR_RETURN(const bool changed, SaveOrders(connection, set));
  SAGAMESH_ASSIGN_OR_RETURN(const int marked, barrier.Save(connection));
  return changed || marked > 0 ? BatchEffect::kWrote : BatchEffect::kNothing;
}

void OrderWrites::RunOperation(WorkingSet& set, BarrierRows& barrier, Operation& operation) {
  operation.replayed = false;
  BarrierRow* row = nullptr;
  if (operation.barrier.has_value()) {
    row = &barrier.Get(operation.barrier->key);
    const Verdict verdict = CheckBarrier(*row, *operation.barrier, clock_.Now(), options_.barrier_retention);
    if (const auto* refusal = std::get_if<absl::Status>(&verdict)) {
      operation.result = *refusal;
      return;
    }
    if (const auto* replay = std::get_if<Replay>(&verdict)) {
      operation.replayed = true;
      absl::StatusOr<std::string> reply = StoredReply(*replay);
      if (reply.ok()) {
        operation.result = Written{{}, true, *std::move(reply)};
      } else {
        operation.result = reply.status();
      }
      return;
    }
  }
  absl::StatusOr<Order> order = Decide(set, operation.command);
  if (row != nullptr && order.ok() && operation.ends == Ends::kCall) {
    ::orders::v1::CreateOrderResponse response;  // every response that holds an order has the same fields
    Fill(*order, *response.mutable_order());
    RecordSuccess(*row, *operation.barrier, SerializeDeterministic(response));
  }
  // The domain's refusals are definite. An earlier write's refusal ends the call too, but an order never seen leaves no
  // trace, and a key that is bound to another payload stays with that one.
  if (row != nullptr && !order.ok() &&
      (operation.ends == Ends::kCall || order.status().code() == absl::StatusCode::kFailedPrecondition)) {
    RecordRefusal(*row, *operation.barrier, order.status());
  }
  if (order.ok()) {
    operation.result = Written{*std::move(order), false, ""};
  } else {
    operation.result = order.status();
  }
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
