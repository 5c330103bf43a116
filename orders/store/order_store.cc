#include "orders/store/order_store.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/error.h"
#include "orders/v1/orders.pb.h"

namespace sagamesh::orders {
namespace {

constexpr char kColumns[] = "order_id, customer_id, status, item_lines, total_cents, saga_id, created_ms, sweep_ms";

// An order's lines are one value: they are only ever read together.
std::string EncodeLines(const Order& order) {
  ::orders::v1::Order encoded;
  for (const OrderLine& line : order.lines) {
    auto* item = encoded.add_items();
    item->set_sku(line.sku);
    item->set_quantity(static_cast<int32_t>(line.quantity));
    item->set_unit_price_cents(line.unit_price_cents);
  }
  return encoded.SerializeAsString();
}

absl::StatusOr<Order> ToOrder(const sql::Row& row) {
  ::orders::v1::Order encoded;
  if (!encoded.ParseFromString(row.Text(3))) return absl::InternalError("an order's lines cannot be read");
  Order order;
  order.id = row.Text(0);
  order.customer_id = static_cast<uint32_t>(row.Int(1));
  order.status = static_cast<OrderStatus>(row.Int(2));
  for (const auto& item : encoded.items()) {
    order.lines.push_back({item.sku(), item.quantity(), item.unit_price_cents()});
  }
  order.total_cents = row.Int(4);
  order.saga_id = row.Text(5);
  order.created = absl::FromUnixMillis(row.Int(6));
  if (!row.IsNull(7)) order.sweep_at = absl::FromUnixMillis(row.Int(7));
  return order;
}

sql::Value SweepMs(std::optional<absl::Time> sweep_at) {
  return sweep_at.has_value() ? sql::Value(absl::ToUnixMillis(*sweep_at)) : sql::Value();
}

absl::StatusOr<std::vector<Order>> QueryOrders(sql::Connection& connection, const std::string& statement,
                                               const std::vector<sql::Value>& parameters) {
  SAGAMESH_ASSIGN_OR_RETURN(const std::vector<sql::Row> rows, connection.Query(statement, parameters));
  std::vector<Order> orders;
  for (const sql::Row& row : rows) {
    SAGAMESH_ASSIGN_OR_RETURN(Order order, ToOrder(row));
    orders.push_back(std::move(order));
  }
  return orders;
}

}  // namespace

absl::Status LoadOrders(sql::Connection& connection, const std::set<std::string>& order_ids, WorkingSet& set) {
  if (order_ids.empty()) return absl::OkStatus();
  std::vector<sql::Value> keys(order_ids.begin(), order_ids.end());
  sql::PadKeys(keys);
  SAGAMESH_ASSIGN_OR_RETURN(
      std::vector<Order> orders,
      QueryOrders(connection,
                  absl::StrCat("SELECT ", kColumns, " FROM orders WHERE order_id IN (", sql::Placeholders(keys.size()),
                               ") ORDER BY order_id", sql::ForUpdate(connection.dialect())),
                  keys));
  for (Order& order : orders) {
    std::string id = order.id;
    set.orders[std::move(id)] = std::move(order);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> SaveOrders(sql::Connection& connection, const WorkingSet& set) {
  constexpr absl::string_view kAll[] = {"order_id",    "customer_id", "status",     "item_lines",
                                        "total_cents", "saga_id",     "created_ms", "sweep_ms"};
  std::vector<sql::Value> added;
  std::vector<sql::Value> rewritten;
  std::map<std::pair<OrderStatus, std::optional<absl::Time>>, std::vector<sql::Value>> moved;  // ids
  for (const std::string& id : set.changed) {
    const Order& order = set.orders.at(id);
    const bool is_new = set.added.contains(id);
    if (!is_new && !set.rewritten.contains(id)) {
      moved[{order.status, order.sweep_at}].emplace_back(id);
      continue;
    }
    std::vector<sql::Value>& values = is_new ? added : rewritten;
    values.insert(values.end(), {order.id, int64_t{order.customer_id}, static_cast<int64_t>(order.status),
                                 sql::Blob{EncodeLines(order)}, order.total_cents, order.saga_id,
                                 absl::ToUnixMillis(order.created), SweepMs(order.sweep_at)});
  }
  SAGAMESH_RETURN_IF_ERROR(sql::Insert(connection, "orders", kAll, std::move(added)));
  SAGAMESH_RETURN_IF_ERROR(sql::Upsert(connection, "orders", {"order_id"}, kAll, std::move(rewritten)));
  for (auto& [to, ids] : moved) {
    SAGAMESH_RETURN_IF_ERROR(sql::Update(connection, "orders", {"status", "sweep_ms"},
                                         {static_cast<int64_t>(to.first), SweepMs(to.second)}, "order_id", ids));
  }
  return !set.changed.empty();
}

absl::StatusOr<std::optional<Order>> FindOrder(sql::Connection& connection, const std::string& order_id) {
  SAGAMESH_ASSIGN_OR_RETURN(
      std::vector<Order> orders,
      QueryOrders(connection, absl::StrCat("SELECT ", kColumns, " FROM orders WHERE order_id=?"), {order_id}));
  if (orders.empty()) return std::nullopt;
  return std::move(orders[0]);
}

absl::StatusOr<std::vector<Order>> ListOrders(sql::Connection& connection, const OrderFilter& filter) {
  std::string statement = absl::StrCat("SELECT ", kColumns, " FROM orders WHERE 1=1");
  std::vector<sql::Value> parameters;
  if (filter.customer_id != 0) {
    statement += " AND customer_id=?";
    parameters.emplace_back(int64_t{filter.customer_id});
  }
  if (filter.status.has_value()) {
    statement += " AND status=?";
    parameters.emplace_back(static_cast<int64_t>(*filter.status));
  }
  if (filter.after.has_value()) {
    statement += " AND (created_ms, order_id) < (?, ?)";
    parameters.emplace_back(filter.after->created_ms);
    parameters.emplace_back(filter.after->order_id);
  }
  statement += " ORDER BY created_ms DESC, order_id DESC LIMIT ?";
  parameters.emplace_back(int64_t{filter.limit});
  return QueryOrders(connection, statement, parameters);
}

absl::StatusOr<std::vector<Order>> ListExpired(sql::Connection& connection, absl::Time now, int limit) {
  return QueryOrders(connection,
                     absl::StrCat("SELECT ", kColumns, " FROM orders WHERE sweep_ms<=? ORDER BY sweep_ms LIMIT ?"),
                     {absl::ToUnixMillis(now), int64_t{limit}});
}

}  // namespace sagamesh::orders
