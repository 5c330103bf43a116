#ifndef SAGAMESH_CUSTOMERS_DOMAIN_STOCK_H_
#define SAGAMESH_CUSTOMERS_DOMAIN_STOCK_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/basket/basket.h"

// What stock is and how it moves: pure functions on what a transaction has loaded.

namespace sagamesh::customers {

inline constexpr int64_t kStockMax = 2'147'483'647;  // available + reserved + sold
inline constexpr int64_t kPriceCentsMax = 1'000'000'000'000;

struct Customer {
  uint32_t id = 0;
  std::string name;
  std::string email;
};

struct Product {
  std::string sku;
  std::string name;
  int64_t price_cents = 0;
  int64_t available = 0;
  int64_t reserved = 0;
  int64_t sold = 0;
};

enum class ReservationStatus { kReserved = 1, kCommitted = 2, kReleased = 3 };

struct ReservedLine {
  std::string sku;
  int64_t quantity = 0;
  int64_t unit_price_cents = 0;  // when it was reserved
};

struct Reservation {
  std::string order_id;
  std::string owner;  // the saga that reserved; "" for a direct caller
  ReservationStatus status = ReservationStatus::kReserved;
  uint32_t customer_id = 0;
  std::vector<ReservedLine> lines;  // by sku
};

// An entry of the ledger: what it adds to each balance. The ledger of a sku sums to its balances.
struct Movement {
  std::string sku;
  std::string id;    // unique within the sku: "<order>/<kind>" for an order's, so that none can be written twice
  std::string kind;  // initial, restock, reserve, commit, release, reversal
  std::string order_id;
  int64_t available = 0;
  int64_t reserved = 0;
  int64_t sold = 0;
};

// The rows that a batch has loaded and what its operations changed of them. What an operation asks for must have been
// loaded; a row that is not there is one that does not exist.
struct WorkingSet {
  std::map<std::string, Reservation> reservations;
  std::map<std::string, Product> products;
  std::map<uint32_t, Customer> customers;
  int64_t next_customer_id = 1;  // above every id so far; may exceed what an id can hold

  // What is new is not among what changed: a row that appeared meanwhile is a conflict, never overwritten.
  std::set<std::string> new_reservations;
  std::set<std::string> changed_reservations;
  std::set<std::string> new_products;
  std::set<std::string> changed_products;
  std::set<uint32_t> new_customers;
  std::vector<Movement> movements;
};

struct ReserveCommand {
  std::string order_id;
  std::string owner;
  uint32_t customer_id = 0;
  std::vector<BasketLine> lines;  // canonical
};

// Each changes everything it should, or nothing and answers the refusal. Repeats answer what is there.

// INSUFFICIENT_STOCK, CUSTOMER_NOT_FOUND, PRODUCT_NOT_FOUND, TOTAL_OVERFLOW, ALREADY_COMPENSATED (released),
// RESERVATION_OWNED_BY_SAGA, IDEMPOTENCY_KEY_REUSED (reserved with other items).
absl::StatusOr<Reservation> Reserve(WorkingSet& set, const ReserveCommand& command);
// RESERVATION_NOT_FOUND, ALREADY_COMPENSATED, RESERVATION_OWNED_BY_SAGA.
absl::StatusOr<Reservation> Commit(WorkingSet& set, const std::string& order_id, const std::string& owner);
// RESERVATION_OWNED_BY_SAGA. For an order never seen it leaves a released row, so that a late reserve is refused.
absl::StatusOr<Reservation> Release(WorkingSet& set, const std::string& order_id, const std::string& owner);
// PRODUCT_NOT_FOUND, STOCK_LIMIT. `movement_id` is unique.
absl::StatusOr<Product> Restock(WorkingSet& set, const std::string& sku, int64_t quantity,
                                const std::string& movement_id);
// PRODUCT_EXISTS.
absl::StatusOr<Product> CreateProduct(WorkingSet& set, const Product& product);
// CUSTOMER_EXISTS. Id 0: one above the highest so far; CUSTOMER_IDS_EXHAUSTED.
absl::StatusOr<Customer> CreateCustomer(WorkingSet& set, Customer customer);

}  // namespace sagamesh::customers

#endif  // SAGAMESH_CUSTOMERS_DOMAIN_STOCK_H_
