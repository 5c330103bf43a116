#include "common/barrier/barrier.h"
#include "customers/store/stock_store.h"

namespace sagamesh::customers {
namespace {

// The row is there from the start, so that whoever creates a customer can lock it.
constexpr char kFirstCustomerId[] = "INSERT INTO sequences (name, next_value) VALUES ('customer', 1)";

}  // namespace

std::vector<sql::Migration> Migrations() {
  sql::Migration stock;
  stock.version = 1;
  stock.name = "customers and stock";
  stock.statements = {
      "CREATE TABLE customers (customer_id INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL, "
      "created_ms INTEGER NOT NULL)",
      "CREATE TABLE sequences (name TEXT NOT NULL PRIMARY KEY, next_value INTEGER NOT NULL) WITHOUT ROWID",
      kFirstCustomerId,
      "CREATE TABLE products (sku TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, price_cents INTEGER NOT NULL, "
      "available INTEGER NOT NULL CHECK (available >= 0), reserved INTEGER NOT NULL CHECK (reserved >= 0), "
      "sold INTEGER NOT NULL CHECK (sold >= 0)) WITHOUT ROWID",
      "CREATE TABLE reservations (order_id TEXT NOT NULL PRIMARY KEY, owner TEXT NOT NULL, status INTEGER NOT NULL, "
      "customer_id INTEGER NOT NULL, item_lines BLOB NOT NULL, updated_ms INTEGER NOT NULL) WITHOUT ROWID",
      "CREATE TABLE movements (sku TEXT NOT NULL, movement_id TEXT NOT NULL, kind TEXT NOT NULL, "
      "order_id TEXT NOT NULL, available INTEGER NOT NULL, reserved INTEGER NOT NULL, sold INTEGER NOT NULL, "
      "created_ms INTEGER NOT NULL, PRIMARY KEY (sku, movement_id)) WITHOUT ROWID"};
  // Keys are VARBINARY: they are compared byte by byte, never by a collation.
  stock.mysql_statements = {
      "CREATE TABLE IF NOT EXISTS customers (customer_id BIGINT NOT NULL PRIMARY KEY, name VARBINARY(800) NOT NULL, "
      "email VARBINARY(800) NOT NULL, created_ms BIGINT NOT NULL)",
      "CREATE TABLE IF NOT EXISTS sequences (name VARBINARY(64) NOT NULL PRIMARY KEY, next_value BIGINT NOT NULL)",
      "INSERT IGNORE INTO sequences (name, next_value) VALUES ('customer', 1)",
      "CREATE TABLE IF NOT EXISTS products (sku VARBINARY(256) NOT NULL PRIMARY KEY, name VARBINARY(800) NOT NULL, "
      "price_cents BIGINT NOT NULL, available BIGINT NOT NULL CHECK (available >= 0), "
      "reserved BIGINT NOT NULL CHECK (reserved >= 0), sold BIGINT NOT NULL CHECK (sold >= 0))",
      "CREATE TABLE IF NOT EXISTS reservations (order_id VARBINARY(256) NOT NULL PRIMARY KEY, owner VARBINARY(64) NOT "
      "NULL, "
      "status INT NOT NULL, customer_id BIGINT NOT NULL, item_lines MEDIUMBLOB NOT NULL, updated_ms BIGINT NOT NULL)",
      "CREATE TABLE IF NOT EXISTS movements (sku VARBINARY(256) NOT NULL, movement_id VARBINARY(300) NOT NULL, "
      "kind VARBINARY(16) NOT NULL, order_id VARBINARY(256) NOT NULL, available BIGINT NOT NULL, "
      "reserved BIGINT NOT NULL, sold BIGINT NOT NULL, created_ms BIGINT NOT NULL, PRIMARY KEY (sku, movement_id))"};
  return {stock, BarrierMigration(2)};
}

}  // namespace sagamesh::customers
