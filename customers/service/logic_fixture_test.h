#ifndef SAGAMESH_CUSTOMERS_SERVICE_LOGIC_FIXTURE_TEST_H_
#define SAGAMESH_CUSTOMERS_SERVICE_LOGIC_FIXTURE_TEST_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/exec/threads.h"
#include "common/testing/engines.h"
#include "common/testing/scripted_database.h"
#include "common/testing/status_matchers.h"
#include "common/uuid/uuid.h"
#include "customers/service/customers_logic.h"

// CustomersLogic over a real database and real threads.

namespace sagamesh::customers::testing {

namespace pb = ::customers::v1;
using ::sagamesh::testing::EngineName;
using ::sagamesh::testing::HasCode;
using ::sagamesh::testing::IsError;
using ::sagamesh::testing::ServerEngines;
using ::sagamesh::testing::SqliteEngine;

using Counted = std::vector<int64_t>;  // available, reserved, sold
using Basket = std::vector<std::pair<std::string, int32_t>>;

// Customer 1, ten units of "a" at 2.50 and five of "b" at 1.00; at its end the ledger must add up.
class CustomersLogicTest : public ::testing::TestWithParam<sagamesh::testing::Engine> {
 protected:
  CustomersLogicTest() {
    EXPECT_OK(CustomersLogic::Open(database_));
    logic_ = std::make_unique<CustomersLogic>(CustomersOptions(), database_, *pool_, clock_, *random_, registry_);
    pb::CreateCustomerRequest customer;
    customer.set_customer_id(1);
    customer.set_name("Ada");
    EXPECT_OK(Call(&CustomersLogic::CreateCustomer, {}, customer));
    EXPECT_OK(Create("a", 10));
    EXPECT_OK(Create("b", 5, 100));
  }
  ~CustomersLogicTest() override {
    CheckLedger();
    pool_->Shutdown();
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
    const auto connection = database_.Connect(sql::Access::kRead);
    ASSERT_OK(connection);
    const auto rows =
        (*connection)
            ->Query(
                "SELECT p.sku, p.available - SUM(m.available), p.reserved - SUM(m.reserved), p.sold - SUM(m.sold), "
                "p.available + p.reserved + p.sold - "
                "SUM(CASE WHEN m.kind IN ('initial', 'restock') THEN m.available ELSE 0 END), "
                "MIN(p.available), MIN(p.reserved), MIN(p.sold) "
                "FROM products p JOIN movements m ON m.sku = p.sku GROUP BY p.sku");
    ASSERT_OK(rows);
    EXPECT_GE(rows->size(), 2u);
    for (const sql::Row& row : *rows) {
      for (size_t column = 1; column <= 4; column++) EXPECT_EQ(row.Int(column), 0) << row.Text(0) << " " << column;
      for (size_t column = 5; column <= 7; column++) EXPECT_GE(row.Int(column), 0) << row.Text(0) << " " << column;
    }
  }

  SystemClock clock_;
  std::unique_ptr<Random> random_ = MakeSystemRandom();
  metrics::Registry registry_;
  sagamesh::testing::ScriptedDatabase database_{GetParam().open(clock_)};
  std::unique_ptr<WorkerPool> pool_ = MakeThreadPool("test", database_.max_writers() + 2);
  std::unique_ptr<CustomersLogic> logic_;
  ReplyInfo info_;  // of the last call
};

inline const auto kOwned = IsError(absl::StatusCode::kFailedPrecondition, "RESERVATION_OWNED_BY_SAGA");
inline const auto kCompensated = IsError(absl::StatusCode::kAborted, "ALREADY_COMPENSATED");
inline const auto kReused = IsError(absl::StatusCode::kInvalidArgument, "IDEMPOTENCY_KEY_REUSED");
inline const auto kStale = IsError(absl::StatusCode::kAborted, "STALE_EPOCH");
inline const auto kTooOld = IsError(absl::StatusCode::kFailedPrecondition, "TOO_OLD");

}  // namespace sagamesh::customers::testing

#endif  // SAGAMESH_CUSTOMERS_SERVICE_LOGIC_FIXTURE_TEST_H_
