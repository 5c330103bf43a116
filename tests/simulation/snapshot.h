#ifndef SAGAMESH_TESTS_SIMULATION_SNAPSHOT_H_
#define SAGAMESH_TESTS_SIMULATION_SNAPSHOT_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/barrier/barrier.h"
#include "common/sql/sql.h"
#include "coordinator/engine/saga.h"

namespace sagamesh::simulation {

// What the three databases hold, as rows: the only thing besides the clients' answers that checkers look at.

struct OrderRow {
  std::string order_id;
  uint32_t customer_id = 0;
  std::string status;  // "PENDING", "CREATED", "CONFIRMED", "CANCELLING", "CANCELLED"
  std::string saga_id;
  std::map<std::string, int64_t> quantities;  // by sku
  int64_t total_cents = 0;
  bool operator==(const OrderRow&) const = default;
};

struct ReservationRow {
  std::string order_id;
  std::string status;  // "RESERVED", "COMMITTED", "RELEASED"
  std::string saga_id;
  std::map<std::string, int64_t> quantities;
  bool operator==(const ReservationRow&) const = default;
};

struct ProductRow {
  std::string sku;
  int64_t available = 0;
  int64_t reserved = 0;
  int64_t sold = 0;
  bool operator==(const ProductRow&) const = default;
};

// An entry of the stock's ledger: what it added to each balance.
struct MovementRow {
  std::string sku;
  std::string kind;
  std::string order_id;
  int64_t available = 0;
  int64_t reserved = 0;
  int64_t sold = 0;
  bool operator==(const MovementRow&) const = default;
};

struct Snapshot {
  std::map<std::string, engine::SagaRecord> sagas;  // by id, as are the next two
  std::map<std::string, OrderRow> orders;
  std::map<std::string, ReservationRow> reservations;
  std::map<std::string, ProductRow> products;  // by sku
  std::vector<MovementRow> movements;
  // Barrier rows of sagas, by saga id.
  std::map<std::string, BarrierRow> orders_barrier;
  std::map<std::string, BarrierRow> customers_barrier;
};

absl::StatusOr<Snapshot> ReadSnapshot(sql::Connection& coordinator, sql::Connection& orders,
                                      sql::Connection& customers);

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_SNAPSHOT_H_
