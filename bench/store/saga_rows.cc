#include "bench/store/saga_rows.h"

#include <initializer_list>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
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
constexpr int kOrdersBarrierBytes = 215;  // of each of its two rows
constexpr int kCustomersBarrierBytes = 165;
constexpr int kLinesBytes = 17;

constexpr int64_t kUnits = 1'000'000'000;
constexpr int64_t kPriceCents = 1999;
constexpr char kOwner[] = "01a20df6-deb7-77a5-a445-9849fe5a2d62";
const int64_t kCustomerId = 1;

sql::Blob Bytes(int size) { return {std::string(size, 'x')}; }
// As long as a hash in hexadecimal.
std::string Hash(const std::string& text) { return absl::StrCat(text, std::string(64 - text.size(), '0')); }

template <typename Write>
absl::Status InTransaction(sql::Connection& connection, Write write) {
  SAGAMESH_RETURN_IF_ERROR(connection.Begin());
  SAGAMESH_RETURN_IF_ERROR(write());
  return connection.Commit();
}

// UPDATE <table> SET <what> WHERE <key> IN (<keys>). `values` are those of `what`, then the keys.
absl::Status UpdateAll(sql::Connection& connection, absl::string_view table, absl::string_view what,
                       absl::string_view key, size_t keys, const std::vector<sql::Value>& values) {
  return connection
      .Execute(absl::StrCat("UPDATE ", table, " SET ", what, " WHERE ", key, " IN (", sql::Placeholders(keys), ")"),
               values)
      .status();
}

// Each half of a saga has a barrier row of its own.
constexpr absl::string_view kFirst = "saga";
constexpr absl::string_view kSecond = "saga/001";

absl::Status InsertBarrier(sql::Connection& connection, const std::vector<FloorSaga>& sagas,
                           std::initializer_list<absl::string_view> scopes, int bytes, int64_t now_ms) {
  std::vector<sql::Value> rows;
  for (const FloorSaga& saga : sagas) {
    for (const absl::string_view scope : scopes) {
      rows.insert(rows.end(), {saga.saga_id, std::string(scope), Bytes(bytes), now_ms});
    }
  }
  return sql::Insert(connection, "barrier", {"id", "scope", "record", "created_ms"}, std::move(rows));
}

class CoordinatorRows final : public SagaRows {
 public:
  absl::Status Prepare(sql::Connection& connection, const std::vector<std::string>&) override {
    return sql::Migrate(connection, journal::Migrations());
  }

  absl::Status WriteFirst(sql::Connection& connection, const std::vector<FloorSaga>& sagas, absl::Time now) override {
    const int64_t now_ms = absl::ToUnixMillis(now);
    return InTransaction(connection, [&]() -> absl::Status {
      SAGAMESH_RETURN_IF_ERROR(InsertKeys(connection, sagas, now_ms));
      return WriteSagas(connection, sagas,
                        {.phase = 0, .open_owner = std::string(kOwner), .bytes = kSagaRecordFirstBytes}, now_ms);
    });
  }

  absl::Status WriteSecond(sql::Connection& connection, const std::vector<FloorSaga>& sagas, absl::Time now) override {
    return InTransaction(connection, [&] { return WriteSagas(connection, sagas, kEnded, absl::ToUnixMillis(now)); });
  }

  absl::Status WriteWhole(sql::Connection& connection, const std::vector<FloorSaga>& sagas, absl::Time now) override {
    const int64_t now_ms = absl::ToUnixMillis(now);
    return InTransaction(connection, [&]() -> absl::Status {
      SAGAMESH_RETURN_IF_ERROR(InsertKeys(connection, sagas, now_ms));
      return WriteSagas(connection, sagas, kEnded, now_ms);
    });
  }

 private:
  static constexpr int64_t kKeyClaimed = 1;

  struct Half {
    int64_t phase = 0;
    int64_t version = 1;
    sql::Value open_owner;
    int bytes = 0;
  };
  const Half kEnded = {.phase = 4, .version = 2, .bytes = kSagaRecordLastBytes};

  absl::Status InsertKeys(sql::Connection& connection, const std::vector<FloorSaga>& sagas, int64_t now_ms) {
    std::vector<sql::Value> keys;
    for (const FloorSaga& saga : sagas) {
      keys.insert(keys.end(), {Hash(saga.key_hash), std::string(), std::string("process_order"), int64_t{2},
                               saga.idempotency_key, Hash(saga.saga_id), saga.saga_id, kKeyClaimed, now_ms});
    }
    return sql::Insert(connection, "saga_keys",
                       {"key_hash", "principal", "definition", "kind", "idempotency_key", "fingerprint", "saga_id",
                        "status", "claimed_ms"},
                       std::move(keys));
  }

