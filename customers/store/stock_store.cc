#include "customers/store/stock_store.h"

#include <map>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/fault/planted.h"
#include "common/status/error.h"
#include "customers/v1/customers.pb.h"

namespace sagamesh::customers {
namespace {

constexpr char kCustomerSequence[] = "customer";
constexpr char kCustomerColumns[] = "customer_id, name, email";
constexpr char kProductColumns[] = "sku, name, price_cents, available, reserved, sold";

template <typename Key>
std::vector<sql::Value> Keys(const std::set<Key>& wanted) {
  std::vector<sql::Value> keys;
  for (const Key& key : wanted) {
    if constexpr (std::is_integral_v<Key>) {
      keys.emplace_back(int64_t{key});
    } else {
      keys.emplace_back(key);
    }
  }
  sql::PadKeys(keys);
  return keys;
}

// "SELECT <columns> FROM <table> WHERE <key> IN (?,...) ORDER BY <key>".
std::string SelectByKeys(absl::string_view columns, absl::string_view table, absl::string_view key, size_t count) {
  return absl::StrCat("SELECT ", columns, " FROM ", table, " WHERE ", key, " IN (", sql::Placeholders(count),
                      ") ORDER BY ", key);
}

Customer ToCustomer(const sql::Row& row) { return {static_cast<uint32_t>(row.Int(0)), row.Text(1), row.Text(2)}; }

Product ToProduct(const sql::Row& row) {
  return {row.Text(0), row.Text(1), row.Int(2), row.Int(3), row.Int(4), row.Int(5)};
}

// A reservation's lines are one value: they are only ever read together.
std::string EncodeLines(const Reservation& reservation) {
  ::customers::v1::Reservation encoded;
  for (const ReservedLine& line : reservation.lines) {
    auto* item = encoded.add_items();
    item->set_sku(line.sku);
    item->set_quantity(static_cast<int32_t>(line.quantity));
    item->set_unit_price_cents(line.unit_price_cents);
  }
  return encoded.SerializeAsString();
}

absl::StatusOr<std::vector<ReservedLine>> DecodeLines(const std::string& bytes) {
  ::customers::v1::Reservation encoded;
  if (!encoded.ParseFromString(bytes)) return absl::InternalError("a reservation's lines cannot be read");
  std::vector<ReservedLine> lines;
  for (const auto& item : encoded.items()) lines.push_back({item.sku(), item.quantity(), item.unit_price_cents()});
  return lines;
}

// Rows that are new are inserted, the others updated, which the locks of Load make safe.
enum class Rows { kNew, kChanged };

absl::Status Write(sql::Connection& connection, Rows rows, absl::string_view table, absl::string_view key,
                   absl::Span<const absl::string_view> columns, std::vector<sql::Value> values) {
  if (rows == Rows::kNew) return sql::Insert(connection, table, columns, std::move(values));
  return sql::Upsert(connection, table, {key}, columns, std::move(values));
}

absl::Status SaveReservations(sql::Connection& connection, const WorkingSet& set, absl::Time now) {
  std::vector<sql::Value> values;
  for (const std::string& order_id : set.new_reservations) {
    const Reservation& reservation = set.reservations.at(order_id);
    values.insert(values.end(),
                  {reservation.order_id, reservation.owner, static_cast<int64_t>(reservation.status),
                   int64_t{reservation.customer_id}, sql::Blob{EncodeLines(reservation)}, absl::ToUnixMillis(now)});
  }
  SAGAMESH_RETURN_IF_ERROR(sql::Insert(connection, "reservations",
                                       {"order_id", "owner", "status", "customer_id", "item_lines", "updated_ms"},
                                       std::move(values)));
  // Of one that is there nothing changes but its status.
  std::map<ReservationStatus, std::vector<sql::Value>> moved;
  for (const std::string& order_id : set.changed_reservations) {
    moved[set.reservations.at(order_id).status].emplace_back(order_id);
  }
  for (auto& [status, order_ids] : moved) {
    SAGAMESH_RETURN_IF_ERROR(sql::Update(connection, "reservations", {"status", "updated_ms"},
                                         {static_cast<int64_t>(status), absl::ToUnixMillis(now)}, "order_id",
                                         std::move(order_ids)));
  }
  return absl::OkStatus();
}

absl::Status SaveProducts(sql::Connection& connection, Rows rows, const WorkingSet& set) {
  std::vector<sql::Value> values;
  for (const std::string& sku : rows == Rows::kNew ? set.new_products : set.changed_products) {
    const Product& product = set.products.at(sku);
    values.insert(values.end(),
                  {product.sku, product.name, product.price_cents, product.available, product.reserved, product.sold});
  }
  return Write(connection, rows, "products", "sku", {"sku", "name", "price_cents", "available", "reserved", "sold"},
               std::move(values));
}

absl::Status SaveMovements(sql::Connection& connection, const WorkingSet& set, absl::Time now) {
  std::vector<sql::Value> values;
  for (const Movement& movement : set.movements) {
    values.insert(values.end(), {movement.sku, movement.id, movement.kind, movement.order_id, movement.available,
                                 movement.reserved, movement.sold, absl::ToUnixMillis(now)});
  }
  return sql::Insert(connection, "movements",
                     {"sku", "movement_id", "kind", "order_id", "available", "reserved", "sold", "created_ms"},
                     std::move(values));
}

absl::Status SaveCustomers(sql::Connection& connection, const WorkingSet& set, absl::Time now) {
  std::vector<sql::Value> values;
  for (const uint32_t id : set.new_customers) {
    const Customer& customer = set.customers.at(id);
    values.insert(values.end(), {int64_t{id}, customer.name, customer.email, absl::ToUnixMillis(now)});
  }
  SAGAMESH_RETURN_IF_ERROR(
      sql::Insert(connection, "customers", {"customer_id", "name", "email", "created_ms"}, std::move(values)));
  return sql::Upsert(connection, "sequences", {"name"}, {"name", "next_value"},
                     {std::string(kCustomerSequence), set.next_customer_id});
}

}  // namespace

absl::Status LoadReservations(sql::Connection& connection, const std::set<std::string>& order_ids, WorkingSet& set) {
  if (order_ids.empty()) return absl::OkStatus();
  const std::vector<sql::Value> keys = Keys(order_ids);
  SAGAMESH_ASSIGN_OR_RETURN(
      const std::vector<sql::Row> rows,
      connection.Query(absl::StrCat(SelectByKeys("order_id, owner, status, customer_id, item_lines", "reservations",
                                                 "order_id", keys.size()),
                                    sql::ForUpdate(connection.dialect())),
                       keys));
  for (const sql::Row& row : rows) {
    SAGAMESH_ASSIGN_OR_RETURN(std::vector<ReservedLine> lines, DecodeLines(row.Text(4)));
    set.reservations[row.Text(0)] = {row.Text(0), row.Text(1), static_cast<ReservationStatus>(row.Int(2)),
                                     static_cast<uint32_t>(row.Int(3)), std::move(lines)};
  }
  return absl::OkStatus();
}

absl::Status LoadProducts(sql::Connection& connection, const std::set<std::string>& skus, WorkingSet& set) {
  if (skus.empty()) return absl::OkStatus();
  const absl::string_view lock = Planted(Bug::kReadStockUnlocked) ? "" : sql::ForUpdate(connection.dialect());
  const std::vector<sql::Value> keys = Keys(skus);
  SAGAMESH_ASSIGN_OR_RETURN(
      const std::vector<sql::Row> rows,
      connection.Query(absl::StrCat(SelectByKeys(kProductColumns, "products", "sku", keys.size()), lock), keys));
  for (const sql::Row& row : rows) set.products[row.Text(0)] = ToProduct(row);
  return absl::OkStatus();
}

absl::Status LoadCustomers(sql::Connection& connection, const std::set<uint32_t>& customer_ids, WorkingSet& set) {
  if (customer_ids.empty()) return absl::OkStatus();
  const std::vector<sql::Value> keys = Keys(customer_ids);
  SAGAMESH_ASSIGN_OR_RETURN(
      const std::vector<sql::Row> rows,
      connection.Query(SelectByKeys(kCustomerColumns, "customers", "customer_id", keys.size()), keys));
  for (const sql::Row& row : rows) set.customers[static_cast<uint32_t>(row.Int(0))] = ToCustomer(row);
  return absl::OkStatus();
}

absl::Status LoadNextCustomerId(sql::Connection& connection, WorkingSet& set) {
  SAGAMESH_ASSIGN_OR_RETURN(const std::vector<sql::Row> rows,
                            connection.Query(absl::StrCat("SELECT next_value FROM sequences WHERE name=?",
                                                          sql::ForUpdate(connection.dialect())),
                                             {std::string(kCustomerSequence)}));
  if (!rows.empty()) set.next_customer_id = rows[0].Int(0);
  return absl::OkStatus();
}

absl::StatusOr<bool> SaveChanges(sql::Connection& connection, const WorkingSet& set, absl::Time now) {
  // Without rows these write nothing.
  SAGAMESH_RETURN_IF_ERROR(SaveReservations(connection, set, now));
  SAGAMESH_RETURN_IF_ERROR(SaveProducts(connection, Rows::kNew, set));
  SAGAMESH_RETURN_IF_ERROR(SaveProducts(connection, Rows::kChanged, set));
  SAGAMESH_RETURN_IF_ERROR(SaveMovements(connection, set, now));
  if (!set.new_customers.empty()) SAGAMESH_RETURN_IF_ERROR(SaveCustomers(connection, set, now));
  // Whatever moves stock has a movement.
  return !set.new_reservations.empty() || !set.changed_reservations.empty() || !set.movements.empty() ||
         !set.new_customers.empty();
}

absl::StatusOr<std::optional<Customer>> FindCustomer(sql::Connection& connection, uint32_t customer_id) {
  SAGAMESH_ASSIGN_OR_RETURN(
      const std::vector<sql::Row> rows,
      connection.Query(SelectByKeys(kCustomerColumns, "customers", "customer_id", 1), {int64_t{customer_id}}));
  if (rows.empty()) return std::nullopt;
  return ToCustomer(rows[0]);
}

absl::StatusOr<std::vector<Customer>> ListCustomers(sql::Connection& connection, uint32_t after_id, int limit) {
  SAGAMESH_ASSIGN_OR_RETURN(
      const std::vector<sql::Row> rows,
      connection.Query(
          absl::StrCat("SELECT ", kCustomerColumns, " FROM customers WHERE customer_id>? ORDER BY customer_id LIMIT ?"),
          {int64_t{after_id}, int64_t{limit}}));
  std::vector<Customer> customers;
  for (const sql::Row& row : rows) customers.push_back(ToCustomer(row));
  return customers;
}

absl::StatusOr<std::optional<Product>> FindProduct(sql::Connection& connection, const std::string& sku) {
  SAGAMESH_ASSIGN_OR_RETURN(const std::vector<sql::Row> rows,
                            connection.Query(SelectByKeys(kProductColumns, "products", "sku", 1), {sku}));
  if (rows.empty()) return std::nullopt;
  return ToProduct(rows[0]);
}

absl::StatusOr<std::vector<Product>> ListProducts(sql::Connection& connection, const std::string& after_sku,
                                                  int limit) {
  SAGAMESH_ASSIGN_OR_RETURN(
      const std::vector<sql::Row> rows,
      connection.Query(absl::StrCat("SELECT ", kProductColumns, " FROM products WHERE sku>? ORDER BY sku LIMIT ?"),
                       {after_sku, int64_t{limit}}));
  std::vector<Product> products;
  for (const sql::Row& row : rows) products.push_back(ToProduct(row));
  return products;
}

}  // namespace sagamesh::customers
