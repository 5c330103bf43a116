#include "customers/service/customers_logic.h"

#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/basket/basket.h"
#include "common/paging/paging.h"
#include "common/proto/deterministic.h"
#include "common/status/error.h"
#include "common/text/text.h"
#include "common/uuid/uuid.h"
#include "customers/domain/errors.h"
#include "customers/service/messages.h"
#include "customers/store/stock_store.h"

namespace sagamesh::customers {

namespace pb = ::customers::v1;
using error::kDomain;

namespace {

constexpr int kNameCharactersMax = 200;
constexpr int kOrderIdCharactersMax = 64;

constexpr char kCreateCustomer[] = "customers.v1.CustomersService/CreateCustomer";
constexpr char kCreateProduct[] = "customers.v1.StockService/CreateProduct";
constexpr char kRestock[] = "customers.v1.StockService/Restock";
constexpr char kReserveStock[] = "customers.v1.StockService/ReserveStock";
constexpr char kCommitReservation[] = "customers.v1.StockService/CommitReservation";
constexpr char kReleaseReservation[] = "customers.v1.StockService/ReleaseReservation";

std::string OwnerOf(const CallContext& context) { return context.saga.has_value() ? context.saga->saga_id : ""; }

}  // namespace

CustomersLogic::CustomersLogic(CustomersOptions options, sql::Database& database, WorkerPool& pool, Clock& clock,
                               Random& random, metrics::Registry& registry)
    : clock_(clock),
      random_(random),
      reader_({kDomain, options.read_connections, options.max_queued_reads}, database, pool, clock),
      writes_({options.max_queued_operations, options.barrier_retention, options.crash_at}, database, pool, clock,
              random, registry) {}

absl::Status CustomersLogic::Open(sql::Database& database) { return sql::Migrate(database, Migrations()); }

template <typename Response>
void CustomersLogic::Write(const CallContext& context, StockWrite write, Done<Response> done) {
  const Priority priority = context.saga.has_value() ? Priority::kAccepted : Priority::kNew;
  writes_.Submit(std::move(write), context.deadline, priority,
                 [done = std::move(done)](absl::StatusOr<std::string> reply, bool replayed) mutable {
                   if (!reply.ok()) return done(reply.status(), {replayed});
                   Response response;
                   response.ParseFromString(*reply);
                   done(std::move(response), {replayed});
                 });
}

template <typename Response>
void CustomersLogic::Read(const CallContext& context, Done<Response> done,
                          absl::AnyInvocable<absl::StatusOr<Response>(sql::Connection&)> read) {
  reader_.Read<Response>(
      context.deadline, std::move(read),
      [done = std::move(done)](absl::StatusOr<Response> response) mutable { done(std::move(response), {}); });
}

absl::Status CustomersLogic::GuardWrite(const CallContext& context, absl::string_view method,
                                        const google::protobuf::MessageLite& request, StockWrite& write) {
  SAGAMESH_ASSIGN_OR_RETURN(write.barrier, MakeBarrierCall(kDomain, context, method, SerializeDeterministic(request),
                                                           MakeUuidV7(clock_.Now(), random_)));
  write.store_refusal = context.saga.has_value() || context.idempotency_key.has_value();
  return absl::OkStatus();
}

absl::Status CustomersLogic::GuardReservation(const CallContext& context, absl::string_view method, SagaOp op,
                                              const google::protobuf::MessageLite& request, StockWrite& write) {
  SAGAMESH_RETURN_IF_ERROR(CheckSagaOp(kDomain, context, op));
  if (!context.saga.has_value() && !context.idempotency_key.has_value()) return absl::OkStatus();
  return GuardWrite(context, method, request, write);
}

void CustomersLogic::CreateCustomer(const CallContext& context, const pb::CreateCustomerRequest& request,
                                    Done<pb::CreateCustomerResponse> done) {
  absl::Status valid = CheckText(kDomain, "name", request.name(), kNameCharactersMax);
  if (valid.ok()) valid = CheckOptionalText(kDomain, "email", request.email(), kNameCharactersMax);
  if (!valid.ok()) return done(valid, {});
  StockWrite write{Customer{request.customer_id(), request.name(), request.email()}};
  valid = GuardWrite(context, kCreateCustomer, request, write);
  if (!valid.ok()) return done(valid, {});
  Write(context, std::move(write), std::move(done));
}

void CustomersLogic::CreateProduct(const CallContext& context, const pb::CreateProductRequest& request,
                                   Done<pb::CreateProductResponse> done) {
  absl::Status valid = CheckText(kDomain, "sku", request.sku(), kSkuCharactersMax);
  if (valid.ok()) valid = CheckOptionalText(kDomain, "name", request.name(), kNameCharactersMax);
  if (valid.ok() && (request.price_cents() < 0 || request.price_cents() > kPriceCentsMax)) {
    valid = InvalidField(kDomain, "price_cents", absl::StrCat("must be between 0 and ", kPriceCentsMax));
  }
  if (valid.ok() && request.available() < 0) {
    valid = InvalidField(kDomain, "available", absl::StrCat("must be between 0 and ", kStockMax));
  }
  if (!valid.ok()) return done(valid, {});
  StockWrite write{Product{request.sku(), request.name(), request.price_cents(), request.available()}};
  valid = GuardWrite(context, kCreateProduct, request, write);
  if (!valid.ok()) return done(valid, {});
  Write(context, std::move(write), std::move(done));
}

void CustomersLogic::Restock(const CallContext& context, const pb::RestockRequest& request,
                             Done<pb::RestockResponse> done) {
  absl::Status valid = CheckText(kDomain, "sku", request.sku(), kSkuCharactersMax);
  if (valid.ok()) valid = CheckQuantity(kDomain, "quantity", request.quantity());
  if (!valid.ok()) return done(valid, {});
  StockWrite write{RestockCommand{request.sku(), request.quantity(), MakeUuidV7(clock_.Now(), random_)}};
  valid = GuardWrite(context, kRestock, request, write);
  if (!valid.ok()) return done(valid, {});
  Write(context, std::move(write), std::move(done));
}

void CustomersLogic::ReserveStock(const CallContext& context, const pb::ReserveStockRequest& request,
                                  Done<pb::ReserveStockResponse> done) {
  absl::Status valid = CheckText(kDomain, "order_id", request.order_id(), kOrderIdCharactersMax);
  if (valid.ok() && request.customer_id() == 0) valid = InvalidField(kDomain, "customer_id", "must be at least 1");
  // Equal baskets are equal requests.
  pb::ReserveStockRequest canonical = request;
  if (valid.ok()) valid = CanonicalizeItems(kDomain, *canonical.mutable_items());
  if (!valid.ok()) return done(valid, {});
  ReserveCommand command{request.order_id(), OwnerOf(context), request.customer_id(), {}};
  for (const auto& item : canonical.items()) command.lines.push_back({item.sku(), item.quantity()});
  StockWrite write{std::move(command)};
  valid = GuardReservation(context, kReserveStock, SagaOp::kAction, canonical, write);
  if (!valid.ok()) return done(valid, {});
  Write(context, std::move(write), std::move(done));
}

void CustomersLogic::CommitReservation(const CallContext& context, const pb::CommitReservationRequest& request,
                                       Done<pb::CommitReservationResponse> done) {
  StockWrite write{CommitCommand{request.order_id(), OwnerOf(context)}};
  absl::Status valid = CheckText(kDomain, "order_id", request.order_id(), kOrderIdCharactersMax);
  if (valid.ok()) valid = GuardReservation(context, kCommitReservation, SagaOp::kAction, request, write);
  if (!valid.ok()) return done(valid, {});
  Write(context, std::move(write), std::move(done));
}

void CustomersLogic::ReleaseReservation(const CallContext& context, const pb::ReleaseReservationRequest& request,
                                        Done<pb::ReleaseReservationResponse> done) {
  StockWrite write{ReleaseCommand{request.order_id(), OwnerOf(context)}};
  absl::Status valid = CheckText(kDomain, "order_id", request.order_id(), kOrderIdCharactersMax);
  if (valid.ok()) valid = GuardReservation(context, kReleaseReservation, SagaOp::kCompensation, request, write);
  if (!valid.ok()) return done(valid, {});
  Write(context, std::move(write), std::move(done));
}

void CustomersLogic::GetCustomer(const CallContext& context, const pb::GetCustomerRequest& request,
                                 Done<pb::GetCustomerResponse> done) {
  Read<pb::GetCustomerResponse>(
      context, std::move(done),
      [id = request.customer_id()](sql::Connection& connection) -> absl::StatusOr<pb::GetCustomerResponse> {
        SAGAMESH_ASSIGN_OR_RETURN(const std::optional<Customer> customer, FindCustomer(connection, id));
        if (!customer.has_value()) return error::CustomerNotFound(id);
        pb::GetCustomerResponse response;
        Fill(*customer, *response.mutable_customer());
        return response;
      });
}

void CustomersLogic::GetProduct(const CallContext& context, const pb::GetProductRequest& request,
                                Done<pb::GetProductResponse> done) {
  absl::Status valid = CheckText(kDomain, "sku", request.sku(), kSkuCharactersMax);
  if (!valid.ok()) return done(valid, {});
  Read<pb::GetProductResponse>(
      context, std::move(done),
      [sku = request.sku()](sql::Connection& connection) -> absl::StatusOr<pb::GetProductResponse> {
        SAGAMESH_ASSIGN_OR_RETURN(const std::optional<Product> product, FindProduct(connection, sku));
        if (!product.has_value()) return error::ProductNotFound(sku);
        pb::GetProductResponse response;
        Fill(*product, *response.mutable_product());
        return response;
      });
}

void CustomersLogic::ListCustomers(const CallContext& context, const pb::ListCustomersRequest& request,
                                   Done<pb::ListCustomersResponse> done) {
  const absl::StatusOr<int> size = PageSize(kDomain, request.page_size());
  const auto position = ReadPageToken(kDomain, "page_token", "customers", 1, request.page_token());
  if (!size.ok()) return done(size.status(), {});
  uint32_t after = 0;
  if (!position.ok()) return done(position.status(), {});
  if (!(*position)[0].empty() && !absl::SimpleAtoi((*position)[0], &after)) {
    return done(InvalidField(kDomain, "page_token", "is not a token of this list"), {});
  }
  Read<pb::ListCustomersResponse>(
      context, std::move(done),
      [after, limit = *size](sql::Connection& connection) -> absl::StatusOr<pb::ListCustomersResponse> {
        SAGAMESH_ASSIGN_OR_RETURN(std::vector<Customer> customers,
                                  customers::ListCustomers(connection, after, limit + 1));
        pb::ListCustomersResponse response;
        if (CutPage(limit, customers)) {
          response.set_next_page_token(MakePageToken("customers", {absl::StrCat(customers.back().id)}));
        }
        for (const Customer& customer : customers) Fill(customer, *response.add_customers());
        return response;
      });
}

void CustomersLogic::ListProducts(const CallContext& context, const pb::ListProductsRequest& request,
                                  Done<pb::ListProductsResponse> done) {
  const absl::StatusOr<int> size = PageSize(kDomain, request.page_size());
  const auto position = ReadPageToken(kDomain, "page_token", "products", 1, request.page_token());
  if (!size.ok()) return done(size.status(), {});
  if (!position.ok()) return done(position.status(), {});
  Read<pb::ListProductsResponse>(
      context, std::move(done),
      [after = (*position)[0], limit = *size](sql::Connection& connection) -> absl::StatusOr<pb::ListProductsResponse> {
        SAGAMESH_ASSIGN_OR_RETURN(std::vector<Product> products, customers::ListProducts(connection, after, limit + 1));
        pb::ListProductsResponse response;
        if (CutPage(limit, products)) {
          response.set_next_page_token(MakePageToken("products", {products.back().sku}));
        }
        for (const Product& product : products) Fill(product, *response.add_products());
        return response;
      });
}

}  // namespace sagamesh::customers
