#include "orders/service/order_writer.h"

#include <set>
#include <utility>
#include <vector>

#include "common/status/error.h"
#include "orders/domain/errors.h"
#include "orders/store/order_store.h"

namespace sagamesh::orders {

bool IsDefiniteRefusal(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kUnimplemented:
      break;
    default:
      return false;
  }
  // Without a reason it is not the participant that refused.
  const std::string reason = GetReason(status);
  return !reason.empty() && reason != "STALE_EPOCH" && reason != "ALREADY_COMPENSATED" && reason != "TOO_OLD" &&
         reason != "FAULT_INJECTED";
}

OrderWriter::OrderWriter(Options options, sql::Database& database, WorkerPool& pool, Clock& clock, Random& random,
                         metrics::Registry& registry)
    : options_(options),
      clock_(clock),
      group_commit_({.name = error::kDomain, .max_queued_operations = options.max_queued_operations}, database, pool,
                    clock, random, registry,
                    [this](sql::Connection& connection, absl::Span<Operation* const> operations) {
                      return RunBatch(connection, operations);
                    }) {}

void OrderWriter::Submit(Write write, absl::Time deadline, Priority priority,
                         absl::AnyInvocable<void(Written)> finish) {
  group_commit_.Submit(Operation{std::move(write), {}}, deadline, priority,
                       [finish = std::move(finish)](absl::Status status, Operation& operation) mutable {
                         if (status.ok()) return finish(std::move(operation.written));
                         Written failed;
                         failed.order = std::move(status);
                         finish(std::move(failed));
                       });
}

absl::StatusOr<BatchEffect> OrderWriter::RunBatch(sql::Connection& connection,
                                                  absl::Span<Operation* const> operations) {
  // The lock order: barrier, orders.
  std::vector<BarrierKey> keys;
  std::set<std::string> order_ids;
  for (const Operation* operation : operations) {
    if (operation->write.guard.has_value()) keys.push_back(operation->write.guard->key);
    order_ids.insert(operation->write.order_id);
  }
  const absl::Time now = clock_.Now();
  SAGAMESH_ASSIGN_OR_RETURN(BarrierRows barrier, BarrierRows::Load(connection, std::move(keys), now));
  WorkingSet set;
  SAGAMESH_RETURN_IF_ERROR(LoadOrders(connection, order_ids, set));

  for (Operation* operation : operations) {
    operation->written = Written();
    BarrierRow* row = operation->write.guard.has_value() ? &barrier.Get(operation->write.guard->key) : nullptr;
    if (row != nullptr && Stop(*row, *operation, now)) continue;
    operation->written.order = operation->write.decide(set, absl::ToUnixMillis(now));
    if (row != nullptr) Record(*row, *operation);
  }

  SAGAMESH_ASSIGN_OR_RETURN(const bool changed, SaveChanges(connection, set));
  SAGAMESH_ASSIGN_OR_RETURN(const int marked, barrier.Save(connection));
  return changed || marked > 0 ? BatchEffect::kWrote : BatchEffect::kNothing;
}

bool OrderWriter::Stop(BarrierRow& row, Operation& operation, absl::Time now) const {
  const Verdict verdict = CheckBarrier(row, *operation.write.guard, now, options_.barrier_retention);
  if (std::holds_alternative<Proceed>(verdict)) return false;
  if (const auto* refusal = std::get_if<absl::Status>(&verdict)) {
    operation.written.order = *refusal;
    return true;
  }
  const auto& replay = std::get<Replay>(verdict);
  operation.written.replayed = true;
  if (replay.refused) {
    google::rpc::Status stored;
    stored.ParseFromString(replay.bytes);
    operation.written.order = FromProto(stored);
  } else {
    operation.written.stored_response = replay.bytes;
  }
  return true;
}

void OrderWriter::Record(BarrierRow& row, const Operation& operation) const {
  const Write& write = operation.write;
  const absl::StatusOr<Order>& order = operation.written.order;
  if (order.ok() && write.response != nullptr) RecordSuccess(row, *write.guard, write.response(*order));
  if (order.ok() && write.refusal.has_value()) RecordRefusal(row, *write.guard, *write.refusal);
  if (!order.ok() && write.record_refusal && IsDefiniteRefusal(order.status())) {
    RecordRefusal(row, *write.guard, order.status());
  }
}

}  // namespace sagamesh::orders