  absl::Status WriteSagas(sql::Connection& connection, const std::vector<FloorSaga>& sagas, const Half& half,
                          int64_t now_ms) {
    std::vector<sql::Value> rows;
    for (const FloorSaga& saga : sagas) {
      rows.insert(rows.end(),
                  {saga.saga_id, std::string("process_order"), half.phase, int64_t{0}, std::string(kOwner), int64_t{1},
                   half.version, int64_t{0}, half.open_owner, now_ms, now_ms, Bytes(half.bytes)});
    }
    return sql::Upsert(connection, "sagas", {"saga_id"},
                       {"saga_id", "definition", "phase", "stuck", "owner", "epoch", "version", "takeovers",
                        "open_owner", "created_ms", "updated_ms", "record"},
                       std::move(rows));
  }
};

class OrdersRows final : public SagaRows {
 public:
  absl::Status Prepare(sql::Connection& connection, const std::vector<std::string>&) override {
    return sql::Migrate(connection, orders::Migrations());
  }

  absl::Status WriteFirst(sql::Connection& connection, const std::vector<FloorSaga>& sagas, absl::Time now) override {
    return InsertOrders(connection, sagas, kPending, {kFirst}, absl::ToUnixMillis(now));
  }

  absl::Status WriteSecond(sql::Connection& connection, const std::vector<FloorSaga>& sagas, absl::Time now) override {
    std::vector<sql::Value> ids;
    for (const FloorSaga& saga : sagas) ids.push_back(saga.order_id);
    return InTransaction(connection, [&]() -> absl::Status {
      SAGAMESH_RETURN_IF_ERROR(
          InsertBarrier(connection, sagas, {kSecond}, kOrdersBarrierBytes, absl::ToUnixMillis(now)));
      return UpdateAll(connection, "orders", "status = 3", "order_id", sagas.size(), ids);
    });
  }

  absl::Status WriteWhole(sql::Connection& connection, const std::vector<FloorSaga>& sagas, absl::Time now) override {
    return InsertOrders(connection, sagas, kConfirmed, {kFirst, kSecond}, absl::ToUnixMillis(now));
  }

 private:
  static constexpr int64_t kPending = 2;
  static constexpr int64_t kConfirmed = 3;

  absl::Status InsertOrders(sql::Connection& connection, const std::vector<FloorSaga>& sagas, int64_t status,
                            std::initializer_list<absl::string_view> barrier_scopes, int64_t now_ms) {
    std::vector<sql::Value> rows;
    for (const FloorSaga& saga : sagas) {
      rows.insert(rows.end(),
                  {saga.order_id, kCustomerId, status, Bytes(kLinesBytes), kPriceCents, saga.saga_id, now_ms});
    }
    return InTransaction(connection, [&]() -> absl::Status {
      SAGAMESH_RETURN_IF_ERROR(InsertBarrier(connection, sagas, barrier_scopes, kOrdersBarrierBytes, now_ms));
      return sql::Insert(connection, "orders",
                         {"order_id", "customer_id", "status", "item_lines", "total_cents", "saga_id", "created_ms"},
                         std::move(rows));
    });
  }
};

// A product's units, or what one saga changes of them.
struct Units {
  int64_t available = 0;
  int64_t reserved = 0;
  int64_t sold = 0;
};

struct Movement {
  absl::string_view kind;
  Units units;
};
constexpr Movement kReserve = {"reserve", {.available = -1, .reserved = 1}};
constexpr Movement kCommit = {"commit", {.reserved = -1, .sold = 1}};

class CustomersRows final : public SagaRows {
 public:
  absl::Status Prepare(sql::Connection& connection, const std::vector<std::string>& skus) override {
    SAGAMESH_RETURN_IF_ERROR(sql::Migrate(connection, customers::Migrations()));
    for (const std::string& sku : skus) balances_[sku] = {.available = kUnits};
    return InTransaction(connection, [&] { return WriteProducts(connection, balances_); });
  }

  absl::Status WriteFirst(sql::Connection& connection, const std::vector<FloorSaga>& sagas, absl::Time now) override {
    const int64_t now_ms = absl::ToUnixMillis(now);
    return InTransaction(connection, [&]() -> absl::Status {
      SAGAMESH_RETURN_IF_ERROR(InsertBarrier(connection, sagas, {kFirst}, kCustomersBarrierBytes, now_ms));
      SAGAMESH_RETURN_IF_ERROR(InsertReservations(connection, sagas, kReserved, now_ms));
      return Move(connection, sagas, {kReserve}, now_ms);
    });
  }

