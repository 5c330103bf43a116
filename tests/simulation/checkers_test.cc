#include "tests/simulation/checkers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "absl/strings/str_join.h"
#include "common/status/error.h"
#include "coordinator/v1/coordinator.pb.h"

namespace sagamesh::simulation {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A checker that cannot fail proves nothing: each test spoils one row of a world that is in order.
class CheckersTest : public ::testing::Test {
 protected:
  CheckersTest() {
    for (const Product& product : kProducts) {
      snapshot_.products[product.sku] = {product.sku, product.available, 0, 0};
      snapshot_.movements.push_back({product.sku, "initial", "", product.available, 0, 0});
    }
    AddSucceeded("saga-1", "order-1", 2);
    AddCompensated("saga-2", "order-2", 3);
  }

  void AddSucceeded(const std::string& saga_id, const std::string& order_id, int64_t quantity) {
    ::coordinator::v1::ProcessOrderRequest request;
    request.set_customer_id(1);
    auto* item = request.add_items();
    item->set_sku(kSku);
    item->set_quantity(static_cast<int32_t>(quantity));
    ::coordinator::v1::ProcessOrderResponse response;
    response.set_order_id(order_id);
    response.set_saga_id(saga_id);
    response.set_total_cents(100);

    engine::SagaRecord& saga = snapshot_.sagas[saga_id];
    saga.saga_id = saga_id;
    saga.phase = engine::Phase::kSucceeded;
    saga.key = "key of " + saga_id;
    saga.key_kind = engine::KeyKind::kExplicit;
    saga.result = response.SerializeAsString();
    snapshot_.orders[order_id] = {order_id, 1, "CONFIRMED", saga_id, {{kSku, quantity}}, 100};
    snapshot_.reservations[order_id] = {order_id, "COMMITTED", saga_id, {{kSku, quantity}}};
    snapshot_.movements.push_back({kSku, "reserve", order_id, -quantity, quantity, 0});
    snapshot_.movements.push_back({kSku, "commit", order_id, 0, -quantity, quantity});
    snapshot_.products[kSku].available -= quantity;
    snapshot_.products[kSku].sold += quantity;
    snapshot_.orders_barrier[saga_id].epoch = 1;
    snapshot_.customers_barrier[saga_id].epoch = 1;

    Answer answer{.intent = ++intent_,
                  .method = kProcessOrder,
                  .request = request.SerializeAsString(),
                  .key = saga.key,
                  .reply = saga.result};
    history_.push_back(answer);
  }

  void AddCompensated(const std::string& saga_id, const std::string& order_id, int64_t quantity) {
    const absl::Status error =
        MakeError(absl::StatusCode::kInternal, {"orders", "FAULT_INJECTED"}, "fault", {{"saga_id", saga_id}});
    engine::SagaRecord& saga = snapshot_.sagas[saga_id];
    saga.saga_id = saga_id;
    saga.phase = engine::Phase::kCompensated;
    saga.key = "key of " + saga_id;
    saga.key_kind = engine::KeyKind::kExplicit;
    saga.error = SerializeStatus(error);
    saga.error_definite = true;
    snapshot_.orders[order_id] = {order_id, 1, "CANCELLED", saga_id, {{kSku, quantity}}, 100};
    snapshot_.reservations[order_id] = {order_id, "RELEASED", saga_id, {{kSku, quantity}}};
    snapshot_.movements.push_back({kSku, "reserve", order_id, -quantity, quantity, 0});
    snapshot_.movements.push_back({kSku, "release", order_id, quantity, -quantity, 0});
    snapshot_.orders_barrier[saga_id] = {.epoch = 1, .compensating = true};
    snapshot_.customers_barrier[saga_id] = {.epoch = 1, .compensating = true};
    history_.push_back({.intent = ++intent_, .method = kProcessOrder, .key = saga.key, .reply = error});
  }

  std::string Found() const { return absl::StrJoin(CheckAll(snapshot_, history_), "\n"); }

