#include "customers/service/customers_logic.h"

#include <atomic>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/exec/in_flight.h"
#include "common/exec/threads.h"
#include "common/sql/sqlite.h"
#include "common/testing/status_matchers.h"
#include "common/uuid/uuid.h"
#include "customers/service/demo.h"

namespace sagamesh::customers {
namespace {

namespace pb = ::customers::v1;
using absl::StatusCode;
using ::sagamesh::testing::HasCode;
using ::sagamesh::testing::IsError;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

using Counted = std::vector<int64_t>;
using Basket = std::vector<std::pair<std::string, int32_t>>;

// A database whose COMMITs may answer UNKNOWN although they were done, as a connection lost at the wrong moment does.
class ForgetfulDatabase final : public sql::Database {
 public:
  explicit ForgetfulDatabase(std::unique_ptr<sql::Database> inner) : inner_(std::move(inner)) {}

  std::atomic<int> unknown_commits{0};
  std::atomic<int> commits{0};

  sql::Dialect dialect() const override { return inner_->dialect(); }
  int max_writers() const override { return inner_->max_writers(); }
  absl::StatusOr<std::unique_ptr<sql::Connection>> Connect(sql::Access access) override {
    SAGAMESH_ASSIGN_OR_RETURN(auto connection, inner_->Connect(access));
    return std::make_unique<ForgetfulConnection>(*this, std::move(connection));
  }

 private:
  class ForgetfulConnection final : public sql::Connection {
   public:
    ForgetfulConnection(ForgetfulDatabase& database, std::unique_ptr<sql::Connection> inner)
        : database_(database), inner_(std::move(inner)) {}
    sql::Dialect dialect() const override { return inner_->dialect(); }
    bool alive() const override { return alive_ && inner_->alive(); }
    absl::Status Begin() override { return inner_->Begin(); }
    absl::Status Rollback() override { return inner_->Rollback(); }
    absl::Status Commit() override {
      SAGAMESH_RETURN_IF_ERROR(inner_->Commit());
      database_.commits++;
      if (database_.unknown_commits == 0) return absl::OkStatus();
      database_.unknown_commits--;
      alive_ = false;
      return absl::UnknownError("the connection was lost");
    }
    absl::StatusOr<int64_t> Execute(absl::string_view statement, absl::Span<const sql::Value> parameters) override {
      return inner_->Execute(statement, parameters);
    }
    absl::StatusOr<std::vector<sql::Row>> Query(absl::string_view statement,
                                                absl::Span<const sql::Value> parameters) override {
      return inner_->Query(statement, parameters);
    }

   private:
    ForgetfulDatabase& database_;
    std::unique_ptr<sql::Connection> inner_;
    bool alive_ = true;
  };

  std::unique_ptr<sql::Database> inner_;
};

class CustomersLogicTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    directory_ = std::filesystem::path(::testing::TempDir()) / absl::StrCat("customers-logic-", info->name());
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
    database_ =
        std::make_unique<ForgetfulDatabase>(sql::MakeSqliteDatabase((directory_ / "customers.db").string(), clock_));
    ASSERT_OK(CustomersLogic::Open(*database_));
    logic_ = std::make_unique<CustomersLogic>(CustomersOptions(), *database_, *pool_, clock_, *random_, registry_);
    pb::CreateCustomerRequest customer;
    customer.set_customer_id(1);
    customer.set_name("Ada");
    ASSERT_OK(Call(&CustomersLogic::CreateCustomer, {}, customer));
    ASSERT_OK(Create("a", 10));
    ASSERT_OK(Create("b", 5, 100));
  }

  void TearDown() override {
    CheckLedger();
    pool_->Shutdown();
    logic_.reset();
    database_.reset();
    std::filesystem::remove_all(directory_);
  }

  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(void (CustomersLogic::*method)(const CallContext&, const Request&, Done<Response>),
                                const CallContext& context, const Request& request) {
    std::promise<absl::StatusOr<Response>> promise;
    ((*logic_).*method)(context, request, [&](absl::StatusOr<Response> response, ReplyInfo info) {
      info_ = info;
      promise.set_value(std::move(response));
    });
    absl::StatusOr<Response> response = promise.get_future().get();
    EXPECT_TRUE(response.ok() || !GetReason(response.status()).empty()) << response.status();
    return response;
  }

