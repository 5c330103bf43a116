#include "tests/simulation/checkers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status/error.h"
#include "coordinator/v1/coordinator.pb.h"
#include "orders/v1/orders.pb.h"
#include "tests/simulation/limits.h"

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
    saga.history = {{.event = engine::HistoryEvent::kDecided,
                     .before = engine::Phase::kRunning,
                     .after = engine::Phase::kCompensating}};
    snapshot_.orders[order_id] = {order_id, 1, "CANCELLED", saga_id, {{kSku, quantity}}, 100};
    snapshot_.reservations[order_id] = {order_id, "RELEASED", saga_id, {{kSku, quantity}}};
    snapshot_.movements.push_back({kSku, "reserve", order_id, -quantity, quantity, 0});
    snapshot_.movements.push_back({kSku, "release", order_id, quantity, -quantity, 0});
    snapshot_.orders_barrier[saga_id] = {.epoch = 1, .compensating = true};
    snapshot_.customers_barrier[saga_id] = {.epoch = 1, .compensating = true};
    history_.push_back({.intent = ++intent_, .method = kProcessOrder, .key = saga.key, .reply = error});
  }

  // A direct order of one sku, in so many lines.
  static std::string Wish(std::initializer_list<int> quantities) {
    ::orders::v1::CreateOrderRequest request;
    for (const int quantity : quantities) {
      auto* item = request.add_items();
      item->set_sku(kSku);
      item->set_quantity(quantity);
    }
    return request.SerializeAsString();
  }

  // A call of saga-1 at a participant that was answered well.
  Exchange& AddCall(const std::string& step, SagaOp op, uint64_t epoch) {
    Exchange call{.to = "orders", .method = op == SagaOp::kAction ? kCreateOrder : kCancelOrder, .request = Wish({2})};
    call.context.saga = SagaCall{"saga-1", step, op, epoch};
    call.arrived = now_;
    call.answered = now_ + absl::Milliseconds(1);
    call.reply = "reply";
    now_ += absl::Seconds(1);
    exchanges_.push_back(call);
    return exchanges_.back();
  }

  // A call with a key at the coordinator that was answered so.
  void AddRequest(const std::string& key, absl::Status reply) {
    Exchange call{.to = "coordinator", .method = kProcessOrder};
    call.context.idempotency_key = key;
    call.reply = std::move(reply);
    exchanges_.push_back(call);
  }

  std::string Unchanged(const Snapshot& after) const {
    Violations violations;
    CheckUnchanged(snapshot_, after, violations);
    return absl::StrJoin(violations, "\n");
  }

  std::string Found() const { return absl::StrJoin(CheckAll(snapshot_, history_, exchanges_), "\n"); }

  static constexpr const char* kSku = "prod-common";
  Snapshot snapshot_;
  std::vector<Answer> history_;
  std::deque<Exchange> exchanges_;
  absl::Time now_ = absl::UnixEpoch();
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
  EXPECT_THAT(Found(), HasSubstr("4: key key of saga-1 was answered by two sagas, saga-1 and saga-3"));
}

TEST_F(CheckersTest, TwoSagasForOneContentKeyInOneWindowAreFound) {
  AddSucceeded("saga-3", "order-3", 1);
  for (const char* id : {"saga-1", "saga-3"}) {
    snapshot_.sagas[id].key = "content";
    snapshot_.sagas[id].key_kind = engine::KeyKind::kContent;
  }
  snapshot_.sagas["saga-1"].created = now_;
  snapshot_.sagas["saga-3"].created = now_ + kContentKeyWindow;
  EXPECT_THAT(Found(), IsEmpty());
  snapshot_.sagas["saga-3"].created -= absl::Milliseconds(1);
  EXPECT_THAT(Found(), HasSubstr("4: key content was answered by two sagas, saga-1 and saga-3"));
}

