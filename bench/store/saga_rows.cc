#include "bench/store/saga_rows.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/sql/migrations.h"
#include "common/status/error.h"
#include "coordinator/journal/journal.h"
#include "customers/store/stock_store.h"
#include "orders/store/order_store.h"

namespace sagamesh::bench {
namespace {

// As large as what the services store of a saga with one line.
constexpr int kSagaRecordFirstBytes = 100;
constexpr int kSagaRecordLastBytes = 205;
constexpr int kOrdersBarrierFirstBytes = 215;
constexpr int kOrdersBarrierLastBytes = 425;
constexpr int kCustomersBarrierFirstBytes = 165;
constexpr int kCustomersBarrierLastBytes = 325;
constexpr int kLinesBytes = 17;

constexpr int64_t kUnits = 1'000'000'000;
constexpr int64_t kPriceCents = 1999;
constexpr char kOwner[] = "01a20df6-deb7-77a5-a445-9849fe5a2d62";
const int64_t kCustomerId = 1;

sql::Blob Bytes(int size) { return {std::string(size, 'x')}; }
// As long as a hash in hexadecimal, with the key's own order, which is random as a hash's is.
std::string Hash(const std::string& text) { return absl::StrCat(text, std::string(64 - text.size(), '0')); }

// "(?,?),(?,?)" of `rows` rows.
std::string Tuples(size_t rows, int columns) {
  return absl::StrJoin(std::vector<std::string>(rows, absl::StrCat("(", sql::Placeholders(columns), ")")), ",");
}

template <typename Write>
absl::Status InTransaction(sql::Connection& connection, Write write) {
  SAGAMESH_RETURN_IF_ERROR(connection.Begin());
  SAGAMESH_RETURN_IF_ERROR(write());
  return connection.Commit();
}

// The same barrier row is written in both halves, the second time longer.
absl::Status WriteBarrier(sql::Connection& connection, const std::vector<FloorSaga>& sagas, int bytes, int64_t now_ms) {
  std::vector<sql::Value> values;
  for (const FloorSaga& saga : sagas) {
    values.insert(values.end(), {saga.saga_id, std::string("saga"), Bytes(bytes), now_ms});
  }
  return connection
      .Execute(absl::StrCat("INSERT INTO barrier (id, scope, record, created_ms) VALUES ", Tuples(sagas.size(), 4),
                            " ON CONFLICT (id, scope) DO UPDATE SET record = excluded.record"),
               values)
      .status();
}

class CoordinatorRows final : public SagaRows {
 public:
  absl::Status Prepare(sql::Connection& connection, const std::vector<std::string>&) override {
    return sql::Migrate(connection, journal::Migrations());
  }

  absl::Status WriteFirst(sql::Connection& connection, const std::vector<FloorSaga>& sagas, absl::Time now) override {
    const int64_t now_ms = absl::ToUnixMillis(now);
    std::vector<sql::Value> keys;
    std::vector<sql::Value> rows;
    for (const FloorSaga& saga : sagas) {
      keys.insert(keys.end(), {Hash(saga.order_id), std::string(), std::string("process_order"), int64_t{2},
                               saga.idempotency_key, Hash(saga.saga_id), saga.saga_id, int64_t{1}, now_ms});
      rows.insert(rows.end(),
                  {saga.saga_id, std::string("process_order"), int64_t{1}, int64_t{0}, std::string(kOwner), int64_t{1},
                   int64_t{1}, int64_t{0}, std::string(kOwner), now_ms, now_ms, Bytes(kSagaRecordFirstBytes)});
    }
    return InTransaction(connection, [&]() -> absl::Status {
      SAGAMESH_RETURN_IF_ERROR(
          connection
              .Execute(absl::StrCat("INSERT INTO saga_keys (key_hash, principal, definition, kind, idempotency_key, "
                                    "fingerprint, saga_id, status, claimed_ms) VALUES ",
                                    Tuples(sagas.size(), 9)),
                       keys)
              .status());
      return connection
          .Execute(absl::StrCat("INSERT INTO sagas (saga_id, definition, phase, stuck, owner, epoch, version, "
                                "takeovers, open_owner, created_ms, updated_ms, record) VALUES ",
                                Tuples(sagas.size(), 12)),
                   rows)
          .status();
    });
  }

  absl::Status WriteSecond(sql::Connection& connection, const std::vector<FloorSaga>& sagas, absl::Time now) override {
    return InTransaction(connection, [&]() -> absl::Status {
      for (const FloorSaga& saga : sagas) {
        SAGAMESH_RETURN_IF_ERROR(
            connection.Execute("UPDATE saga_keys SET status = 2 WHERE key_hash = ?", {Hash(saga.order_id)}).status());
        SAGAMESH_RETURN_IF_ERROR(
            connection
                .Execute("UPDATE sagas SET phase = 4, version = 2, open_owner = NULL, updated_ms = ?, record = ? "
                         "WHERE saga_id = ?",
                         {absl::ToUnixMillis(now), Bytes(kSagaRecordLastBytes), saga.saga_id})
                .status());
      }
      return absl::OkStatus();
    });
  }
};

class OrdersRows final : public SagaRows {
 public:
  absl::Status Prepare(sql::Connection& connection, const std::vector<std::string>&) override {
    return sql::Migrate(connection, orders::Migrations());
  }