  absl::StatusOr<pb::CreateProductResponse> Create(const std::string& sku, int32_t available, int64_t price_cents = 250,
                                                   const CallContext& context = {}) {
    pb::CreateProductRequest request;
    request.set_sku(sku);
    request.set_name(sku);
    request.set_price_cents(price_cents);
    request.set_available(available);
    return Call(&CustomersLogic::CreateProduct, context, request);
  }

  absl::StatusOr<pb::RestockResponse> Restock(const std::string& sku, int32_t quantity,
                                              const CallContext& context = {}) {
    pb::RestockRequest request;
    request.set_sku(sku);
    request.set_quantity(quantity);
    return Call(&CustomersLogic::Restock, context, request);
  }

  static pb::ReserveStockRequest ReserveRequest(const std::string& order_id, const Basket& basket,
                                                uint32_t customer_id = 1) {
    pb::ReserveStockRequest request;
    request.set_order_id(order_id);
    request.set_customer_id(customer_id);
    for (const auto& [sku, quantity] : basket) {
      auto* item = request.add_items();
      item->set_sku(sku);
      item->set_quantity(quantity);
    }
    return request;
  }

  absl::StatusOr<pb::Reservation> Reserve(const std::string& order_id, const Basket& basket,
                                          const CallContext& context = {}, uint32_t customer_id = 1) {
    auto response = Call(&CustomersLogic::ReserveStock, context, ReserveRequest(order_id, basket, customer_id));
    if (!response.ok()) return response.status();
    return response->reservation();
  }

  absl::StatusOr<pb::Reservation> Commit(const std::string& order_id, const CallContext& context = {}) {
    pb::CommitReservationRequest request;
    request.set_order_id(order_id);
    auto response = Call(&CustomersLogic::CommitReservation, context, request);
    if (!response.ok()) return response.status();
    return response->reservation();
  }

  absl::StatusOr<pb::Reservation> Release(const std::string& order_id, const CallContext& context = {}) {
    pb::ReleaseReservationRequest request;
    request.set_order_id(order_id);
    auto response = Call(&CustomersLogic::ReleaseReservation, context, request);
    if (!response.ok()) return response.status();
    return response->reservation();
  }

  // available, reserved, sold
  Counted Counts(const std::string& sku) {
    pb::GetProductRequest request;
    request.set_sku(sku);
    const auto response = Call(&CustomersLogic::GetProduct, {}, request);
    EXPECT_OK(response);
    const pb::Product& product = response->product();
    return {product.available(), product.reserved(), product.sold()};
  }

  std::string NewSaga() { return MakeUuidV7(clock_.Now(), *random_); }

  CallContext Saga(const std::string& id, const std::string& step, SagaOp op = SagaOp::kAction, uint64_t epoch = 1) {
    CallContext context;
    context.saga = SagaCall{id, step, op, epoch};
    context.idempotency_key = absl::StrCat(id, "/", step, "/", op == SagaOp::kAction ? "action" : "compensation");
    return context;
  }
  CallContext Undo(const std::string& id, uint64_t epoch = 1) {
    return Saga(id, "create_order", SagaOp::kCompensation, epoch);
  }

  static CallContext Key(const std::string& key) {
    CallContext context;
    context.idempotency_key = key;
    return context;
  }

  // Invariant 1, from the rows themselves.
  void CheckLedger() {
    const auto connection = database_->Connect(sql::Access::kRead);
    ASSERT_OK(connection);
    const auto rows =
        (*connection)
            ->Query(
                "SELECT p.sku, p.available - SUM(m.available), p.reserved - SUM(m.reserved), p.sold - SUM(m.sold), "
                "p.available + p.reserved + p.sold - "
                "SUM(CASE WHEN m.kind IN ('initial', 'restock') THEN m.available ELSE 0 END), "
                "MIN(p.available, p.reserved, p.sold) "
                "FROM products p JOIN movements m ON m.sku = p.sku GROUP BY p.sku");
    ASSERT_OK(rows);
    EXPECT_GE(rows->size(), 2u);
    for (const sql::Row& row : *rows) {
      for (size_t column = 1; column <= 4; column++) EXPECT_EQ(row.Int(column), 0) << row.Text(0) << " " << column;
      EXPECT_GE(row.Int(5), 0) << row.Text(0);
    }
  }

  SystemClock clock_;
  std::unique_ptr<Random> random_ = MakeSystemRandom();
  metrics::Registry registry_;
  std::unique_ptr<WorkerPool> pool_ = MakeThreadPool("test", 3);
  std::filesystem::path directory_;
  std::unique_ptr<ForgetfulDatabase> database_;
  std::unique_ptr<CustomersLogic> logic_;
  ReplyInfo info_;
};

