-- The participants' tables: those of Sagamesh's orders and customers, each in the database {orders} or {customers}.
CREATE TABLE {orders}.orders (
  order_id VARBINARY(256) NOT NULL PRIMARY KEY, customer_id BIGINT NOT NULL, status INT NOT NULL,
  item_lines MEDIUMBLOB NOT NULL, total_cents BIGINT NOT NULL, saga_id VARBINARY(64) NOT NULL,
  created_ms BIGINT NOT NULL, sweep_ms BIGINT, KEY orders_by_customer (customer_id, created_ms, order_id),
  KEY orders_by_time (created_ms, order_id), KEY orders_to_sweep (sweep_ms));
CREATE TABLE {customers}.products (
  sku VARBINARY(256) NOT NULL PRIMARY KEY, name VARBINARY(800) NOT NULL, price_cents BIGINT NOT NULL,
  available BIGINT NOT NULL CHECK (available >= 0), reserved BIGINT NOT NULL CHECK (reserved >= 0),
  sold BIGINT NOT NULL CHECK (sold >= 0));
CREATE TABLE {customers}.reservations (
  order_id VARBINARY(256) NOT NULL PRIMARY KEY, owner VARBINARY(64) NOT NULL, status INT NOT NULL,
  customer_id BIGINT NOT NULL, item_lines MEDIUMBLOB NOT NULL, updated_ms BIGINT NOT NULL);
CREATE TABLE {customers}.movements (
  sku VARBINARY(256) NOT NULL, movement_id VARBINARY(300) NOT NULL, kind VARBINARY(16) NOT NULL,
  order_id VARBINARY(256) NOT NULL, available BIGINT NOT NULL, reserved BIGINT NOT NULL, sold BIGINT NOT NULL,
  created_ms BIGINT NOT NULL, PRIMARY KEY (sku, movement_id));
