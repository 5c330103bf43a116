#include "common/barrier/barrier.h"
#include "orders/store/order_store.h"

namespace sagamesh::orders {

std::vector<sql::Migration> Migrations() {
  sql::Migration orders;
  orders.version = 1;
  orders.name = "orders";
  orders.statements = {
      "CREATE TABLE orders (order_id TEXT NOT NULL PRIMARY KEY, customer_id INTEGER NOT NULL, status INTEGER NOT NULL, "
      "item_lines BLOB NOT NULL, total_cents INTEGER NOT NULL, saga_id TEXT NOT NULL, created_ms INTEGER NOT NULL, "
      "sweep_ms INTEGER) WITHOUT ROWID",
      "CREATE INDEX orders_by_customer ON orders (customer_id, created_ms, order_id)",
      "CREATE INDEX orders_by_time ON orders (created_ms, order_id)",
      "CREATE INDEX orders_to_sweep ON orders (sweep_ms) WHERE sweep_ms IS NOT NULL"};
  // Keys are VARBINARY: they are compared byte by byte, never by a collation.
  orders.mysql_statements = {
      "CREATE TABLE IF NOT EXISTS orders (order_id VARBINARY(256) NOT NULL PRIMARY KEY, customer_id BIGINT NOT NULL, "
      "status INT NOT NULL, item_lines MEDIUMBLOB NOT NULL, total_cents BIGINT NOT NULL, "
      "saga_id VARBINARY(64) NOT NULL, created_ms BIGINT NOT NULL, sweep_ms BIGINT, "
      "KEY orders_by_customer (customer_id, created_ms, order_id), "
      "KEY orders_by_time (created_ms, order_id), KEY orders_to_sweep (sweep_ms))"};
  return {orders, BarrierMigration(2)};
}

}  // namespace sagamesh::orders