  absl::Status WriteSecond(sql::Connection& connection, const std::vector<FloorSaga>& sagas, absl::Time now) override {
    const int64_t now_ms = absl::ToUnixMillis(now);
    std::vector<sql::Value> values = {now_ms};
    for (const FloorSaga& saga : sagas) values.push_back(saga.order_id);
    return InTransaction(connection, [&]() -> absl::Status {
      SAGAMESH_RETURN_IF_ERROR(InsertBarrier(connection, sagas, {kSecond}, kCustomersBarrierBytes, now_ms));
      SAGAMESH_RETURN_IF_ERROR(
          UpdateAll(connection, "reservations", "status = 2, updated_ms = ?", "order_id", sagas.size(), values));
      return Move(connection, sagas, {kCommit}, now_ms);
    });
  }

  absl::Status WriteWhole(sql::Connection& connection, const std::vector<FloorSaga>& sagas, absl::Time now) override {
    const int64_t now_ms = absl::ToUnixMillis(now);
    return InTransaction(connection, [&]() -> absl::Status {
      SAGAMESH_RETURN_IF_ERROR(InsertBarrier(connection, sagas, {kFirst, kSecond}, kCustomersBarrierBytes, now_ms));
      SAGAMESH_RETURN_IF_ERROR(InsertReservations(connection, sagas, kSold, now_ms));
      return Move(connection, sagas, {kCommit, kReserve}, now_ms);
    });
  }

 private:
  static constexpr int64_t kReserved = 1;
  static constexpr int64_t kSold = 2;

  absl::Status InsertReservations(sql::Connection& connection, const std::vector<FloorSaga>& sagas, int64_t status,
                                  int64_t now_ms) {
    std::vector<sql::Value> rows;
    for (const FloorSaga& saga : sagas) {
      rows.insert(rows.end(), {saga.order_id, saga.saga_id, status, kCustomerId, Bytes(kLinesBytes), now_ms});
    }
    return sql::Insert(connection, "reservations",
                       {"order_id", "owner", "status", "customer_id", "item_lines", "updated_ms"}, std::move(rows));
  }

  // Nobody else writes to them, so that what they come to is known in advance.
  absl::Status WriteProducts(sql::Connection& connection, const std::map<std::string, Units>& balances) {
    std::vector<sql::Value> rows;
    for (const auto& [sku, balance] : balances) {
      rows.insert(rows.end(),
                  {sku, std::string("Measured"), kPriceCents, balance.available, balance.reserved, balance.sold});
    }
    return sql::Upsert(connection, "products", {"sku"}, {"sku", "name", "price_cents", "available", "reserved", "sold"},
                       std::move(rows));
  }

  // Each saga's movements, and each product once by the sum of its movements.
  absl::Status Move(sql::Connection& connection, const std::vector<FloorSaga>& sagas,
                    std::initializer_list<Movement> movements_each, int64_t now_ms) {
    std::vector<sql::Value> movements;
    std::map<std::string, Units> changed;
    for (const FloorSaga& saga : sagas) {
      Units& balance = balances_.at(saga.sku);
      for (const auto& [kind, units] : movements_each) {
        balance.available += units.available;
        balance.reserved += units.reserved;
        balance.sold += units.sold;
        movements.insert(movements.end(), {saga.sku, absl::StrCat(saga.order_id, "/", kind), std::string(kind),
                                           saga.order_id, units.available, units.reserved, units.sold, now_ms});
      }
      changed[saga.sku] = balance;
    }
    SAGAMESH_RETURN_IF_ERROR(WriteProducts(connection, changed));
    return sql::Insert(connection, "movements",
                       {"sku", "movement_id", "kind", "order_id", "available", "reserved", "sold", "created_ms"},
                       std::move(movements));
  }

  std::map<std::string, Units> balances_;
};

}  // namespace

std::unique_ptr<SagaRows> MakeCoordinatorRows() { return std::make_unique<CoordinatorRows>(); }
std::unique_ptr<SagaRows> MakeOrdersRows() { return std::make_unique<OrdersRows>(); }
std::unique_ptr<SagaRows> MakeCustomersRows() { return std::make_unique<CustomersRows>(); }

}  // namespace sagamesh::bench
