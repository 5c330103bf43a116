#include "customers/service/customers_logic.h"

#include <set>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/basket/basket.h"
#include "common/paging/paging.h"
#include "common/proto/deterministic.h"
#include "common/status/error.h"
#include "common/uuid/uuid.h"
#include "customers/domain/errors.h"
#include "customers/service/crash_points.h"
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

// A text that may be empty.
absl::Status CheckOptionalText(absl::string_view field, const std::string& value, int characters_max) {
  return value.empty() ? absl::OkStatus() : CheckText(kDomain, field, value, characters_max);
}

std::string OwnerOf(const CallContext& context) { return context.saga.has_value() ? context.saga->saga_id : ""; }

std::string ReserveReply(const Reservation& reservation) {
  pb::ReserveStockResponse response;
  Fill(reservation, *response.mutable_reservation());
  return SerializeDeterministic(response);
}

std::string CommitReply(const Reservation& reservation) {
  pb::CommitReservationResponse response;
  Fill(reservation, *response.mutable_reservation());
  return SerializeDeterministic(response);
}

std::string ReleaseReply(const Reservation& reservation) {
  pb::ReleaseReservationResponse response;
  Fill(reservation, *response.mutable_reservation());
  return SerializeDeterministic(response);
}

std::string RestockReply(const Product& product) {
  pb::RestockResponse response;
  Fill(product, *response.mutable_product());
  return SerializeDeterministic(response);
}

std::string CreateProductReply(const Product& product) {
  pb::CreateProductResponse response;
  Fill(product, *response.mutable_product());
  return SerializeDeterministic(response);
}

std::string CreateCustomerReply(const Customer& customer) {
  pb::CreateCustomerResponse response;
  Fill(customer, *response.mutable_customer());
  return SerializeDeterministic(response);
}

template <typename Value>
absl::StatusOr<std::string> ToReply(absl::StatusOr<Value> value, std::string (*reply)(const Value&)) {
  if (!value.ok()) return value.status();
  return reply(*value);
}

}  // namespace

// The rows that a batch needs.
struct CustomersLogic::Collector {
  std::set<std::string> order_ids;
  std::set<std::string> skus;
  std::set<uint32_t> customer_ids;
  bool next_customer_id = false;

  void operator()(const ReserveCommand& command) {
    order_ids.insert(command.order_id);
    customer_ids.insert(command.customer_id);
    for (const BasketLine& line : command.lines) skus.insert(line.sku);
  }
  void operator()(const CommitCommand& command) { order_ids.insert(command.order_id); }
  void operator()(const ReleaseCommand& command) { order_ids.insert(command.order_id); }
  void operator()(const RestockCommand& command) { skus.insert(command.sku); }
  void operator()(const Product& product) { skus.insert(product.sku); }
  void operator()(const Customer& customer) {
    next_customer_id = true;
    if (customer.id != 0) customer_ids.insert(customer.id);
  }
};

// Decides a command on the working set.
struct CustomersLogic::Decider {
  WorkingSet& set;

  absl::StatusOr<std::string> operator()(const ReserveCommand& command) {
    return ToReply(Reserve(set, command), ReserveReply);
  }
  absl::StatusOr<std::string> operator()(const CommitCommand& command) {
    return ToReply(Commit(set, command.order_id, command.owner), CommitReply);
  }
  absl::StatusOr<std::string> operator()(const ReleaseCommand& command) {
    return ToReply(Release(set, command.order_id, command.owner), ReleaseReply);
  }
  absl::StatusOr<std::string> operator()(const RestockCommand& command) {
    return ToReply(customers::Restock(set, command.sku, command.quantity, command.movement_id), RestockReply);
  }
  absl::StatusOr<std::string> operator()(const Product& product) {
    return ToReply(customers::CreateProduct(set, product), CreateProductReply);
  }
  absl::StatusOr<std::string> operator()(const Customer& customer) {
    return ToReply(customers::CreateCustomer(set, customer), CreateCustomerReply);
  }
};

CustomersLogic::CustomersLogic(CustomersOptions options, sql::Database& database, WorkerPool& pool, Clock& clock,
                               Random& random, metrics::Registry& registry)
    : options_(options),
      clock_(clock),
      random_(random),
      reader_({kDomain, options.read_connections, options.max_queued_reads}, database, pool, clock),
      group_commit_({.name = "customers", .max_queued_operations = options.max_queued_operations}, database, pool,
                    clock, random, registry,
                    [this](sql::Connection& connection, absl::Span<Operation* const> operations) {
                      return RunBatch(connection, operations);
                    }) {}

absl::Status CustomersLogic::Open(sql::Database& database) {
  SAGAMESH_ASSIGN_OR_RETURN(const std::unique_ptr<sql::Connection> connection, database.Connect(sql::Access::kWrite));
  return sql::Migrate(*connection, Migrations());
}