// Two compensated sagas of one key, which may follow each other.
class TurnsTest : public CheckersTest {
 protected:
  TurnsTest() {
    AddCompensated("saga-3", "order-3", 1);
    for (const char* id : {"saga-2", "saga-3"}) {
      snapshot_.sagas[id].key = "key";
      snapshot_.sagas[id].error_definite = false;
      snapshot_.sagas[id].epoch = 1;
    }
  }

  void AddStep(const std::string& saga_id, absl::Time sent, uint64_t epoch = 1) {
    Exchange call{.from = "coordinator", .to = "orders", .method = kCancelOrder, .sent = sent};
    call.context.saga = SagaCall{saga_id, "create", SagaOp::kCompensation, epoch};
    exchanges_.push_back(call);
  }
};

TEST_F(TurnsTest, TwoSagasForOneKeyWhoseCallsInterleaveAreFound) {
  AddStep("saga-2", now_);
  AddStep("saga-3", now_ + absl::Seconds(1));
  EXPECT_THAT(Found(), IsEmpty());
  AddStep("saga-2", now_ + absl::Seconds(2));
  EXPECT_THAT(Found(), HasSubstr("5: key key had two sagas at once, saga-2 and saga-3"));
}

TEST_F(TurnsTest, AnEarlierOwnerMayNotKnowYetThatTheSagaHasEnded) {
  snapshot_.sagas["saga-2"].epoch = 2;
  AddStep("saga-2", now_, 2);
  AddStep("saga-3", now_ + absl::Seconds(1));
  AddStep("saga-2", now_ + absl::Seconds(2), 1);
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(TurnsTest, TwoSagasForOneKeyThatAreFurtherIntoEachOtherThanClocksMayBeApartAreFound) {
  snapshot_.sagas["saga-2"].updated = now_ + kClocksApartMax;
  snapshot_.sagas["saga-3"].created = now_;
  snapshot_.sagas["saga-3"].updated = now_ + absl::Minutes(1);
  EXPECT_THAT(Found(), IsEmpty());
  snapshot_.sagas["saga-2"].updated += absl::Milliseconds(1);
  snapshot_.sagas["saga-2"].created = now_;
  EXPECT_THAT(Found(), HasSubstr("5: key key had two sagas at once, saga-2 and saga-3"));
}

TEST_F(TurnsTest, ASagaBesideOneOfItsKeyThatHasNotEndedIsFound) {
  AddStep("saga-2", now_);
  AddStep("saga-3", now_ + absl::Seconds(1));
  snapshot_.sagas["saga-2"].phase = engine::Phase::kParked;
  EXPECT_THAT(Found(), HasSubstr("5: key key had two sagas at once, saga-2 and saga-3"));
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

TEST_F(CheckersTest, AHistoryThatDoesNotLeadToItsSagasStateIsFound) {
  engine::SagaRecord& saga = snapshot_.sagas["saga-2"];
  const std::vector<engine::HistoryEntry> whole = saga.history;
  saga.history.clear();
  EXPECT_THAT(Found(), HasSubstr("9: saga saga-2 is COMPENSATED and its history ends RUNNING"));
  saga.history = {{.before = engine::Phase::kParked, .after = engine::Phase::kCompensating}};
  EXPECT_THAT(Found(), HasSubstr("9: saga saga-2 has a history that begins PARKED"));
  saga.history_dropped = 1;
  EXPECT_THAT(Found(), IsEmpty());
  saga.history = whole;
  saga.history.push_back({.before = engine::Phase::kParked, .after = engine::Phase::kCompensating});
  EXPECT_THAT(Found(), HasSubstr("9: saga saga-2 was COMPENSATING and then PARKED"));
  saga.history = whole;
  saga.history.push_back(
      {.reason = "another", .before = engine::Phase::kCompensating, .after = engine::Phase::kParked});
  saga.phase = engine::Phase::kParked;
  EXPECT_THAT(Found(), HasSubstr("9: saga saga-2 is PARKED for another reason than its history tells"));
}

TEST_F(CheckersTest, CallersOfASagaThatWasParkedMayHaveBeenToldSo) {
  const absl::Status parked =
      MakeError(absl::StatusCode::kAborted, {"coordinator", "SAGA_PARKED"}, "parked", {{"saga_id", "saga-1"}});
  history_.push_back({.intent = ++intent_, .method = kProcessOrder, .key = "key of saga-1", .reply = parked});
  EXPECT_THAT(Found(), HasSubstr("4: saga saga-1 gave 2 different answers"));
  snapshot_.sagas["saga-1"].history = {{.before = engine::Phase::kRunning, .after = engine::Phase::kParked},
                                       {.before = engine::Phase::kParked, .after = engine::Phase::kRunning}};
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(CheckersTest, RepeatedCallsWithTheirStoredResultPass) {
  AddCall("create", SagaOp::kAction, 1);
  AddCall("create", SagaOp::kAction, 2);
  AddCall("create", SagaOp::kCompensation, 2);
  AddCall("create", SagaOp::kCompensation, 3);
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(CheckersTest, ARepeatedCallWithAnotherResultIsFound) {
  AddCall("create", SagaOp::kAction, 1);
  AddCall("create", SagaOp::kAction, 1).reply = "another";
  EXPECT_THAT(Found(), HasSubstr("4: orders gave 2 different good answers"));
}

TEST_F(CheckersTest, AFirstCallThatIsToldToBeARepeatIsFound) {
  AddCall("create", SagaOp::kAction, 1);
  AddCall("create", SagaOp::kAction, 1).info.replayed = true;
  EXPECT_THAT(Found(), IsEmpty());
  exchanges_.pop_front();
  EXPECT_THAT(Found(), HasSubstr("4: orders told the first call of saga-1/create/action that it was a repeat"));
}

TEST_F(CheckersTest, ATransientErrorThatWasStoredIsFound) {
  AddCall("create", SagaOp::kAction, 1).reply = absl::FailedPreconditionError("");
  Exchange& repeated = AddCall("create", SagaOp::kAction, 1);
  repeated.info.replayed = true;
  repeated.reply = absl::FailedPreconditionError("");
  EXPECT_THAT(Found(), IsEmpty());
  repeated.reply = absl::UnavailableError("");
  EXPECT_THAT(Found(), HasSubstr("4: orders stored a transient error for saga-1/create/action"));
}

TEST_F(CheckersTest, AStepThatIsUndoneBeforeALaterOneIsFound) {
  const auto add = [this](const std::string& step, SagaOp op) {
    Exchange& call = AddCall(step, op, 1);
    call.from = "coordinator";
    call.sent = call.arrived;
  };
  for (const char* step : {"create", "confirm"}) add(step, SagaOp::kAction);
  add("create", SagaOp::kCompensation);  // of both: they are neighbours
  EXPECT_THAT(Found(), IsEmpty());
  add("confirm", SagaOp::kCompensation);
  EXPECT_THAT(Found(), HasSubstr("7: saga saga-1 undid create before confirm"));
}

TEST_F(CheckersTest, AnotherPayloadThatWasTakenUnderAStepIsFound) {
  AddCall("create", SagaOp::kAction, 1);
  AddCall("create", SagaOp::kAction, 1).request = Wish({3});
  EXPECT_THAT(Found(), HasSubstr("4: orders took 2 payloads of saga-1/create/action"));
}

TEST_F(CheckersTest, AnotherPayloadThatWasTakenUnderAKeyIsFound) {
  const auto add = [this](const std::string& request) {
    Exchange& call = AddCall("", SagaOp::kAction, 0);
    call.context.saga.reset();
    call.context.idempotency_key = "key";
    call.request = request;
  };
  add(Wish({2}));
  add(Wish({1, 1}));
  EXPECT_THAT(Found(), IsEmpty());
  add(Wish({3}));
  EXPECT_THAT(Found(), HasSubstr("4: orders took 2 payloads of key"));
}

TEST_F(CheckersTest, AnActionThatWasTakenAfterItsCompensationIsFound) {
  AddCall("create", SagaOp::kCompensation, 1);
  AddCall("create", SagaOp::kAction, 1);
  EXPECT_THAT(Found(), HasSubstr("6: orders took orders.v1.OrdersService/CreateOrder of saga saga-1 after its"));
}

TEST_F(CheckersTest, ALowerEpochThatWasTakenAfterAHigherOneIsFound) {
  AddCall("create", SagaOp::kAction, 2);
  AddCall("create", SagaOp::kAction, 1);
  EXPECT_THAT(Found(), HasSubstr("8: orders took orders.v1.OrdersService/CreateOrder of saga saga-1 at epoch 1"));
}

TEST_F(CheckersTest, AnEpochThatTwoLivesUsedIsFound) {
  for (const uint64_t epoch : {1, 2}) {
    Exchange& call = AddCall("create", SagaOp::kAction, epoch);
    call.from = "coordinator";
    call.caller = absl::StrCat("coordinator/", epoch, "#1");
  }
  snapshot_.sagas["saga-1"].epoch = 2;
  EXPECT_THAT(Found(), IsEmpty());
  exchanges_.back().context.saga->epoch = 1;
  EXPECT_THAT(Found(), HasSubstr("8: epoch 1 of saga saga-1 was used by coordinator/1#1, coordinator/2#1"));
}

TEST_F(CheckersTest, ASagaThatKillsItsCoordinatorsAndIsNotParkedInTimeIsFound) {
  const auto found = [this](int kills) {
    Violations violations;
    CheckPoison(snapshot_, "saga-1", kills, violations);
    return absl::StrJoin(violations, "\n");
  };
  EXPECT_THAT(found(4), HasSubstr("9: saga saga-1 kills its coordinators and is SUCCEEDED"));
  snapshot_.sagas["saga-1"].phase = engine::Phase::kParked;
  snapshot_.sagas["saga-1"].park_reason = "TAKEN_OVER_WITHOUT_PROGRESS: 3 owners in a row";
  EXPECT_THAT(found(4), IsEmpty());
  EXPECT_THAT(found(5), HasSubstr("9: saga saga-1 killed 5 coordinators"));
}

TEST_F(CheckersTest, CallsThatCrossMayBeTakenInEitherOrder) {
  const absl::Time answered = AddCall("create", SagaOp::kCompensation, 2).answered;
  AddCall("create", SagaOp::kAction, 1).arrived = answered;
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(CheckersTest, ASagaOfARejectedRequestIsFound) {
  AddRequest("key of saga-1", InvalidField("coordinator", "items", "is empty"));
  AddRequest("key of saga-1", Overloaded({"coordinator", "QUEUE_FULL"}, "full", absl::Seconds(1)));
  EXPECT_THAT(Found(), HasSubstr("4: every request with key key of saga-1 was rejected, and there is saga saga-1"));
  AddRequest("key of saga-1", DatabaseUnavailable("coordinator"));
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(CheckersTest, AnEffectOfACallThatCameAgainIsFound) {
  EXPECT_THAT(Unchanged(snapshot_), IsEmpty());
  Snapshot after = snapshot_;
  after.orders["order-2"].status = "CREATED";
  EXPECT_THAT(Unchanged(after), HasSubstr("4: a call that came again changed order order-2"));
  after = snapshot_;
  after.reservations["order-9"].status = "RELEASED";
  EXPECT_THAT(Unchanged(after), HasSubstr("4: a call that came again made reservation order-9"));
  after = snapshot_;
  after.products.erase(kSku);
  EXPECT_THAT(Unchanged(after), HasSubstr("4: a call that came again removed a product"));
  after = snapshot_;
  after.movements.push_back({kSku, "commit", "order-1", 0, 0, 0});
  EXPECT_THAT(Unchanged(after), HasSubstr("4: a call that came again moved stock"));
  after = snapshot_;
  after.orders_barrier["saga-1"].compensating = true;
  EXPECT_THAT(Unchanged(after), HasSubstr("6: a call that came again changed the mark or the results of saga saga-1"));
}

}  // namespace
}  // namespace sagamesh::simulation
