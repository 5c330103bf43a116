#ifndef SAGAMESH_CUSTOMERS_STORE_STOCK_STORE_H_
#define SAGAMESH_CUSTOMERS_STORE_STOCK_STORE_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/sql/migrations.h"
#include "common/sql/sql.h"
#include "customers/domain/stock.h"

// Customers and stock in SQL. Functions work on a connection that the caller holds; errors are the connection's.

namespace sagamesh::customers {

std::vector<sql::Migration> Migrations();

// Inside a transaction: load and lock rows into `set`, in this order (the service's lock order), each by ascending key.
absl::Status LoadReservations(sql::Connection& connection, const std::set<std::string>& order_ids, WorkingSet& set);
absl::Status LoadProducts(sql::Connection& connection, const std::set<std::string>& skus, WorkingSet& set);
// Customers are never changed, so they are read without a lock.
absl::Status LoadCustomers(sql::Connection& connection, const std::set<uint32_t>& customer_ids, WorkingSet& set);
// Whoever creates customers holds this one row, so that no id is picked twice.
absl::Status LoadNextCustomerId(sql::Connection& connection, WorkingSet& set);

// Writes what changed, with multi-row statements. Returns whether anything did. ALREADY_EXISTS: a row that was not
// there when it was loaded is there now; run the transaction again.
absl::StatusOr<bool> SaveChanges(sql::Connection& connection, const WorkingSet& set, absl::Time now);

// Reads of what is committed.
absl::StatusOr<std::optional<Customer>> FindCustomer(sql::Connection& connection, uint32_t customer_id);
absl::StatusOr<std::vector<Customer>> ListCustomers(sql::Connection& connection, uint32_t after_id, int limit);
absl::StatusOr<std::optional<Product>> FindProduct(sql::Connection& connection, const std::string& sku);
absl::StatusOr<std::vector<Product>> ListProducts(sql::Connection& connection, const std::string& after_sku, int limit);

}  // namespace sagamesh::customers

#endif  // SAGAMESH_CUSTOMERS_STORE_STOCK_STORE_H_
