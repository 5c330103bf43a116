#ifndef SAGAMESH_ORDERS_STORE_ORDER_STORE_H_
#define SAGAMESH_ORDERS_STORE_ORDER_STORE_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/sql/migrations.h"
#include "common/sql/sql.h"
#include "orders/domain/order.h"

// Orders in SQL. Functions work on a connection that the caller holds; errors are the connection's.

namespace sagamesh::orders {

std::vector<sql::Migration> Migrations();

// Inside a transaction: loads and locks the orders, by ascending id.
absl::Status LoadOrders(sql::Connection& connection, const std::set<std::string>& order_ids, WorkingSet& set);
// Writes what changed, with one statement for new rows, one for whole rows and one for each status that others went to.
// Returns whether anything did. ALREADY_EXISTS: a row that was not there when it was loaded, or was not looked for, is
// there; run the transaction again, and load all.
absl::StatusOr<bool> SaveOrders(sql::Connection& connection, const WorkingSet& set);

// Reads of what is committed.
absl::StatusOr<std::optional<Order>> FindOrder(sql::Connection& connection, const std::string& order_id);

// Where a page of the list starts: after the order with this time and id.
struct ListPosition {
  int64_t created_ms = 0;
  std::string order_id;
};
struct OrderFilter {
  uint32_t customer_id = 0;           // 0: every
  std::optional<OrderStatus> status;  // nullopt: every
  std::optional<ListPosition> after;  // nullopt: the first page
  int limit = 50;
};
// Newest first.
absl::StatusOr<std::vector<Order>> ListOrders(sql::Connection& connection, const OrderFilter& filter);

// Direct orders that the sweep may end by now, the longest due first.
absl::StatusOr<std::vector<Order>> ListExpired(sql::Connection& connection, absl::Time now, int limit);

}  // namespace sagamesh::orders

#endif  // SAGAMESH_ORDERS_STORE_ORDER_STORE_H_