  static constexpr const char* kSku = "prod-common";
  Snapshot snapshot_;
  std::vector<Answer> history_;
  uint64_t intent_ = 0;
};

TEST_F(CheckersTest, AWorldInOrderPasses) { EXPECT_THAT(Found(), IsEmpty()); }

TEST_F(CheckersTest, AUnitThatVanishedIsFound) {
  snapshot_.products[kSku].available--;
  EXPECT_THAT(Found(), HasSubstr("1: prod-common's ledger"));
}

TEST_F(CheckersTest, AUnitSoldTwiceIsFound) {
  snapshot_.products[kSku].available -= 2;
  snapshot_.products[kSku].sold += 2;
  snapshot_.movements.push_back({kSku, "commit", "order-1", -2, 0, 2});
  EXPECT_THAT(Found(), HasSubstr("1: 4 of prod-common are sold, and the confirmed orders hold 2"));
  EXPECT_THAT(Found(), HasSubstr("2: order order-1 is COMMITTED with 2"));
}

TEST_F(CheckersTest, ARestockThatCountedTwiceIsFound) {
  snapshot_.products[kSku].available += 5;
  snapshot_.movements.push_back({kSku, "restock", "", 5, 0, 0});
  EXPECT_THAT(Found(), HasSubstr("between 0 and 0 were restocked"));
}

TEST_F(CheckersTest, AReservationThatIsNotReleasedIsFound) {
  snapshot_.reservations["order-2"].status = "RESERVED";
  EXPECT_THAT(Found(), HasSubstr("2: order order-2 is CANCELLED and its reservation RESERVED"));
  EXPECT_THAT(Found(), HasSubstr("9: the reservation of order order-2 is RESERVED"));
}

TEST_F(CheckersTest, AnAnsweredOrderThatIsGoneIsFound) {
  snapshot_.orders.erase("order-1");
  EXPECT_THAT(Found(), HasSubstr("3: order order-1 was answered 200 and is absent"));
}

TEST_F(CheckersTest, AnAnsweredOrderWithOtherItemsIsFound) {
  snapshot_.orders["order-1"].quantities[kSku] = 1;
  EXPECT_THAT(Found(), HasSubstr("3: order order-1 is not what was answered"));
}

TEST_F(CheckersTest, TwoSagasForOneKeyAreFound) {
  AddSucceeded("saga-3", "order-3", 1);
  snapshot_.sagas["saga-3"].key = snapshot_.sagas["saga-1"].key;
  EXPECT_THAT(Found(), HasSubstr("4: key key of saga-1 was answered by 2 sagas"));
}

TEST_F(CheckersTest, TwoAnswersOfOneSagaAreFound) {
  Answer other = history_[0];
  auto response = ::coordinator::v1::ProcessOrderResponse();
  response.ParseFromString(*other.reply);
  response.set_total_cents(99);
  other.reply = response.SerializeAsString();
  history_.push_back(other);
  EXPECT_THAT(Found(), HasSubstr("4: saga saga-1 gave 2 different answers"));
}

TEST_F(CheckersTest, AMarkWithoutACompensationIsFound) {
  snapshot_.customers_barrier["saga-1"].compensating = true;
  EXPECT_THAT(Found(), HasSubstr("7: saga saga-1 SUCCEEDED and has been compensated somewhere"));
}

TEST_F(CheckersTest, AMissingTombstoneIsFound) {
  snapshot_.customers_barrier.erase("saga-2");
  EXPECT_THAT(Found(), HasSubstr("6: saga saga-2 is COMPENSATED and has left no mark at customers"));
}

TEST_F(CheckersTest, AnEpochThatWasNeverGivenOutIsFound) {
  snapshot_.orders_barrier["saga-1"].epoch = 9;
  EXPECT_THAT(Found(), HasSubstr("8: a participant saw epoch 9 of saga saga-1"));
}

TEST_F(CheckersTest, ASagaThatDoesNotEndIsFound) {
  snapshot_.sagas["saga-2"].phase = engine::Phase::kCompensating;
  EXPECT_THAT(Found(), HasSubstr("9: saga saga-2 is COMPENSATING"));
}

}  // namespace
}  // namespace sagamesh::simulation