  absl::Status WriteFirst(sql::Connection& connection, const std::vector<FloorSaga>& sagas, absl::Time now) override {
    const int64_t now_ms = absl::ToUnixMillis(now);
    std::vector<sql::Value> rows;
    for (const FloorSaga& saga : sagas) {
      rows.insert(rows.end(),
                  {saga.order_id, kCustomerId, int64_t{2}, Bytes(kLinesBytes), kPriceCents, saga.saga_id, now_ms});
    }
    return InTransaction(connection, [&]() -> absl::Status {
      SAGAMESH_RETURN_IF_ERROR(WriteBarrier(connection, sagas, kOrdersBarrierFirstBytes, now_ms));
      return connection
          .Execute(absl::StrCat("INSERT INTO orders (order_id, customer_id, status, item_lines, total_cents, saga_id, "
                                "created_ms) VALUES ",
                                Tuples(sagas.size(), 7)),
                   rows)
          .status();
    });
  }

  absl::Status WriteSecond(sql::Connection& connection, const std::vector<FloorSaga>& sagas, absl::Time now) override {
    std::vector<sql::Value> ids;
    for (const FloorSaga& saga : sagas) ids.push_back(saga.order_id);
    return InTransaction(connection, [&]() -> absl::Status {
      SAGAMESH_RETURN_IF_ERROR(WriteBarrier(connection, sagas, kOrdersBarrierLastBytes, absl::ToUnixMillis(now)));
      return connection
          .Execute(absl::StrCat("UPDATE orders SET status = 3 WHERE order_id IN (", sql::Placeholders(ids.size()), ")"),
                   ids)
          .status();
    });
  }
};

class CustomersRows final : public SagaRows {
 public:
  absl::Status Prepare(sql::Connection& connection, const std::vector<std::string>& skus) override {
    SAGAMESH_RETURN_IF_ERROR(sql::Migrate(connection, customers::Migrations()));
    return InTransaction(connection, [&]() -> absl::Status {
      for (const std::string& sku : skus) {
        SAGAMESH_RETURN_IF_ERROR(connection
                                     .Execute("INSERT INTO products (sku, name, price_cents, available, reserved, "
                                              "sold) VALUES (?, 'Measured', ?, ?, 0, 0)",
                                              {sku, kPriceCents, kUnits})
                                     .status());
      }
      return absl::OkStatus();
    });
  }

  absl::Status WriteFirst(sql::Connection& connection, const std::vector<FloorSaga>& sagas, absl::Time now) override {
    const int64_t now_ms = absl::ToUnixMillis(now);
    std::vector<sql::Value> rows;
    for (const FloorSaga& saga : sagas) {
      rows.insert(rows.end(), {saga.order_id, saga.saga_id, int64_t{1}, kCustomerId, Bytes(kLinesBytes), now_ms});
    }
    return InTransaction(connection, [&]() -> absl::Status {
      SAGAMESH_RETURN_IF_ERROR(WriteBarrier(connection, sagas, kCustomersBarrierFirstBytes, now_ms));
      SAGAMESH_RETURN_IF_ERROR(
          connection
              .Execute(absl::StrCat("INSERT INTO reservations (order_id, owner, status, customer_id, item_lines, "
                                    "updated_ms) VALUES ",
                                    Tuples(sagas.size(), 6)),
                       rows)
              .status());
      return Move(connection, sagas, "reserve",
                  "UPDATE products SET available = available - ?1, reserved = reserved + ?1 WHERE sku = ?2", now_ms);
    });
  }

  absl::Status WriteSecond(sql::Connection& connection, const std::vector<FloorSaga>& sagas, absl::Time now) override {
    const int64_t now_ms = absl::ToUnixMillis(now);
    std::vector<sql::Value> ids = {now_ms};
    for (const FloorSaga& saga : sagas) ids.push_back(saga.order_id);
    return InTransaction(connection, [&]() -> absl::Status {
      SAGAMESH_RETURN_IF_ERROR(WriteBarrier(connection, sagas, kCustomersBarrierLastBytes, now_ms));
      SAGAMESH_RETURN_IF_ERROR(
          connection
              .Execute(absl::StrCat("UPDATE reservations SET status = 2, updated_ms = ? WHERE order_id IN (",
                                    sql::Placeholders(sagas.size()), ")"),
                       ids)
              .status());
      return Move(connection, sagas, "commit",
                  "UPDATE products SET reserved = reserved - ?1, sold = sold + ?1 WHERE sku = ?2", now_ms);
    });
  }

 private:
  // The movements, and each product once by the sum of its movements.
  absl::Status Move(sql::Connection& connection, const std::vector<FloorSaga>& sagas, const std::string& kind,
                    absl::string_view update_product, int64_t now_ms) {
    std::vector<sql::Value> movements;
    std::map<std::string, int64_t> units;
    const bool reserve = kind == "reserve";
    for (const FloorSaga& saga : sagas) {
      units[saga.sku]++;
      movements.insert(movements.end(),
                       {saga.sku, absl::StrCat(saga.order_id, "/", kind), kind, saga.order_id,
                        int64_t{reserve ? -1 : 0}, int64_t{reserve ? 1 : -1}, int64_t{reserve ? 0 : 1}, now_ms});
    }
    for (const auto& [sku, count] : units) {
      SAGAMESH_RETURN_IF_ERROR(connection.Execute(update_product, {count, sku}).status());
    }
    return connection
        .Execute(absl::StrCat("INSERT INTO movements (sku, movement_id, kind, order_id, available, reserved, sold, "
                              "created_ms) VALUES ",
                              Tuples(sagas.size(), 8)),
                 movements)
        .status();
  }
};

}  // namespace

std::unique_ptr<SagaRows> MakeCoordinatorRows() { return std::make_unique<CoordinatorRows>(); }
std::unique_ptr<SagaRows> MakeOrdersRows() { return std::make_unique<OrdersRows>(); }
std::unique_ptr<SagaRows> MakeCustomersRows() { return std::make_unique<CustomersRows>(); }

}  // namespace sagamesh::bench
