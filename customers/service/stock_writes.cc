#include "customers/service/stock_writes.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>
#include <vector>

#include "common/fault/planted.h"
#include "common/proto/deterministic.h"
#include "common/status/error.h"
#include "customers/domain/errors.h"
#include "customers/service/crash_points.h"
#include "customers/service/messages.h"
#include "customers/store/stock_store.h"

namespace sagamesh::customers {
namespace {

namespace pb = ::customers::v1;

// The rows that a batch needs.
struct Wanted {
  std::set<std::string> order_ids;
  std::set<std::string> skus;
  std::set<uint32_t> customer_ids;
  bool next_customer_id = false;

  // Without its reservation, which a new saga's order has not.
  void operator()(const ReserveCommand& command) {
    customer_ids.insert(command.customer_id);
    for (const BasketLine& line : command.lines) skus.insert(line.sku);
  }
  void operator()(const CommitCommand& command) { order_ids.insert(command.order_id); }
  void operator()(const ReleaseCommand& command) { order_ids.insert(command.order_id); }
  void operator()(const RestockCommand& command) { skus.insert(command.sku); }
  void operator()(const Product& product) { skus.insert(product.sku); }
  void operator()(const Customer& customer) {
    next_customer_id = true;
    if (customer.id != 0) customer_ids.insert(customer.id);
  }
};

// Loads and locks them in the service's order: reservations, products, customers.
absl::StatusOr<WorkingSet> Load(sql::Connection& connection, Wanted wanted) {
  WorkingSet set;
  SAGAMESH_RETURN_IF_ERROR(LoadReservations(connection, wanted.order_ids, set));
  for (const auto& [order_id, reservation] : set.reservations) {
    for (const ReservedLine& line : reservation.lines) wanted.skus.insert(line.sku);
  }
  SAGAMESH_RETURN_IF_ERROR(LoadProducts(connection, wanted.skus, set));
  SAGAMESH_RETURN_IF_ERROR(LoadCustomers(connection, wanted.customer_ids, set));
  if (wanted.next_customer_id) SAGAMESH_RETURN_IF_ERROR(LoadNextCustomerId(connection, set));
  return set;
}

// The serialized Response with `value` in its `field`, or the refusal.
template <typename Value, typename Response, typename Message>
absl::StatusOr<std::string> Reply(const absl::StatusOr<Value>& value, Message* (Response::*field)()) {
  if (!value.ok()) return value.status();
  Response response;
  Fill(*value, *(response.*field)());
  return SerializeDeterministic(response);
}

// Decides a command on the working set.
struct Decider {
  WorkingSet& set;

  absl::StatusOr<std::string> operator()(const ReserveCommand& command) {
    return Reply(Reserve(set, command), &pb::ReserveStockResponse::mutable_reservation);
  }
  absl::StatusOr<std::string> operator()(const CommitCommand& command) {
    return Reply(Commit(set, command.order_id, command.owner), &pb::CommitReservationResponse::mutable_reservation);
  }
  absl::StatusOr<std::string> operator()(const ReleaseCommand& command) {
    return Reply(Release(set, command.order_id, command.owner), &pb::ReleaseReservationResponse::mutable_reservation);
  }
  absl::StatusOr<std::string> operator()(const RestockCommand& command) {
    return Reply(Restock(set, command.sku, command.quantity, command.movement_id),
                 &pb::RestockResponse::mutable_product);
  }
  absl::StatusOr<std::string> operator()(const Product& product) {
    return Reply(CreateProduct(set, product), &pb::CreateProductResponse::mutable_product);
  }
  absl::StatusOr<std::string> operator()(const Customer& customer) {
    return Reply(CreateCustomer(set, customer), &pb::CreateCustomerResponse::mutable_customer);
  }
};

}  // namespace

StockWrites::StockWrites(Options options, sql::Database& database, WorkerPool& pool, Clock& clock, Random& random,
                         metrics::Registry& registry)
    : options_(std::move(options)),
      clock_(clock),
      group_commit_({.name = "customers", .max_queued_operations = options_.max_queued_operations}, database, pool,
                    clock, random, registry,
                    [this](sql::Connection& connection, absl::Span<Operation* const> operations, bool in_doubt) {
                      return RunBatch(connection, operations, in_doubt);
                    }) {}

void StockWrites::Submit(StockWrite write, absl::Time deadline, Priority priority, Finish finish) {
  Guard guard;
  guard.likely_first = std::holds_alternative<ReserveCommand>(write.command) && MayBeFirst(write.barrier);
  guard.call = std::move(write.barrier);
  group_commit_.Submit({std::move(write.command), std::move(guard), write.store_refusal}, deadline, priority,
                       [this, finish = std::move(finish)](absl::Status status, Operation& finished) mutable {
                         if (!status.ok()) return finish(std::move(status), /*replayed=*/false);
                         ReachCrashPoint(crash_point::kAfterCommit, finished);
                         finish(std::move(finished.reply), finished.guard.replayed);
                       });
}

absl::StatusOr<BatchEffect> StockWrites::RunBatch(sql::Connection& connection, absl::Span<Operation* const> operations,
                                                  bool in_doubt) {
  std::vector<const Guard*> guards;
  for (const Operation* operation : operations) guards.push_back(&operation->guard);
  const absl::Time now = clock_.Now();
  SAGAMESH_ASSIGN_OR_RETURN(BarrierRows barrier, BarrierRows::Load(connection, guards, now, in_doubt, claims_));
  Wanted wanted;
  for (const Operation* operation : operations) {
    std::visit(wanted, operation->command);
    const auto* reserve = std::get_if<ReserveCommand>(&operation->command);
    if (reserve != nullptr && !barrier.IsNew(operation->guard)) wanted.order_ids.insert(reserve->order_id);
  }
  SAGAMESH_ASSIGN_OR_RETURN(WorkingSet set, Load(connection, std::move(wanted)));

  for (Operation* operation : operations) RunOperation(set, barrier, *operation);
  const auto refused = [](const Operation* operation) { return !operation->reply.ok(); };
  if (Planted(Bug::kRefusalUndoesBatch) && std::any_of(operations.begin(), operations.end(), refused))
    return BatchEffect::kNothing;

  SAGAMESH_ASSIGN_OR_RETURN(const int marked, barrier.Save(connection));
  SAGAMESH_ASSIGN_OR_RETURN(const bool changed, SaveChanges(connection, set, now));
  for (const Operation* operation : operations) ReachCrashPoint(crash_point::kBeforeCommit, *operation);
  return changed || marked > 0 ? BatchEffect::kWrote : BatchEffect::kNothing;
}

void StockWrites::RunOperation(WorkingSet& set, BarrierRows& barrier, Operation& operation) {
  if (auto end = barrier.End(operation.guard, clock_.Now(), options_.barrier_retention)) {
    operation.reply = *std::move(end);
    return;
  }
  operation.reply = std::visit(Decider{set}, operation.command);
  // All refusals of the domain but ABORTED are definite.
  if (operation.reply.ok() || (operation.store_refusal && !absl::IsAborted(operation.reply.status()))) {
    barrier.Store(operation.guard, operation.reply);
  }
}

void StockWrites::ReachCrashPoint(absl::string_view point, const Operation& operation) const {
  static_assert(std::variant_size_v<StockCommand> == std::size(crash_point::kMethods));
  if (operation.took_effect()) options_.crash_at.Reached(point, crash_point::kMethods[operation.command.index()]);
}

}  // namespace sagamesh::customers