const auto kOwned = IsError(StatusCode::kFailedPrecondition, "RESERVATION_OWNED_BY_SAGA");
const auto kCompensated = IsError(StatusCode::kAborted, "ALREADY_COMPENSATED");
const auto kReused = IsError(StatusCode::kInvalidArgument, "IDEMPOTENCY_KEY_REUSED");
const auto kStale = IsError(StatusCode::kAborted, "STALE_EPOCH");
const auto kTooOld = IsError(StatusCode::kFailedPrecondition, "TOO_OLD");

// Reservations.

TEST_F(CustomersLogicTest, AReservationAnswersItsMergedSortedItemsWithTheirPrices) {
  const auto reservation = Reserve("o", {{"b", 1}, {"a", 2}, {"b", 3}});
  ASSERT_OK(reservation);
  EXPECT_EQ(reservation->order_id(), "o");
  EXPECT_EQ(reservation->status(), pb::Reservation::RESERVED);
  EXPECT_EQ(reservation->customer_id(), 1u);
  ASSERT_EQ(reservation->items_size(), 2);
  EXPECT_EQ(reservation->items(0).sku(), "a");
  EXPECT_EQ(reservation->items(0).unit_price_cents(), 250);
  EXPECT_EQ(reservation->items(1).quantity(), 4);
  EXPECT_EQ(Counts("a"), (Counted{8, 2, 0}));
  EXPECT_EQ(Counts("b"), (Counted{1, 4, 0}));
}

TEST_F(CustomersLogicTest, AReservationIsAllOrNothingAndSaysWhatLacks) {
  const auto refused = Reserve("o", {{"a", 2}, {"b", 101}});
  EXPECT_THAT(refused, IsError(StatusCode::kFailedPrecondition, "INSUFFICIENT_STOCK"));
  EXPECT_EQ(refused.status().message(), "Stock insuficiente para b: solicitado 101, disponible 5");
  const auto metadata = GetErrorInfo(refused.status())->metadata();
  EXPECT_EQ(metadata.at("sku"), "b");
  EXPECT_EQ(metadata.at("requested"), "101");
  EXPECT_EQ(metadata.at("available"), "5");
  EXPECT_EQ(Counts("a"), (Counted{10, 0, 0}));
}

TEST_F(CustomersLogicTest, UnknownCustomersAndSkusAreNamed) {
  const auto nobody = Reserve("o", {{"a", 1}}, {}, 7);
  EXPECT_THAT(nobody, IsError(StatusCode::kNotFound, "CUSTOMER_NOT_FOUND"));
  EXPECT_THAT(std::string(nobody.status().message()), HasSubstr("customer 7 not found"));
  const auto nothing = Reserve("o", {{"a", 1}, {"c", 1}});
  EXPECT_THAT(nothing, IsError(StatusCode::kNotFound, "PRODUCT_NOT_FOUND"));
  EXPECT_THAT(std::string(nothing.status().message()), HasSubstr("c not found"));
  EXPECT_EQ(Counts("a"), (Counted{10, 0, 0}));
}

