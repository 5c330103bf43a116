#include "orders/service/logic_fixture_test.h"

namespace sagamesh::orders::testing {
namespace {

using ::sagamesh::testing::HasCode;
using ::sagamesh::testing::IsError;
using Code = absl::StatusCode;

class SagaFlows : public LogicTest {
 protected:
  Ended<pb::CreateOrderResponse> CreateIt(uint64_t epoch = 1) {
    return Create(OfSaga(saga_, "create_order", SagaOp::kAction, epoch), Basket("order-1"));
  }
  Ended<pb::ConfirmOrderResponse> ConfirmIt(uint64_t epoch = 1) {
    return Confirm(OfSaga(saga_, "confirm_order", SagaOp::kAction, epoch), "order-1");
  }
  Ended<pb::CancelOrderResponse> CancelIt(uint64_t epoch = 1) { return Cancel(Undo(saga_, epoch), "order-1"); }

  const std::string saga_ = NewSaga();
};

TEST_P(SagaFlows, ACreateReservesAndStoresTheReservationsPrices) {
  const auto created = CreateIt();
  ASSERT_OK(created.response);
  const pb::Order& order = created.response->order();
  EXPECT_EQ(order.status(), pb::Order::CREATED);
  EXPECT_EQ(order.saga_id(), saga_);
  EXPECT_EQ(order.items(0).unit_price_cents(), 250);
  EXPECT_EQ(order.total_cents(), 500);
  EXPECT_EQ(Both("order-1"), "CREATED/RESERVED");
}

TEST_P(SagaFlows, TheHappyPathCostsOneCommitACall) {
  const double before = Commits();
  ASSERT_OK(CreateIt().response);
  EXPECT_EQ(Commits() - before, 1);
  ASSERT_OK(ConfirmIt().response);
  EXPECT_EQ(Commits() - before, 2);
  EXPECT_EQ(Both("order-1"), "CONFIRMED/COMMITTED");
}

TEST_P(SagaFlows, ARepeatIsAnsweredFromTheStoreByTheSameBytes) {
  const auto created = CreateIt();
  const auto confirmed = ConfirmIt();
  const double before = Commits();
  const auto created_again = CreateIt();
  const auto confirmed_again = ConfirmIt();
  EXPECT_EQ(created_again.response->SerializeAsString(), created.response->SerializeAsString());
  EXPECT_EQ(confirmed_again.response->SerializeAsString(), confirmed.response->SerializeAsString());
  EXPECT_TRUE(created_again.info.replayed);
  EXPECT_TRUE(confirmed_again.info.replayed);
  EXPECT_EQ(Commits(), before);
}

// As long as such calls are new.
TEST_P(SagaFlows, WhatASagaBeginsWithIsNotLookedForFirst) {
  ASSERT_OK(CreateIt().response);
  const auto runs_of_a_repeat = [&] {
    const int before = database_.rollbacks();
    EXPECT_TRUE(CreateIt().info.replayed);
    return database_.rollbacks() - before;
  };
  EXPECT_EQ(runs_of_a_repeat(), 2);
  EXPECT_EQ(runs_of_a_repeat(), 1);
}

TEST_P(SagaFlows, ACallWhoseOwnCommitWasUnknownIsNoReplay) {
  database_.ScriptCommit(absl::UnknownError("lost"), /*happens=*/true);
  const auto created = CreateIt();
  ASSERT_OK(created.response);
  EXPECT_EQ(database_.commits_to_come(), 0u);
  EXPECT_FALSE(created.info.replayed);
  EXPECT_EQ(Both("order-1"), "CREATED/RESERVED");
}

TEST_P(SagaFlows, ARefusalOfTheStockIsPassedOnAndLeavesNoOrder) {
  stock_.available = 1;
  EXPECT_THAT(CreateIt().response, IsError(Code::kFailedPrecondition, "INSUFFICIENT_STOCK"));
  EXPECT_EQ(Both("order-1"), "none/none");
}

TEST_P(SagaFlows, TheSagaAndAFaultForCustomersGoAlong) {
  CallContext context = OfSaga(saga_, "create_order");
  context.traceparent = "00-trace";
  context.fault = Fault{"customers.v1.StockService/ReserveStock", 14};
  Create(context, Basket("order-1"));
  const CallContext& passed = stock_.last_context();
  ASSERT_TRUE(passed.saga.has_value());
  EXPECT_EQ(passed.saga->saga_id, saga_);
  EXPECT_EQ(passed.idempotency_key, context.idempotency_key);
  EXPECT_EQ(passed.traceparent, "00-trace");
  EXPECT_TRUE(passed.fault.has_value());
  EXPECT_LE(passed.deadline, clock_.Now() + absl::Seconds(5));
}

TEST_P(SagaFlows, AFaultForOrdersDoesNotGoAlong) {
  CallContext context = OfSaga(saga_, "create_order");
  context.fault = Fault{"orders.v1.OrdersService/ConfirmOrder", 13};
  Create(context, Basket("order-1"));
  EXPECT_FALSE(stock_.last_context().fault.has_value());
}

TEST_P(SagaFlows, ACancelTakesAConfirmedOrderOfItsOwnBack) {
  CreateIt();
  ConfirmIt();
  const auto cancelled = CancelIt();
  ASSERT_OK(cancelled.response);
  EXPECT_EQ(cancelled.response->order().status(), pb::Order::CANCELLED);
  EXPECT_EQ(Both("order-1"), "CANCELLED/RELEASED");
  const auto again = CancelIt();
  EXPECT_EQ(again.response->SerializeAsString(), cancelled.response->SerializeAsString());
  EXPECT_TRUE(again.info.replayed);
}

TEST_P(SagaFlows, ACancelOfAnOrderNeverSeenReleasesAndLeavesNoOrder) {
  const auto cancelled = CancelIt();
  ASSERT_OK(cancelled.response);
  EXPECT_EQ(cancelled.response->order().order_id(), "order-1");
  EXPECT_EQ(cancelled.response->order().status(), pb::Order::CANCELLED);
  EXPECT_FALSE(cancelled.response->order().has_created_at());
  EXPECT_EQ(Both("order-1"), "none/RELEASED");
}

TEST_P(SagaFlows, ACreateThatComesAfterTheCancelIsRefused) {
  CancelIt();
  EXPECT_THAT(CreateIt().response, IsError(Code::kAborted, "ALREADY_COMPENSATED"));
  EXPECT_EQ(Both("order-1"), "none/RELEASED");
}

TEST_P(SagaFlows, ACreateThatIsOvertakenByTheMarkLeavesAReservationForTheCancelToRelease) {
  stock_.FailNext("Release", absl::UnavailableError("customers is down"));
  EXPECT_THAT(CancelIt().response, HasCode(Code::kUnavailable));
  EXPECT_THAT(CreateIt().response, IsError(Code::kAborted, "ALREADY_COMPENSATED"));
  EXPECT_EQ(Both("order-1"), "none/RESERVED");
  ASSERT_OK(CancelIt().response);
  EXPECT_EQ(Both("order-1"), "none/RELEASED");
}

TEST_P(SagaFlows, AConfirmDuringACancelIsRefusedAndItsCommitReversed) {
  CreateIt();
  stock_.BeforeNext("Release", [this] {
    EXPECT_THAT(ConfirmIt().response, IsError(Code::kAborted, "ALREADY_COMPENSATED"));
    EXPECT_EQ(stock_.StatusOf("order-1"), "COMMITTED");
  });
  ASSERT_OK(CancelIt().response);
  EXPECT_EQ(Both("order-1"), "CANCELLED/RELEASED");
}

TEST_P(SagaFlows, ACrashAfterTheReserveIsEndedByARepeat) {
  stock_.AnswerNext("Reserve", FakeStock::Reply::kNever);
  EXPECT_FALSE(CreateIt().ended);
  Restart();
  EXPECT_EQ(Both("order-1"), "none/RESERVED");
  ASSERT_OK(CreateIt().response);
  EXPECT_EQ(Both("order-1"), "CREATED/RESERVED");
}

TEST_P(SagaFlows, ACrashAfterTheReserveIsEndedByTheCompensation) {
  stock_.AnswerNext("Reserve", FakeStock::Reply::kNever);
  CreateIt();
  Restart();
  ASSERT_OK(CancelIt(2).response);
  EXPECT_EQ(Both("order-1"), "none/RELEASED");
}

TEST_P(SagaFlows, ACrashAfterTheCommitIsEndedByARepeatOrTheCompensation) {
  CreateIt();
  stock_.AnswerNext("Commit", FakeStock::Reply::kNever);
  EXPECT_FALSE(ConfirmIt().ended);
  Restart();
  EXPECT_EQ(Both("order-1"), "CREATED/COMMITTED");
  ASSERT_OK(ConfirmIt(2).response);
  EXPECT_EQ(Both("order-1"), "CONFIRMED/COMMITTED");
  ASSERT_OK(CancelIt(2).response);
  EXPECT_EQ(Both("order-1"), "CANCELLED/RELEASED");
}

TEST_P(SagaFlows, ACrashInACancelIsEndedByARepeat) {
  CreateIt();
  stock_.AnswerNext("Release", FakeStock::Reply::kNever);
  EXPECT_FALSE(CancelIt().ended);
  Restart();
  EXPECT_EQ(Both("order-1"), "CANCELLING/RELEASED");
  ASSERT_OK(CancelIt(2).response);
  EXPECT_EQ(Both("order-1"), "CANCELLED/RELEASED");
}

TEST_P(SagaFlows, ALostReplyIsNotStoredAndARepeatGoesOn) {
  stock_.AnswerNext("Reserve", FakeStock::Reply::kLost);
  EXPECT_THAT(CreateIt().response, HasCode(Code::kUnavailable));
  ASSERT_OK(CreateIt().response);
  stock_.AnswerNext("Commit", FakeStock::Reply::kLost);
  EXPECT_THAT(ConfirmIt().response, HasCode(Code::kUnavailable));
  ASSERT_OK(ConfirmIt().response);
  EXPECT_EQ(Both("order-1"), "CONFIRMED/COMMITTED");
}

TEST_P(SagaFlows, ALowerEpochIsRefusedBeforeAnyStoredResult) {
  ASSERT_OK(CreateIt(3).response);
  EXPECT_THAT(CreateIt(2).response, IsError(Code::kAborted, "STALE_EPOCH"));
  EXPECT_THAT(CancelIt(2).response, IsError(Code::kAborted, "STALE_EPOCH"));
  EXPECT_EQ(Both("order-1"), "CREATED/RESERVED");
}

TEST_P(SagaFlows, AnotherPayloadOfTheSameStepIsRefused) {
  CreateIt();
  EXPECT_THAT(Create(OfSaga(saga_, "create_order"), Basket("order-1", 3)).response,
              IsError(Code::kInvalidArgument, "IDEMPOTENCY_KEY_REUSED"));
}

TEST_P(SagaFlows, ASagaOlderThanTheBarriersMemoryIsRefused) {
  clock_.SleepFor(absl::Hours(169));
  EXPECT_THAT(CreateIt().response, IsError(Code::kFailedPrecondition, "TOO_OLD"));
  EXPECT_EQ(StatusOf("order-1"), "none");
}

TEST_P(SagaFlows, StrangersMayNotTouchASagasOrder) {
  CreateIt();
  const std::string other = NewSaga();
  EXPECT_THAT(Create(OfSaga(other, "create_order"), Basket("order-1")).response,
              IsError(Code::kFailedPrecondition, "RESERVATION_OWNED_BY_SAGA"));
  EXPECT_THAT(Cancel(Undo(other), "order-1").response, IsError(Code::kFailedPrecondition, "ORDER_OWNED_BY_SAGA"));
  EXPECT_FALSE(Confirm(OfSaga(other, "confirm_order"), "order-1").response.ok());
  EXPECT_THAT(Cancel({}, "order-1").response, IsError(Code::kFailedPrecondition, "ORDER_OWNED_BY_SAGA"));
  EXPECT_THAT(Confirm(WithKey("k"), "order-1").response, IsError(Code::kFailedPrecondition, "ORDER_OWNED_BY_SAGA"));
  EXPECT_EQ(Both("order-1"), "CREATED/RESERVED");
}

TEST_P(SagaFlows, ADirectCancelOfASagasConfirmedOrderIsRefused) {
  CreateIt();
  ConfirmIt();
  EXPECT_THAT(Cancel({}, "order-1").response, IsError(Code::kFailedPrecondition, "ORDER_CONFIRMED"));
}

TEST_P(SagaFlows, CallsOfTheWrongKindAreRefused) {
  EXPECT_THAT(Create(Undo(saga_), Basket("order-1")).response, HasCode(Code::kInvalidArgument));
  EXPECT_THAT(Confirm(Undo(saga_), "order-1").response, HasCode(Code::kInvalidArgument));
  EXPECT_THAT(Cancel(OfSaga(saga_, "create_order"), "order-1").response, HasCode(Code::kInvalidArgument));
  EXPECT_THAT(Create(OfSaga(saga_, "create_order"), Basket()).response, HasCode(Code::kInvalidArgument));
  EXPECT_EQ(stock_.calls("Reserve") + stock_.calls("Release"), 0);
}

TEST_P(SagaFlows, TheSweepLeavesASagasOrderAlone) {
  CreateIt();
  Sweep();
  Pass(absl::Hours(2));
  EXPECT_EQ(Both("order-1"), "CREATED/RESERVED");
}

INSTANTIATE_TEST_SUITE_P(Engines, SagaFlows, ::testing::Values(MemoryEngine()), EngineName);
INSTANTIATE_TEST_SUITE_P(Servers, SagaFlows, ::testing::ValuesIn(ServerEngines()), EngineName);

}  // namespace
}  // namespace sagamesh::orders::testing
