#ifndef SAGAMESH_ORDERS_DOMAIN_ORDER_H_
#define SAGAMESH_ORDERS_DOMAIN_ORDER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

// An order's life: pure functions on what a transaction has loaded.
//
//   PENDING -> CREATED -> CONFIRMED        a direct order starts PENDING, a saga's order starts CREATED
//      \__________\____________\-> CANCELLING -> CANCELLED

namespace sagamesh::orders {

// The numbers are those of the contract and of the table.
enum class OrderStatus { kPending = 1, kCreated = 2, kConfirmed = 3, kCancelling = 4, kCancelled = 5 };

struct OrderLine {
  std::string sku;
  int64_t quantity = 0;
  int64_t unit_price_cents = 0;  // when its stock was reserved; 0 while PENDING
};

struct Order {
  std::string id;
  uint32_t customer_id = 0;
  OrderStatus status = OrderStatus::kPending;
  std::vector<OrderLine> lines;  // merged by sku and sorted by it
  int64_t total_cents = 0;
  std::string saga_id;  // its owner; "" for a direct order
  absl::Time created;
  // When the sweep may end a direct order that nobody ended; nullopt: never.
  std::optional<absl::Time> sweep_at;
};

// Who asks.
struct Caller {
  std::string saga_id;  // "" for a direct caller
  bool direct() const { return saga_id.empty(); }
};

// The orders that a batch has loaded and which of them its operations changed. What an operation asks for must have
// been loaded; an order that is not there is one that does not exist.
struct WorkingSet {
  std::map<std::string, Order> orders;
  std::set<std::string> changed;
  std::set<std::string> added;      // of these: new
  std::set<std::string> rewritten;  // of these: changed in more than status and sweep_at
};

struct Timing {
  absl::Time now;
  absl::Duration order_ttl;       // of direct orders that are PENDING or CREATED
  absl::Duration cancelling_ttl;  // of direct orders that are CANCELLING
};

// Each changes what it should, or nothing and answers the refusal. Repeats answer what is there.

// A direct order, written before its stock is reserved; one that its key made already is answered as it is.
// IDEMPOTENCY_KEY_REUSED if that is another basket, ORDER_CANCELLED.
absl::StatusOr<Order> BeginDirect(WorkingSet& set, const Order& order, const Timing& timing);
// A direct order whose stock is reserved: PENDING -> CREATED with its prices. ORDER_CANCELLED.
absl::StatusOr<Order> PriceDirect(WorkingSet& set, const Order& priced, const Timing& timing);
// A direct order whose reservation was refused: PENDING -> CANCELLING, due for the sweep at once. Not straight to
// CANCELLED: a duplicate of the refused reserve may still find stock, and only a release keeps it out.
absl::StatusOr<Order> RefuseDirect(WorkingSet& set, const std::string& order_id);
// A saga's order, its stock reserved. ORDER_OWNED_BY_SAGA, ORDER_CANCELLED.
absl::StatusOr<Order> CreateForSaga(WorkingSet& set, const Order& order, const Timing& timing);
// Whether the caller may confirm the order now; changes nothing. ORDER_NOT_FOUND, ORDER_OWNED_BY_SAGA,
// ORDER_NOT_CREATED, ORDER_CANCELLED. An order that is CONFIRMED already is no refusal.
absl::StatusOr<Order> CheckConfirm(WorkingSet& set, const std::string& order_id, const Caller& caller);
// CREATED -> CONFIRMED, its reservation being committed. The same refusals.
absl::StatusOr<Order> Confirm(WorkingSet& set, const std::string& order_id, const Caller& caller);
// -> CANCELLING. A saga may cancel its CONFIRMED order, and one never seen; a direct caller gets ORDER_CONFIRMED,
// ORDER_OWNED_BY_SAGA, ORDER_NOT_FOUND.
absl::StatusOr<Order> MarkCancelling(WorkingSet& set, const std::string& order_id, const Caller& caller,
                                     const Timing& timing);
// The same for the sweep: only a direct order whose `sweep_at` is still what the sweep saw. ORDER_NOT_FOUND otherwise.
absl::StatusOr<Order> MarkExpired(WorkingSet& set, const std::string& order_id, absl::Time sweep_at,
                                  const Timing& timing);
// CANCELLING -> CANCELLED, its reservation being released.
absl::StatusOr<Order> FinishCancel(WorkingSet& set, const std::string& order_id, const Caller& caller);

}  // namespace sagamesh::orders

#endif  // SAGAMESH_ORDERS_DOMAIN_ORDER_H_
