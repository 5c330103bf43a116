#include "orders/service/orders_logic.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/paging/paging.h"
#include "common/text/text.h"
#include "orders/service/parts.h"
#include "orders/store/order_store.h"

namespace sagamesh::orders {

namespace pb = ::orders::v1;
using error::kDomain;

CallContext StockContext(const OrdersLogic::Parts& parts, const CallContext& context) {
  CallContext outgoing = context;
  if (!context.saga.has_value()) outgoing.idempotency_key = std::nullopt;
  if (context.fault.has_value() && !absl::StartsWith(context.fault->method, "customers.v1.")) outgoing.fault.reset();
  outgoing.deadline = std::min(context.deadline, parts.clock.Now() + parts.options.stock_timeout);
  return outgoing;
}

OrdersLogic::OrdersLogic(OrdersOptions options, StockClient& stock, sql::Database& database, WorkerPool& pool,
                         EventLoop& timers, Clock& clock, Random& random, metrics::Registry& registry)
    : parts_(std::make_shared<Parts>(options, stock, database, pool, timers, clock, random, registry)) {}

OrdersLogic::~OrdersLogic() { parts_->writes.Close(); }

absl::Status OrdersLogic::Open(sql::Database& database) { return sql::Migrate(database, Migrations()); }

namespace {

// Runs a read on the reader and answers with what it found.
template <typename Response>
void Read(sql::Reader& reader, const CallContext& context, Done<Response> done,
          absl::AnyInvocable<absl::StatusOr<Response>(sql::Connection&)> read) {
  reader.Read<Response>(
      context.deadline, std::move(read),
      [done = std::move(done)](absl::StatusOr<Response> response) mutable { done(std::move(response), {}); });
}

// Names the list and its filter, so that a token of another is refused.
std::string ListName(const pb::ListOrdersRequest& request) {
  return absl::StrCat("orders/", request.customer_id(), "/", static_cast<int>(request.status()));
}

absl::StatusOr<OrderFilter> ReadFilter(const pb::ListOrdersRequest& request) {
  OrderFilter filter;
  filter.customer_id = request.customer_id();
  if (request.status() != pb::Order::STATUS_UNSPECIFIED) {
    if (!pb::Order::Status_IsValid(request.status())) return InvalidField(kDomain, "status", "is not a status");
    filter.status = static_cast<OrderStatus>(request.status());
  }
  SAGAMESH_ASSIGN_OR_RETURN(filter.limit, PageSize(kDomain, request.page_size()));
  SAGAMESH_ASSIGN_OR_RETURN(const std::vector<std::string> position,
                            ReadPageToken(kDomain, "page_token", ListName(request), 2, request.page_token()));
  if (!request.page_token().empty()) {
    filter.after.emplace();
    filter.after->order_id = position[1];
    if (!absl::SimpleAtoi(position[0], &filter.after->created_ms)) {
      return InvalidField(kDomain, "page_token", "is not a token of this list");
    }
  }
  return filter;
}

}  // namespace

void OrdersLogic::GetOrder(const CallContext& context, const pb::GetOrderRequest& request,
                           Done<pb::GetOrderResponse> done) {
  const absl::Status valid = CheckText(kDomain, "order_id", request.order_id(), kOrderIdCharactersMax);
  if (!valid.ok()) return done(valid, {});
  Read<pb::GetOrderResponse>(
      parts_->reader, context, std::move(done),
      [id = request.order_id()](sql::Connection& connection) -> absl::StatusOr<pb::GetOrderResponse> {
        SAGAMESH_ASSIGN_OR_RETURN(const std::optional<Order> order, FindOrder(connection, id));
        if (!order.has_value()) return error::OrderNotFound(id);
        pb::GetOrderResponse response;
        Fill(*order, *response.mutable_order());
        return response;
      });
}

void OrdersLogic::ListOrders(const CallContext& context, const pb::ListOrdersRequest& request,
                             Done<pb::ListOrdersResponse> done) {
  absl::StatusOr<OrderFilter> filter = ReadFilter(request);
  if (!filter.ok()) return done(filter.status(), {});
  Read<pb::ListOrdersResponse>(
      parts_->reader, context, std::move(done),
      [filter = *std::move(filter),
       name = ListName(request)](sql::Connection& connection) mutable -> absl::StatusOr<pb::ListOrdersResponse> {
        const int page_size = filter.limit++;
        SAGAMESH_ASSIGN_OR_RETURN(std::vector<Order> orders, orders::ListOrders(connection, filter));
        pb::ListOrdersResponse response;
        if (CutPage(page_size, orders)) {
          response.set_next_page_token(
              MakePageToken(name, {absl::StrCat(absl::ToUnixMillis(orders.back().created)), orders.back().id}));
        }
        for (const Order& order : orders) Fill(order, *response.add_orders());
        return response;
      });
}

}  // namespace sagamesh::orders
