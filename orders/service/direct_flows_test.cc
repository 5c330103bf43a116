#include "orders/service/logic_fixture_test.h"

namespace sagamesh::orders::testing {
namespace {

using ::sagamesh::testing::HasCode;
using ::sagamesh::testing::IsError;
using ::testing::HasSubstr;
using Code = absl::StatusCode;

class DirectFlows : public LogicTest {
 protected:
  std::string CreateOne(const CallContext& context = {}) {
    const auto created = Create(context, Basket());
    EXPECT_OK(created.response);
    return created.response.ok() ? created.response->order().order_id() : "";
  }
  // The only order there is.
  std::string TheOrder() {
    const std::vector<pb::Order> orders = List();
    EXPECT_EQ(orders.size(), 1u);
    return orders.empty() ? "" : orders[0].order_id();
  }
};

TEST_P(DirectFlows, ACreateReservesWithoutSagaAndWithoutTheCallersKey) {
  const std::string id = CreateOne(WithKey("k"));
  EXPECT_EQ(Both(id), "CREATED/RESERVED");
  EXPECT_FALSE(stock_.last_context().saga.has_value());
  EXPECT_FALSE(stock_.last_context().idempotency_key.has_value());
}

TEST_P(DirectFlows, ACreateIsPendingBeforeItReserves) {
  stock_.BeforeNext("Reserve", [this] { EXPECT_EQ(List()[0].status(), pb::Order::PENDING); });
  CreateOne();
}

TEST_P(DirectFlows, ACreateMayNotCarryAnId) {
  const auto created = Create({}, Basket("mine"));
  EXPECT_THAT(created.response, HasCode(Code::kInvalidArgument));
  EXPECT_THAT(std::string(created.response.status().message()), HasSubstr("order_id"));
  EXPECT_TRUE(List().empty());
}

TEST_P(DirectFlows, ARepeatByKeyIsAnsweredFromTheStoreAndAnotherKeyIsAnotherOrder) {
  const auto created = Create(WithKey("k"), Basket());
  const auto again = Create(WithKey("k"), Basket());
  EXPECT_EQ(again.response->SerializeAsString(), created.response->SerializeAsString());
  EXPECT_TRUE(again.info.replayed);
  EXPECT_EQ(stock_.calls("Reserve"), 1);
  EXPECT_NE(CreateOne(WithKey("k2")), created.response->order().order_id());
  EXPECT_NE(CreateOne(), CreateOne());
}

TEST_P(DirectFlows, AnotherPayloadUnderAKeyIsRefusedAlsoWhileTheFirstIsHalfDone) {
  stock_.FailNext("Reserve", absl::UnavailableError("customers is down"));
  EXPECT_THAT(Create(WithKey("k"), Basket()).response, HasCode(Code::kUnavailable));
  EXPECT_THAT(Create(WithKey("k"), Basket("", 3)).response, IsError(Code::kInvalidArgument, "IDEMPOTENCY_KEY_REUSED"));
  ASSERT_OK(Create(WithKey("k"), Basket()).response);
  EXPECT_THAT(Create(WithKey("k"), Basket("", 3)).response, IsError(Code::kInvalidArgument, "IDEMPOTENCY_KEY_REUSED"));
}

TEST_P(DirectFlows, ATransientFailureLeavesThePendingOrderForARepeat) {
  stock_.AnswerNext("Reserve", FakeStock::Reply::kLost);
  EXPECT_THAT(Create(WithKey("k"), Basket()).response, HasCode(Code::kUnavailable));
  const std::string id = TheOrder();
  EXPECT_EQ(Both(id), "PENDING/RESERVED");
  EXPECT_EQ(CreateOne(WithKey("k")), id);
  EXPECT_EQ(Both(id), "CREATED/RESERVED");
}

TEST_P(DirectFlows, AnInjectedFaultIsNotStored) {
  stock_.FailNext("Reserve", MakeError(Code::kFailedPrecondition, {"customers", "FAULT_INJECTED"}, "fault"));
  EXPECT_THAT(Create(WithKey("k"), Basket()).response, HasCode(Code::kFailedPrecondition));
  EXPECT_OK(Create(WithKey("k"), Basket()).response);
}

TEST_P(DirectFlows, ARefusalCancelsTheOrderAndIsStoredUnderTheKey) {
  stock_.available = 1;
  const auto refused = Create(WithKey("k"), Basket());
  EXPECT_THAT(refused.response, IsError(Code::kFailedPrecondition, "INSUFFICIENT_STOCK"));
  stock_.available = 100;
  const auto again = Create(WithKey("k"), Basket());
  EXPECT_EQ(again.response.status(), refused.response.status());
  EXPECT_TRUE(again.info.replayed);
  Sweep();
  Pass(absl::Seconds(10));
  EXPECT_EQ(StatusOf(TheOrder()), "CANCELLED");
}

TEST_P(DirectFlows, ADuplicateOfARefusedReserveThatFindsStockLaterHoldsNothingInTheEnd) {
  stock_.available = 1;
  Create(WithKey("k"), Basket());
  const std::string id = TheOrder();
  // The network delivers the reserve a second time, after stock has come.
  stock_.available = 100;
  stock_pb::ReserveStockRequest duplicate;
  duplicate.set_order_id(id);
  duplicate.add_items()->set_quantity(2);
  stock_.ReserveStock({}, duplicate, [](auto, ReplyInfo) {});
  Sweep();
  Pass(absl::Seconds(10));
  EXPECT_EQ(Both(id), "CANCELLED/RELEASED");
}

TEST_P(DirectFlows, ACreateThatACancelOvertookIsRefusedAndHoldsNothing) {
  stock_.BeforeNext("Reserve", [this] { ASSERT_OK(Cancel({}, TheOrder()).response); });
  EXPECT_FALSE(Create({}, Basket()).response.ok());
  EXPECT_EQ(Both(TheOrder()), "CANCELLED/RELEASED");
}

TEST_P(DirectFlows, ARepeatOfACreateWhoseOrderWasCancelledIsToldSo) {
  stock_.FailNext("Reserve", absl::UnavailableError("customers is down"));
  Create(WithKey("k"), Basket());
  ASSERT_OK(Cancel({}, TheOrder()).response);
  EXPECT_THAT(Create(WithKey("k"), Basket()).response, IsError(Code::kFailedPrecondition, "ORDER_CANCELLED"));
}

TEST_P(DirectFlows, AConfirmNeedsAKey) {
  EXPECT_THAT(Confirm({}, CreateOne()).response, IsError(Code::kInvalidArgument, "IDEMPOTENCY_KEY_REQUIRED"));
}

TEST_P(DirectFlows, AConfirmSellsOnceAndIsReplayedByKey) {
  const std::string id = CreateOne();
  const auto confirmed = Confirm(WithKey("c"), id);
  ASSERT_OK(confirmed.response);
  EXPECT_EQ(Both(id), "CONFIRMED/COMMITTED");
  const auto again = Confirm(WithKey("c"), id);
  EXPECT_EQ(again.response->SerializeAsString(), confirmed.response->SerializeAsString());
  EXPECT_TRUE(again.info.replayed);
  const double before = Commits();
  ASSERT_OK(Confirm(WithKey("another"), id).response);
  EXPECT_EQ(Commits(), before);
  EXPECT_EQ(stock_.calls("Commit"), 1);
}

TEST_P(DirectFlows, AConfirmIsRefusedByWhatTheOrderIs) {
  EXPECT_THAT(Confirm(WithKey("a"), "none").response, IsError(Code::kNotFound, "ORDER_NOT_FOUND"));
  stock_.FailNext("Reserve", absl::UnavailableError("customers is down"));
  Create({}, Basket());
  const std::string id = TheOrder();
  EXPECT_THAT(Confirm(WithKey("b"), id).response, IsError(Code::kFailedPrecondition, "ORDER_NOT_CREATED"));
  Cancel({}, id);
  EXPECT_THAT(Confirm(WithKey("c"), id).response, IsError(Code::kFailedPrecondition, "ORDER_CANCELLED"));
  EXPECT_EQ(stock_.calls("Commit"), 0);
}

TEST_P(DirectFlows, AConfirmThatACancelOvertookIsRefusedAndItsCommitReversed) {
  const std::string id = CreateOne();
  stock_.BeforeNext("Commit", [&] {
    stock_.FailNext("Release", absl::UnavailableError("customers is down"));
    Cancel({}, id);
  });
  EXPECT_THAT(Confirm(WithKey("c"), id).response, IsError(Code::kFailedPrecondition, "ORDER_CANCELLED"));
  EXPECT_EQ(Both(id), "CANCELLING/COMMITTED");
  ASSERT_OK(Cancel({}, id).response);
  EXPECT_EQ(Both(id), "CANCELLED/RELEASED");
}

TEST_P(DirectFlows, ACancelGivesTheStockBackAndCanBeRepeated) {
  const std::string id = CreateOne();
  const auto cancelled = Cancel(WithKey("x"), id);
  ASSERT_OK(cancelled.response);
  EXPECT_EQ(Both(id), "CANCELLED/RELEASED");
  EXPECT_EQ(Cancel(WithKey("x"), id).response->SerializeAsString(), cancelled.response->SerializeAsString());
  EXPECT_OK(Cancel({}, id).response);
}

TEST_P(DirectFlows, ACancelOfAnUnknownOrderWritesNothing) {
  const double before = Commits();
  EXPECT_THAT(Cancel({}, "none").response, IsError(Code::kNotFound, "ORDER_NOT_FOUND"));
  EXPECT_EQ(Commits(), before);
  EXPECT_EQ(stock_.calls("Release"), 0);
}

TEST_P(DirectFlows, ACancelOfAConfirmedOrderIsRefused) {
  const std::string id = CreateOne();
  Confirm(WithKey("c"), id);
  EXPECT_THAT(Cancel({}, id).response, IsError(Code::kFailedPrecondition, "ORDER_CONFIRMED"));
  EXPECT_EQ(Both(id), "CONFIRMED/COMMITTED");
}

TEST_P(DirectFlows, ARefusedConfirmOrCancelIsStoredUnderItsKey) {
  const std::string id = CreateOne();
  ASSERT_OK(Confirm(WithKey("c"), id).response);
  EXPECT_FALSE(Cancel(WithKey("x"), id).info.replayed);
  const auto cancel = Cancel(WithKey("x"), id);
  EXPECT_THAT(cancel.response, IsError(Code::kFailedPrecondition, "ORDER_CONFIRMED"));
  EXPECT_TRUE(cancel.info.replayed);
  EXPECT_THAT(Cancel(WithKey("x"), CreateOne()).response, IsError(Code::kInvalidArgument, "IDEMPOTENCY_KEY_REUSED"));

  stock_.AnswerNext("Reserve", FakeStock::Reply::kLost);
  const auto lost = Create(WithKey("k"), Basket());
  ASSERT_FALSE(lost.response.ok());
  std::string pending;
  for (const pb::Order& order : List()) {
    if (order.status() == pb::Order::PENDING) pending = order.order_id();
  }
  EXPECT_THAT(Confirm(WithKey("d"), pending).response, IsError(Code::kFailedPrecondition, "ORDER_NOT_CREATED"));
  ASSERT_OK(Create(WithKey("k"), Basket()).response);
  const auto confirm = Confirm(WithKey("d"), pending);
  EXPECT_THAT(confirm.response, IsError(Code::kFailedPrecondition, "ORDER_NOT_CREATED"));
  EXPECT_TRUE(confirm.info.replayed);
  EXPECT_OK(Confirm(WithKey("e"), pending).response);
}

TEST_P(DirectFlows, TheSweepEndsPendingAndCreatedOrdersAfterTheirTime) {
  const std::string created = CreateOne();
  stock_.AnswerNext("Reserve", FakeStock::Reply::kNever);
  Create(WithKey("k"), Basket());
  Restart();
  Sweep();
  Pass(absl::Minutes(29));
  EXPECT_EQ(StatusOf(created), "CREATED");
  Pass(absl::Minutes(2));
  for (const pb::Order& order : List()) EXPECT_EQ(Both(order.order_id()), "CANCELLED/RELEASED");
}

TEST_P(DirectFlows, TheSweepTakesBackACommitWhoseConfirmWasNeverWritten) {
  const std::string id = CreateOne();
  stock_.AnswerNext("Commit", FakeStock::Reply::kNever);
  Confirm(WithKey("c"), id);
  Restart();
  EXPECT_EQ(Both(id), "CREATED/COMMITTED");
  Sweep();
  Pass(absl::Minutes(31));
  EXPECT_EQ(Both(id), "CANCELLED/RELEASED");
}

TEST_P(DirectFlows, TheSweepEndsACancelThatCrashedAfterAFewSeconds) {
  const std::string id = CreateOne();
  stock_.FailNext("Release", absl::UnavailableError("customers is down"));
  Cancel({}, id);
  Restart();
  EXPECT_EQ(StatusOf(id), "CANCELLING");
  Sweep();
  Pass(absl::Seconds(2));
  EXPECT_EQ(StatusOf(id), "CANCELLING");
  Pass(absl::Seconds(5));
  EXPECT_EQ(Both(id), "CANCELLED/RELEASED");
}

TEST_P(DirectFlows, TheSweepTriesAgainLaterWhileCustomersIsDown) {
  const std::string id = CreateOne();
  Sweep();
  stock_.FailNext("Release", absl::UnavailableError("customers is down"));
  Pass(absl::Minutes(31));
  EXPECT_EQ(StatusOf(id), "CANCELLING");
  Pass(absl::Seconds(1));
  EXPECT_EQ(stock_.calls("Release"), 1) << "not every round";
  Pass(absl::Seconds(5));
  EXPECT_EQ(Both(id), "CANCELLED/RELEASED");
}

TEST_P(DirectFlows, TheSweepLeavesAConfirmedOrderAlone) {
  const std::string id = CreateOne();
  Confirm(WithKey("c"), id);
  Sweep();
  Pass(absl::Hours(2));
  EXPECT_EQ(Both(id), "CONFIRMED/COMMITTED");
}

TEST_P(DirectFlows, BadInputIsRefusedByItsFieldsNameAndWithoutEffect) {
  const auto refused = [this](const std::function<void(pb::CreateOrderRequest&)>& spoil) {
    pb::CreateOrderRequest request = Basket();
    spoil(request);
    const auto created = Create({}, request);
    EXPECT_THAT(created.response, HasCode(Code::kInvalidArgument));
    return std::string(created.response.status().message());
  };
  EXPECT_EQ(refused([](auto& r) { r.set_customer_id(0); }), "customer_id: must be at least 1");
  EXPECT_EQ(refused([](auto& r) { r.clear_items(); }), "items: must hold 1 to 100 lines");
  EXPECT_EQ(refused([](auto& r) { r.mutable_items(0)->set_quantity(0); }),
            "items[0].quantity: must be between 1 and 1000000000");
  EXPECT_THAT(refused([](auto& r) { r.mutable_items(0)->set_sku(""); }), HasSubstr("items[0].sku"));
  EXPECT_THAT(refused([](auto& r) { r.mutable_items(0)->set_sku(std::string(65, 'x')); }), HasSubstr("items[0].sku"));
  EXPECT_THAT(refused([](auto& r) { r.mutable_items(0)->set_sku("a\nb"); }), HasSubstr("items[0].sku"));
  EXPECT_TRUE(List().empty());
}

TEST_P(DirectFlows, LinesAreMergedBySkuAndSorted) {
  pb::CreateOrderRequest request = Basket();
  for (const char* sku : {"b", "a", "b"}) {
    auto* item = request.add_items();
    item->set_sku(sku);
    item->set_quantity(1);
  }
  const auto created = Create({}, request);
  ASSERT_OK(created.response);
  const pb::Order& order = created.response->order();
  ASSERT_EQ(order.items_size(), 3);
  EXPECT_EQ(order.items(0).sku(), "a");
  EXPECT_EQ(order.items(1).quantity(), 2);
  EXPECT_EQ(order.total_cents(), 5 * 250);
}

TEST_P(DirectFlows, ListsArePagedByTokensThatAreBoundToTheirFilter) {
  for (int i = 0; i < 5; i++) {
    CreateOne();
    clock_.SleepFor(absl::Milliseconds(1));
  }
  pb::ListOrdersRequest request;
  request.set_customer_id(7);
  request.set_page_size(2);
  std::set<std::string> seen;
  int pages = 0;
  do {
    const auto page = Call(&OrdersLogic::ListOrders, CallContext(), request);
    ASSERT_OK(page.response);
    for (const pb::Order& order : page.response->orders()) EXPECT_TRUE(seen.insert(order.order_id()).second);
    request.set_page_token(page.response->next_page_token());
    if (++pages == 1) {
      pb::ListOrdersRequest other = request;
      other.set_customer_id(8);
      EXPECT_THAT(Call(&OrdersLogic::ListOrders, CallContext(), other).response, HasCode(Code::kInvalidArgument));
    }
  } while (!request.page_token().empty());
  EXPECT_EQ(seen.size(), 5u);
  EXPECT_EQ(pages, 3);
}

TEST_P(DirectFlows, BadListRequestsAreRefusedByTheirFieldsName) {
  const auto refused = [this](const pb::ListOrdersRequest& request) {
    const auto listed = Call(&OrdersLogic::ListOrders, CallContext(), request);
    EXPECT_THAT(listed.response, HasCode(Code::kInvalidArgument));
    return std::string(listed.response.status().message());
  };
  pb::ListOrdersRequest request;
  request.set_page_size(501);
  EXPECT_THAT(refused(request), HasSubstr("page_size"));
  request.set_page_size(0);
  request.set_page_token("!");
  EXPECT_THAT(refused(request), HasSubstr("page_token"));
  request.clear_page_token();
  request.set_status(static_cast<pb::Order::Status>(77));
  EXPECT_THAT(refused(request), HasSubstr("status"));
}

TEST_P(DirectFlows, CallsThatWaitWhenTheProcessEndsAreAnsweredAndNothingIsKept) {
  auto ended = std::make_shared<bool>(false);
  logic_->CreateOrder({}, Basket(), [ended](absl::StatusOr<pb::CreateOrderResponse> response, ReplyInfo) {
    EXPECT_THAT(response, HasCode(Code::kUnavailable));
    *ended = true;
  });
  loop_.Shutdown();  // the write waits, and no worker will run it
  logic_.reset();
  EXPECT_TRUE(*ended);
  EXPECT_EQ(ended.use_count(), 1);
}

INSTANTIATE_TEST_SUITE_P(Engines, DirectFlows, ::testing::Values(MemoryEngine()), EngineName);
INSTANTIATE_TEST_SUITE_P(Servers, DirectFlows, ::testing::ValuesIn(ServerEngines()), EngineName);

}  // namespace
}  // namespace sagamesh::orders::testing
