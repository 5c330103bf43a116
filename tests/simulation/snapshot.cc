#include "tests/simulation/snapshot.h"

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status/error.h"
#include "coordinator/journal/rows.h"
#include "customers/store/stock_store.h"
#include "orders/store/order_store.h"

namespace sagamesh::simulation {
namespace {

absl::Status ReadSagas(sql::Connection& connection, Snapshot& snapshot) {
  SAGAMESH_ASSIGN_OR_RETURN(const std::vector<sql::Row> rows,
                            connection.Query(absl::StrCat("SELECT ", journal::SagaColumns(), " FROM sagas")));
  for (const sql::Row& row : rows) snapshot.sagas[row.Text(0)] = journal::ReadSaga(row).record;
  return absl::OkStatus();
}

absl::Status ReadBarrier(sql::Connection& connection, std::map<std::string, BarrierRow>& barrier) {
  SAGAMESH_ASSIGN_OR_RETURN(const std::vector<sql::Row> rows,
                            connection.Query("SELECT id, scope FROM barrier ORDER BY id, scope"));
  std::vector<BarrierKey> keys;
  for (const sql::Row& row : rows) {
    if (row.Text(1) == "saga") keys.push_back({row.Text(0), "saga"});
    const bool later = absl::StartsWith(row.Text(1), "saga/");
    if (later && (keys.empty() || keys.back().id != row.Text(0))) {
      return absl::DataLossError(absl::StrCat("a later barrier row of saga ", row.Text(0), " without its first"));
    }
  }
  SAGAMESH_ASSIGN_OR_RETURN(BarrierRows loaded, BarrierRows::Load(connection, keys, absl::UnixEpoch()));
  for (const BarrierKey& key : keys) barrier[key.id] = loaded.Get(key);
  return absl::OkStatus();
}

const char* NameOf(orders::OrderStatus status) {
  switch (status) {
    case orders::OrderStatus::kPending:
      return "PENDING";
    case orders::OrderStatus::kCreated:
      return "CREATED";
    case orders::OrderStatus::kConfirmed:
      return "CONFIRMED";
    case orders::OrderStatus::kCancelling:
      return "CANCELLING";
    case orders::OrderStatus::kCancelled:
      return "CANCELLED";
  }
  return "?";
}

// The ids that a table holds.
absl::StatusOr<std::set<std::string>> ReadIds(sql::Connection& connection, absl::string_view query) {
  SAGAMESH_ASSIGN_OR_RETURN(const std::vector<sql::Row> rows, connection.Query(query));
  std::set<std::string> ids;
  for (const sql::Row& row : rows) ids.insert(row.Text(0));
  return ids;
}

absl::Status ReadOrders(sql::Connection& connection, Snapshot& snapshot) {
  SAGAMESH_ASSIGN_OR_RETURN(const std::set<std::string> ids, ReadIds(connection, "SELECT order_id FROM orders"));
  orders::WorkingSet set;
  SAGAMESH_RETURN_IF_ERROR(orders::LoadOrders(connection, ids, set));
  for (const auto& [id, order] : set.orders) {
    OrderRow& row = snapshot.orders[id];
    row = {id, order.customer_id, NameOf(order.status), order.saga_id, {}, order.total_cents};
    for (const orders::OrderLine& line : order.lines) row.quantities[line.sku] += line.quantity;
  }
  return absl::OkStatus();
}

const char* NameOf(customers::ReservationStatus status) {
  switch (status) {
    case customers::ReservationStatus::kReserved:
      return "RESERVED";
    case customers::ReservationStatus::kCommitted:
      return "COMMITTED";
    case customers::ReservationStatus::kReleased:
      return "RELEASED";
  }
  return "?";
}

absl::Status ReadReservations(sql::Connection& connection, Snapshot& snapshot) {
  SAGAMESH_ASSIGN_OR_RETURN(const std::set<std::string> ids, ReadIds(connection, "SELECT order_id FROM reservations"));
  customers::WorkingSet set;
  SAGAMESH_RETURN_IF_ERROR(customers::LoadReservations(connection, ids, set));
  for (const auto& [id, reservation] : set.reservations) {
    ReservationRow& row = snapshot.reservations[id];
    row = {id, NameOf(reservation.status), reservation.owner, {}};
    for (const customers::ReservedLine& line : reservation.lines) row.quantities[line.sku] += line.quantity;
  }
  return absl::OkStatus();
}

absl::Status ReadStock(sql::Connection& connection, Snapshot& snapshot) {
  SAGAMESH_ASSIGN_OR_RETURN(const std::vector<sql::Row> products,
                            connection.Query("SELECT sku, available, reserved, sold FROM products"));
  for (const sql::Row& row : products) {
    snapshot.products[row.Text(0)] = {row.Text(0), row.Int(1), row.Int(2), row.Int(3)};
  }
  SAGAMESH_ASSIGN_OR_RETURN(const std::vector<sql::Row> movements,
                            connection.Query("SELECT sku, kind, order_id, available, reserved, sold FROM movements"));
  for (const sql::Row& row : movements) {
    snapshot.movements.push_back({row.Text(0), row.Text(1), row.Text(2), row.Int(3), row.Int(4), row.Int(5)});
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Snapshot> ReadSnapshot(sql::Connection& coordinator, sql::Connection& orders,
                                      sql::Connection& customers) {
  Snapshot snapshot;
  SAGAMESH_RETURN_IF_ERROR(ReadSagas(coordinator, snapshot));
  SAGAMESH_RETURN_IF_ERROR(ReadOrders(orders, snapshot));
  SAGAMESH_RETURN_IF_ERROR(ReadBarrier(orders, snapshot.orders_barrier));
  SAGAMESH_RETURN_IF_ERROR(ReadReservations(customers, snapshot));
  SAGAMESH_RETURN_IF_ERROR(ReadStock(customers, snapshot));
  SAGAMESH_RETURN_IF_ERROR(ReadBarrier(customers, snapshot.customers_barrier));
  return snapshot;
}

}  // namespace sagamesh::simulation