absl::StatusOr<BatchEffect> CustomersLogic::RunBatch(sql::Connection& connection,
                                                     absl::Span<Operation* const> operations) {
  // The lock order: barrier, reservations, products.
  std::vector<BarrierKey> keys;
  Collector wanted;
  for (const Operation* operation : operations) {
    if (operation->barrier.has_value()) keys.push_back(operation->barrier->key);
    std::visit(wanted, operation->command);
  }
  const absl::Time now = clock_.Now();
  SAGAMESH_ASSIGN_OR_RETURN(BarrierRows barrier, BarrierRows::Load(connection, std::move(keys), now));
  WorkingSet set;
  SAGAMESH_RETURN_IF_ERROR(LoadReservations(connection, wanted.order_ids, set));
  for (const auto& [order_id, reservation] : set.reservations) {
    for (const ReservedLine& line : reservation.lines) wanted.skus.insert(line.sku);
  }
  SAGAMESH_RETURN_IF_ERROR(LoadProducts(connection, wanted.skus, set));
  SAGAMESH_RETURN_IF_ERROR(LoadCustomers(connection, wanted.customer_ids, set));
  if (wanted.next_customer_id) SAGAMESH_RETURN_IF_ERROR(LoadNextCustomerId(connection, set));

  for (Operation* operation : operations) RunOperation(set, barrier, *operation);

  const absl::StatusOr<bool> changed = SaveChanges(connection, set, now);
  // Another worker made a row between our reading and our writing: decide again.
  if (changed.status().code() == absl::StatusCode::kAlreadyExists)
    return absl::AbortedError(changed.status().message());
  if (!changed.ok()) return changed.status();
  SAGAMESH_ASSIGN_OR_RETURN(const int marked, barrier.Save(connection));
  for (const Operation* operation : operations) ReachCrashPoint(crash_point::kBeforeCommit, *operation);
  return *changed || marked > 0 ? BatchEffect::kWrote : BatchEffect::kNothing;
}

void CustomersLogic::ReachCrashPoint(absl::string_view point, const Operation& operation) const {
  static_assert(std::variant_size_v<Command> == std::size(crash_point::kMethods));
  if (operation.took_effect()) options_.crash_at.Reached(point, crash_point::kMethods[operation.command.index()]);
}

void CustomersLogic::RunOperation(WorkingSet& set, BarrierRows& barrier, Operation& operation) {
  operation.replayed = false;
  if (!operation.barrier.has_value()) {
    operation.reply = std::visit(Decider{set}, operation.command);
    return;
  }
  const BarrierCall& call = *operation.barrier;
  BarrierRow& row = barrier.Get(call.key);
  const Verdict verdict = CheckBarrier(row, call, clock_.Now(), options_.barrier_retention);
  if (const auto* refusal = std::get_if<absl::Status>(&verdict)) {
    operation.reply = *refusal;
    return;
  }
  if (const auto* replay = std::get_if<Replay>(&verdict)) {
    operation.replayed = !operation.decided;
    operation.reply = StoredReply(*replay);
    return;
  }
  operation.decided = true;
  operation.reply = std::visit(Decider{set}, operation.command);
  if (operation.reply.ok()) {
    RecordSuccess(row, call, *operation.reply);
  } else if (operation.store_refusal && operation.reply.status().code() != absl::StatusCode::kAborted) {
    RecordRefusal(row, call, operation.reply.status());  // all refusals of the domain but ABORTED are definite
  }
}

template <typename Response>
void CustomersLogic::Submit(const CallContext& context, Operation operation, Done<Response> done) {
  const Priority priority = context.saga.has_value() ? Priority::kAccepted : Priority::kNew;
  group_commit_.Submit(std::move(operation), context.deadline, priority,
                       [this, done = std::move(done)](absl::Status status, Operation& finished) mutable {
                         if (status.ok()) ReachCrashPoint(crash_point::kAfterCommit, finished);
                         if (status.ok()) status = finished.reply.status();
                         if (!status.ok()) return done(std::move(status), {finished.replayed});
                         Response response;
                         response.ParseFromString(*finished.reply);
                         done(std::move(response), {finished.replayed});
                       });
}

template <typename Response>
void CustomersLogic::Read(const CallContext& context, Done<Response> done,
                          absl::AnyInvocable<absl::StatusOr<Response>(sql::Connection&)> read) {
  reader_.Read<Response>(
      context.deadline, std::move(read),
      [done = std::move(done)](absl::StatusOr<Response> response) mutable { done(std::move(response), {}); });
}

absl::Status CustomersLogic::Guard(const CallContext& context, absl::string_view method,
                                   const google::protobuf::MessageLite& request, Operation& operation) {
  SAGAMESH_ASSIGN_OR_RETURN(
      operation.barrier,
      MakeBarrierCall(kDomain, context, method, SerializeDeterministic(request), MakeUuidV7(clock_.Now(), random_)));
  operation.store_refusal = context.saga.has_value() || context.idempotency_key.has_value();
  return absl::OkStatus();
}