TEST_F(CustomersLogicTest, BadInputIsRefusedByItsFieldsName) {
  const Basket many(101, {"a", 1});
  const std::string long_text(65, 'x');
  const struct {
    pb::ReserveStockRequest request;
    const char* field;
  } cases[] = {
      {ReserveRequest("", {{"a", 1}}), "order_id: "},
      {ReserveRequest(long_text, {{"a", 1}}), "order_id: "},
      {ReserveRequest("o\n", {{"a", 1}}), "order_id: "},
      {ReserveRequest("o", {{"a", 1}}, 0), "customer_id: "},
      {ReserveRequest("o", {}), "items: "},
      {ReserveRequest("o", many), "items: "},
      {ReserveRequest("o", {{"a", 1}, {"", 1}}), "items[1].sku: "},
      {ReserveRequest("o", {{long_text, 1}}), "items[0].sku: "},
      {ReserveRequest("o", {{std::string("a\0b", 3), 1}}), "items[0].sku: "},
      {ReserveRequest("o", {{"\xC3\x28", 1}}), "items[0].sku: "},
      {ReserveRequest("o", {{"a", 1}, {"a", 1}, {"a", 0}}), "items[2].quantity: must be between 1 and 1000000000"},
      {ReserveRequest("o", {{"a", -1}}), "items[0].quantity: "},
      {ReserveRequest("o", {{"a", 1'000'000'001}}), "items[0].quantity: "},
      {ReserveRequest("o", {{"a", 1'000'000'000}, {"a", 1}}), "items[1].quantity: "},
  };
  for (const auto& bad : cases) {
    const auto refused = Call(&CustomersLogic::ReserveStock, {}, bad.request);
    EXPECT_THAT(refused, IsError(StatusCode::kInvalidArgument, "INVALID_FIELD"));
    EXPECT_THAT(std::string(refused.status().message()), StartsWith(bad.field));
  }
  EXPECT_EQ(Counts("a"), (Counted{10, 0, 0}));
}

TEST_F(CustomersLogicTest, ADirectReservationIsRepeatableByItsOrder) {
  const auto first = Reserve("o", {{"a", 2}, {"b", 1}});
  const auto again = Reserve("o", {{"b", 1}, {"a", 2}});
  ASSERT_OK(again);
  EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString());
  EXPECT_THAT(Reserve("o", {{"a", 3}}), kReused);
  ASSERT_OK(Commit("o"));
  EXPECT_EQ(Commit("o")->status(), pb::Reservation::COMMITTED);
  EXPECT_EQ(Counts("a"), (Counted{8, 0, 2}));
  ASSERT_OK(Release("o"));
  EXPECT_EQ(Release("o")->status(), pb::Reservation::RELEASED);
  EXPECT_EQ(Counts("a"), (Counted{10, 0, 0}));
  EXPECT_THAT(Reserve("o", {{"a", 2}, {"b", 1}}), kCompensated);
  EXPECT_THAT(Commit("o"), kCompensated);
}

TEST_F(CustomersLogicTest, ADirectRefusalWithoutAKeyIsDecidedAnew) {
  EXPECT_THAT(Commit("o"), IsError(StatusCode::kNotFound, "RESERVATION_NOT_FOUND"));
  EXPECT_THAT(Reserve("o", {{"a", 11}}), HasCode(StatusCode::kFailedPrecondition));
  ASSERT_OK(Restock("a", 1));
  ASSERT_OK(Reserve("o", {{"a", 11}}));
  EXPECT_OK(Commit("o"));
}

TEST_F(CustomersLogicTest, ADirectCallWithAKeyIsGuardedByTheKey) {
  ASSERT_OK(Reserve("o", {{"a", 2}}, Key("k")));
  EXPECT_FALSE(info_.replayed);
  ASSERT_OK(Reserve("o", {{"a", 2}}, Key("k")));
  EXPECT_TRUE(info_.replayed);
  EXPECT_THAT(Reserve("o2", {{"a", 2}}, Key("k")), kReused);
  EXPECT_EQ(Counts("a"), (Counted{8, 2, 0}));
}

TEST_F(CustomersLogicTest, OnlyTheOwnerTouchesAReservation) {
  const std::string saga = NewSaga();
  ASSERT_OK(Reserve("o", {{"a", 2}}, Saga(saga, "create_order")));
  EXPECT_THAT(Reserve("o", {{"a", 2}}), kOwned);
  EXPECT_THAT(Commit("o"), kOwned);
  EXPECT_THAT(Release("o"), kOwned);
  EXPECT_THAT(Release("o", Undo(NewSaga())), kOwned);
  EXPECT_THAT(Commit("o", Saga(NewSaga(), "confirm_order")), kOwned);
  ASSERT_OK(Reserve("direct", {{"a", 1}}));
  EXPECT_THAT(Release("direct", Undo(NewSaga())), kOwned);
  EXPECT_EQ(Counts("a"), (Counted{7, 3, 0}));
  EXPECT_OK(Commit("o", Saga(saga, "confirm_order")));
}

// The barrier, by the methods of this service.

TEST_F(CustomersLogicTest, ARepeatedActionAnswersItsStoredResult) {
  const std::string saga = NewSaga();
  const auto first = Reserve("o", {{"a", 2}}, Saga(saga, "create_order"));
  ASSERT_OK(first);
  EXPECT_FALSE(info_.replayed);
  ASSERT_OK(Commit("o", Saga(saga, "confirm_order")));
  const auto again = Reserve("o", {{"a", 2}}, Saga(saga, "create_order", SagaOp::kAction, 2));
  ASSERT_OK(again);
  EXPECT_TRUE(info_.replayed);
  EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString()) << "although it is committed meanwhile";
  ASSERT_OK(Commit("o", Saga(saga, "confirm_order", SagaOp::kAction, 2)));
  EXPECT_EQ(Counts("a"), (Counted{8, 0, 2}));
}

TEST_F(CustomersLogicTest, ADefiniteRefusalOfASagaIsStored) {
  const std::string saga = NewSaga();
  const auto first = Reserve("o", {{"a", 11}}, Saga(saga, "create_order"));
  ASSERT_OK(Restock("a", 100));
  const auto again = Reserve("o", {{"a", 11}}, Saga(saga, "create_order"));
  EXPECT_THAT(again, IsError(StatusCode::kFailedPrecondition, "INSUFFICIENT_STOCK"));
  EXPECT_EQ(SerializeStatus(again.status()), SerializeStatus(first.status()));
  EXPECT_EQ(Counts("a"), (Counted{110, 0, 0}));
}

TEST_F(CustomersLogicTest, ARepeatedActionWithAnotherPayloadIsRefused) {
  const std::string saga = NewSaga();
  ASSERT_OK(Reserve("o", {{"a", 2}}, Saga(saga, "create_order")));
  EXPECT_THAT(Reserve("o", {{"a", 3}}, Saga(saga, "create_order")), kReused);
  EXPECT_THAT(Reserve("o2", {{"a", 2}}, Saga(saga, "create_order")), kReused);
  EXPECT_EQ(Counts("a"), (Counted{8, 2, 0}));
}

TEST_F(CustomersLogicTest, ACompensationUndoesOnce) {
  const std::string saga = NewSaga();
  ASSERT_OK(Reserve("o", {{"a", 2}}, Saga(saga, "create_order")));
  const auto first = Release("o", Undo(saga));
  ASSERT_OK(first);
  EXPECT_EQ(first->status(), pb::Reservation::RELEASED);
  const auto again = Release("o", Undo(saga));
  ASSERT_OK(again);
  EXPECT_TRUE(info_.replayed);
  EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString());
  EXPECT_EQ(Counts("a"), (Counted{10, 0, 0}));
}

TEST_F(CustomersLogicTest, ACompensationAfterACommitIsAReversal) {
  const std::string saga = NewSaga();
  ASSERT_OK(Reserve("o", {{"a", 2}}, Saga(saga, "create_order")));
  ASSERT_OK(Commit("o", Saga(saga, "confirm_order")));
  ASSERT_OK(Release("o", Undo(saga)));
  EXPECT_EQ(Counts("a"), (Counted{10, 0, 0}));
}

TEST_F(CustomersLogicTest, ANullCompensationSucceedsAndLeavesTheMark) {
  const std::string saga = NewSaga();
  const auto released = Release("o", Undo(saga));
  ASSERT_OK(released);
  EXPECT_EQ(released->status(), pb::Reservation::RELEASED);
  EXPECT_EQ(released->items_size(), 0);
  EXPECT_THAT(Reserve("o", {{"a", 2}}, Saga(saga, "create_order")), kCompensated);
  EXPECT_THAT(Commit("o", Saga(saga, "confirm_order")), kCompensated);
  EXPECT_THAT(Reserve("another order of it", {{"a", 2}}, Saga(saga, "create_order")), kCompensated);
  EXPECT_EQ(Counts("a"), (Counted{10, 0, 0}));
}

TEST_F(CustomersLogicTest, ALateRepeatedActionAfterItsCompensationIsRefused) {
  const std::string saga = NewSaga();
  ASSERT_OK(Reserve("o", {{"a", 2}}, Saga(saga, "create_order")));
  ASSERT_OK(Release("o", Undo(saga)));
  EXPECT_THAT(Reserve("o", {{"a", 2}}, Saga(saga, "create_order")), kCompensated);
  EXPECT_EQ(Counts("a"), (Counted{10, 0, 0}));
}

TEST_F(CustomersLogicTest, ALowerEpochIsRefusedBeforeAnyStoredResult) {
  const std::string saga = NewSaga();
  ASSERT_OK(Reserve("o", {{"a", 2}}, Saga(saga, "create_order", SagaOp::kAction, 3)));
  EXPECT_THAT(Reserve("o", {{"a", 2}}, Saga(saga, "create_order", SagaOp::kAction, 2)), kStale);
  EXPECT_THAT(Commit("o", Saga(saga, "confirm_order", SagaOp::kAction, 2)), kStale);
  EXPECT_THAT(Release("o", Undo(saga, 2)), kStale);
  EXPECT_EQ(Counts("a"), (Counted{8, 2, 0}));
  EXPECT_OK(Commit("o", Saga(saga, "confirm_order", SagaOp::kAction, 3)));
}

TEST_F(CustomersLogicTest, TheEpochOfARefusedCallIsRememberedToo) {
  const std::string saga = NewSaga();
  EXPECT_THAT(Commit("o", Saga(saga, "confirm_order", SagaOp::kAction, 5)), HasCode(StatusCode::kNotFound));
  EXPECT_THAT(Reserve("o", {{"a", 2}}, Saga(saga, "create_order", SagaOp::kAction, 4)), kStale);
}

TEST_F(CustomersLogicTest, ASagaOlderThanTheRetentionIsRefused) {
  const std::string saga = MakeUuidV7(clock_.Now() - absl::Hours(169), *random_);
  EXPECT_THAT(Reserve("o", {{"a", 2}}, Saga(saga, "create_order")), kTooOld);
  EXPECT_THAT(Commit("o", Saga(saga, "confirm_order")), kTooOld);
  EXPECT_THAT(Release("o", Undo(saga)), kTooOld);
  EXPECT_EQ(Counts("a"), (Counted{10, 0, 0}));
}

TEST_F(CustomersLogicTest, ASagaThatIsNoUuidV7IsRefused) {
  EXPECT_THAT(Reserve("o", {{"a", 2}}, Saga("saga", "create_order")),
              IsError(StatusCode::kInvalidArgument, "SAGA_ID_INVALID"));
}

TEST_F(CustomersLogicTest, AnActionThatIsSentAsACompensationIsRefused) {
  const std::string saga = NewSaga();
  EXPECT_THAT(Reserve("o", {{"a", 2}}, Undo(saga)), HasCode(StatusCode::kInvalidArgument));
  EXPECT_THAT(Release("o", Saga(saga, "cancel")), HasCode(StatusCode::kInvalidArgument));
  EXPECT_OK(Reserve("o", {{"a", 2}}, Saga(saga, "create_order"))) << "no mark was left";
}

// Products and customers.

TEST_F(CustomersLogicTest, ARestockWithAKeyAddsOnce) {
  ASSERT_OK(Restock("a", 5, Key("k")));
  EXPECT_FALSE(info_.replayed);
  const auto again = Restock("a", 5, Key("k"));
  ASSERT_OK(again);
  EXPECT_TRUE(info_.replayed);
  EXPECT_EQ(again->product().available(), 15);
  EXPECT_THAT(Restock("a", 6, Key("k")), kReused);
  EXPECT_EQ(Counts("a"), (Counted{15, 0, 0}));
}

TEST_F(CustomersLogicTest, ARestockWithoutAKeyAddsEachTime) {
  ASSERT_OK(Restock("a", 5));
  ASSERT_OK(Restock("a", 5));
  EXPECT_FALSE(info_.replayed);
  EXPECT_EQ(Counts("a"), (Counted{20, 0, 0}));
}

TEST_F(CustomersLogicTest, StockHasALimit) {
  ASSERT_OK(Restock("a", 1'000'000'000));
  ASSERT_OK(Restock("a", 1'000'000'000));
  EXPECT_THAT(Restock("a", 1'000'000'000), IsError(StatusCode::kFailedPrecondition, "STOCK_LIMIT"));
  EXPECT_THAT(Restock("a", 0), HasCode(StatusCode::kInvalidArgument));
  EXPECT_THAT(Restock("c", 1), IsError(StatusCode::kNotFound, "PRODUCT_NOT_FOUND"));
  EXPECT_EQ(Counts("a"), (Counted{2'000'000'010, 0, 0}));
}

TEST_F(CustomersLogicTest, AProductWithAKeyIsMadeOnce) {
  const auto first = Create("c", 7, 100, Key("k"));
  ASSERT_OK(first);
  const auto again = Create("c", 7, 100, Key("k"));
  ASSERT_OK(again);
  EXPECT_TRUE(info_.replayed);
  EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString());
  EXPECT_THAT(Create("c", 7, 100), IsError(StatusCode::kAlreadyExists, "PRODUCT_EXISTS"));
  EXPECT_EQ(Counts("c"), (Counted{7, 0, 0}));
}

TEST_F(CustomersLogicTest, AProductsFieldsHaveLimits) {
  const auto refused = [&](const std::string& sku, int32_t available, int64_t price) {
    return std::string(Create(sku, available, price).status().message());
  };
  EXPECT_THAT(refused("", 1, 1), StartsWith("sku: "));
  EXPECT_THAT(refused("c", -1, 1), StartsWith("available: "));
  EXPECT_THAT(refused("c", 1, -1), StartsWith("price_cents: "));
  EXPECT_THAT(refused("c", 1, 1'000'000'000'001), StartsWith("price_cents: "));
  EXPECT_OK(Create("c", 2'147'483'647, 1'000'000'000'000));
  EXPECT_OK(Create("d", 0, 0));
}

TEST_F(CustomersLogicTest, ATotalThatOverflowsIsRefused) {
  ASSERT_OK(Create("dear", 2'000'000'000, 1'000'000'000'000));
  const auto refused = Reserve("o", {{"dear", 10'000'000}});
  EXPECT_THAT(refused, IsError(StatusCode::kInvalidArgument, "TOTAL_OVERFLOW"));
  EXPECT_THAT(std::string(refused.status().message()), StartsWith("items"));
}

TEST_F(CustomersLogicTest, CustomersAreMadeFoundAndListed) {
  pb::CreateCustomerRequest request;
  request.set_name("Bob");
  request.set_email("bob@example.org");
  const auto created = Call(&CustomersLogic::CreateCustomer, Key("k"), request);
  ASSERT_OK(created);
  EXPECT_EQ(created->customer().customer_id(), 2u);
  EXPECT_EQ(Call(&CustomersLogic::CreateCustomer, Key("k"), request)->customer().customer_id(), 2u);
  pb::GetCustomerRequest get;
  get.set_customer_id(2);
  EXPECT_EQ(Call(&CustomersLogic::GetCustomer, {}, get)->customer().email(), "bob@example.org");
  get.set_customer_id(3);
  EXPECT_THAT(Call(&CustomersLogic::GetCustomer, {}, get), IsError(StatusCode::kNotFound, "CUSTOMER_NOT_FOUND"));
  request.set_customer_id(2);
  EXPECT_THAT(Call(&CustomersLogic::CreateCustomer, {}, request),
              IsError(StatusCode::kAlreadyExists, "CUSTOMER_EXISTS"));
  request.set_name("");
  EXPECT_THAT(Call(&CustomersLogic::CreateCustomer, {}, request), HasCode(StatusCode::kInvalidArgument));
  request.set_name(std::string(201, 'x'));
  EXPECT_THAT(Call(&CustomersLogic::CreateCustomer, {}, request), HasCode(StatusCode::kInvalidArgument));
}

TEST_F(CustomersLogicTest, ProductsAreListedInPagesThatInsertsDoNotDisturb) {
  for (const char* sku : {"c", "d", "e"}) ASSERT_OK(Create(sku, 1));
  pb::ListProductsRequest request;
  request.set_page_size(2);
  std::vector<std::string> seen;
  for (int page = 0; page < 3; page++) {
    const auto response = Call(&CustomersLogic::ListProducts, {}, request);
    ASSERT_OK(response);
    for (const pb::Product& product : response->products()) seen.push_back(product.sku());
    request.set_page_token(response->next_page_token());
    EXPECT_EQ(response->next_page_token().empty(), page == 2);
    if (page == 0) {
      ASSERT_OK(Create("Z before all", 1));
    }
  }
  EXPECT_THAT(seen, ElementsAre("a", "b", "c", "d", "e"));
}

TEST_F(CustomersLogicTest, PagesHaveLimitsAndTokensAreOurs) {
  pb::ListProductsRequest request;
  for (const int size : {-1, 501}) {
    request.set_page_size(size);
    const auto refused = Call(&CustomersLogic::ListProducts, {}, request);
    EXPECT_THAT(refused, HasCode(StatusCode::kInvalidArgument));
    EXPECT_THAT(std::string(refused.status().message()), StartsWith("page_size"));
  }
  pb::ListCustomersRequest customers;
  for (const char* token : {"!", "abc", "////"}) {
    customers.set_page_token(token);
    const auto refused = Call(&CustomersLogic::ListCustomers, {}, customers);
    EXPECT_THAT(refused, HasCode(StatusCode::kInvalidArgument)) << token;
    EXPECT_THAT(std::string(refused.status().message()), StartsWith("page_token"));
  }
  request.set_page_size(1);
  customers.set_page_token(Call(&CustomersLogic::ListProducts, {}, request)->next_page_token());
  EXPECT_THAT(Call(&CustomersLogic::ListCustomers, {}, customers), HasCode(StatusCode::kInvalidArgument))
      << "a token of another list";
}

TEST_F(CustomersLogicTest, DemoDataIsAddedOnceAndChangesNothing) {
  const auto seed = [&] {
    SeedDemo(*logic_);
    ASSERT_OK(Create("after", 1, 1, Key("after")));  // behind the seed in the same queue
  };
  seed();
  EXPECT_EQ(Counts("prod-123"), (Counted{100, 0, 0}));
  ASSERT_OK(Reserve("o", {{"prod-123", 3}}));
  const int commits = database_->commits;
  seed();
  EXPECT_EQ(Counts("prod-123"), (Counted{97, 3, 0}));
  EXPECT_EQ(database_->commits, commits) << "a second seed writes nothing";
  pb::GetCustomerRequest get;
  get.set_customer_id(1);
  EXPECT_EQ(Call(&CustomersLogic::GetCustomer, {}, get)->customer().name(), "Ada") << "it was there already";
}

// Group commit.

TEST_F(CustomersLogicTest, OneCallerCostsOneCommitAWriteAndNoneForARefusal) {
  int commits = database_->commits;
  ASSERT_OK(Reserve("o", {{"a", 2}}));
  EXPECT_EQ(database_->commits, ++commits);
  EXPECT_THAT(Reserve("o2", {{"a", 200}}), HasCode(StatusCode::kFailedPrecondition));
  EXPECT_THAT(Create("a", 1), HasCode(StatusCode::kAlreadyExists));
  EXPECT_EQ(database_->commits, commits);
}

TEST_F(CustomersLogicTest, AnUnknownCommitIsRunAgainWithoutASecondEffect) {
  const auto forget = [&] { database_->unknown_commits = 1; };
  forget();
  ASSERT_OK(Restock("a", 5));
  EXPECT_FALSE(info_.replayed) << "the stored result is its own";
  forget();
  ASSERT_OK(Create("c", 1));
  forget();
  ASSERT_OK(Reserve("o", {{"a", 1}}));
  forget();
  ASSERT_OK(Commit("o"));
  forget();
  ASSERT_OK(Reserve("o2", {{"a", 2}}, Saga(NewSaga(), "create_order")));
  EXPECT_FALSE(info_.replayed);
  forget();
  pb::CreateCustomerRequest customer;
  customer.set_name("Bob");
  EXPECT_EQ(Call(&CustomersLogic::CreateCustomer, {}, customer)->customer().customer_id(), 2u);
  EXPECT_EQ(Counts("a"), (Counted{12, 2, 1}));
  EXPECT_EQ(database_->unknown_commits, 0);
}

TEST_F(CustomersLogicTest, AThousandCallersOfAHotSkuGetExactlyWhatThereIs) {
  constexpr int kCallers = 1000;
  constexpr int kStock = 600;
  ASSERT_OK(Create("hot", kStock));
  InFlight in_flight;
  std::atomic<int> reserved{0};
  std::atomic<int> refused{0};
  const int commits = database_->commits;
  for (int i = 0; i < kCallers; i++) {
    in_flight.Begin();
    const CallContext context = i % 2 == 0 ? Saga(NewSaga(), "create_order") : CallContext();
    logic_->ReserveStock(context, ReserveRequest(absl::StrCat("o", i), {{"hot", 1}}),
                         [&](absl::StatusOr<pb::ReserveStockResponse> response, ReplyInfo) {
                           const bool lacks = GetReason(response.status()) == "INSUFFICIENT_STOCK";
                           if (response.ok()) reserved++;
                           if (lacks) refused++;
                           in_flight.End();
                         });
  }
  in_flight.WaitForNone();
  EXPECT_EQ(reserved, kStock);
  EXPECT_EQ(refused, kCallers - kStock);
  EXPECT_EQ(Counts("hot"), (Counted{0, kStock, 0}));
  EXPECT_LT(database_->commits - commits, kCallers / 4) << "they share commits";
}

TEST_F(CustomersLogicTest, DuplicatesInOneBatchHaveOneEffect) {
  const std::string saga = NewSaga();
  InFlight in_flight;
  Mutex mutex;
  std::set<std::string> answers;
  for (int i = 0; i < 100; i++) {
    in_flight.Begin();
    logic_->ReserveStock(Saga(saga, "create_order"), ReserveRequest("o", {{"a", 3}}),
                         [&](absl::StatusOr<pb::ReserveStockResponse> response, ReplyInfo) {
                           {
                             MutexLock lock(mutex);
                             answers.insert(response.ok() ? response->SerializeAsString() : "refused");
                           }
                           in_flight.End();
                         });
  }
  in_flight.WaitForNone();
  EXPECT_EQ(answers.size(), 1u);
  EXPECT_EQ(Counts("a"), (Counted{7, 3, 0}));
}

}  // namespace
}  // namespace sagamesh::customers