absl::Status CustomersLogic::GuardReservation(const CallContext& context, absl::string_view method, SagaOp op,
                                              const google::protobuf::MessageLite& request, Operation& operation) {
  if (context.saga.has_value() && context.saga->op != op) {
    return InvalidField(kDomain, "saga-op", absl::StrCat("is not what ", method, " is"));
  }
  if (!context.saga.has_value() && !context.idempotency_key.has_value()) return absl::OkStatus();
  return Guard(context, method, request, operation);
}

void CustomersLogic::CreateCustomer(const CallContext& context, const pb::CreateCustomerRequest& request,
                                    Done<pb::CreateCustomerResponse> done) {
  absl::Status valid = CheckText(kDomain, "name", request.name(), kNameCharactersMax);
  if (valid.ok()) valid = CheckOptionalText("email", request.email(), kNameCharactersMax);
  if (!valid.ok()) return done(valid, {});
  Operation operation{Customer{request.customer_id(), request.name(), request.email()}};
  valid = Guard(context, kCreateCustomer, request, operation);
  if (!valid.ok()) return done(valid, {});
  Submit(context, std::move(operation), std::move(done));
}

void CustomersLogic::CreateProduct(const CallContext& context, const pb::CreateProductRequest& request,
                                   Done<pb::CreateProductResponse> done) {
  absl::Status valid = CheckText(kDomain, "sku", request.sku(), kSkuCharactersMax);
  if (valid.ok()) valid = CheckOptionalText("name", request.name(), kNameCharactersMax);
  if (valid.ok() && (request.price_cents() < 0 || request.price_cents() > kPriceCentsMax)) {
    valid = InvalidField(kDomain, "price_cents", absl::StrCat("must be between 0 and ", kPriceCentsMax));
  }
  if (valid.ok() && request.available() < 0) {
    valid = InvalidField(kDomain, "available", absl::StrCat("must be between 0 and ", kStockMax));
  }
  if (!valid.ok()) return done(valid, {});
  Operation operation{Product{request.sku(), request.name(), request.price_cents(), request.available()}};
  valid = Guard(context, kCreateProduct, request, operation);
  if (!valid.ok()) return done(valid, {});
  Submit(context, std::move(operation), std::move(done));
}

void CustomersLogic::Restock(const CallContext& context, const pb::RestockRequest& request,
                             Done<pb::RestockResponse> done) {
  absl::Status valid = CheckText(kDomain, "sku", request.sku(), kSkuCharactersMax);
  if (valid.ok()) valid = CheckQuantity(kDomain, "quantity", request.quantity());
  if (!valid.ok()) return done(valid, {});
  Operation operation{RestockCommand{request.sku(), request.quantity(), MakeUuidV7(clock_.Now(), random_)}};
  valid = Guard(context, kRestock, request, operation);
  if (!valid.ok()) return done(valid, {});
  Submit(context, std::move(operation), std::move(done));
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
  Operation operation{std::move(command)};
  valid = GuardReservation(context, kReserveStock, SagaOp::kAction, canonical, operation);
  if (!valid.ok()) return done(valid, {});
  Submit(context, std::move(operation), std::move(done));
}

void CustomersLogic::CommitReservation(const CallContext& context, const pb::CommitReservationRequest& request,
                                       Done<pb::CommitReservationResponse> done) {
  Operation operation{CommitCommand{request.order_id(), OwnerOf(context)}};
  absl::Status valid = CheckText(kDomain, "order_id", request.order_id(), kOrderIdCharactersMax);
  if (valid.ok()) valid = GuardReservation(context, kCommitReservation, SagaOp::kAction, request, operation);
  if (!valid.ok()) return done(valid, {});
  Submit(context, std::move(operation), std::move(done));
}

void CustomersLogic::ReleaseReservation(const CallContext& context, const pb::ReleaseReservationRequest& request,
                                        Done<pb::ReleaseReservationResponse> done) {
  Operation operation{ReleaseCommand{request.order_id(), OwnerOf(context)}};
  absl::Status valid = CheckText(kDomain, "order_id", request.order_id(), kOrderIdCharactersMax);
  if (valid.ok()) valid = GuardReservation(context, kReleaseReservation, SagaOp::kCompensation, request, operation);
  if (!valid.ok()) return done(valid, {});
  Submit(context, std::move(operation), std::move(done));
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
        if (static_cast<int>(customers.size()) > limit) {
          customers.resize(limit);
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
        if (static_cast<int>(products.size()) > limit) {
          products.resize(limit);
          response.set_next_page_token(MakePageToken("products", {products.back().sku}));
        }
        for (const Product& product : products) Fill(product, *response.add_products());
        return response;
      });
}

}  // namespace sagamesh::customers
