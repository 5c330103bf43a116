#include "orders/domain/order.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <tuple>

#include "common/status/error.h"
#include "common/testing/status_matchers.h"

namespace sagamesh::orders {
namespace {

using ::sagamesh::testing::IsError;

constexpr char kId[] = "order-1";
const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);
const Timing kTiming{kNow, absl::Minutes(30), absl::Seconds(5)};

Order Basket(const std::string& saga_id = "", int64_t quantity = 2) {
  Order order;
  order.id = kId;
  order.customer_id = 7;
  order.lines = {{"sku-1", quantity, 0}};
  order.saga_id = saga_id;
  return order;
}

WorkingSet With(OrderStatus status, const std::string& saga_id) {
  Order order = Basket(saga_id);
  order.status = status;
  order.created = kNow - absl::Minutes(1);
  if (saga_id.empty()) order.sweep_at = kNow + absl::Minutes(29);
  WorkingSet set;
  set.orders[kId] = order;
  return set;
}

// One row: an operation on an order of a status and an owner, and what comes of it: a status, or a refusal's reason.
struct Row {
  const char* name;
  std::function<absl::StatusOr<Order>(WorkingSet&)> operation;
  const char* owner;
  const char* from[5];  // outcome for PENDING, CREATED, CONFIRMED, CANCELLING, CANCELLED
};

std::string Outcome(const absl::StatusOr<Order>& order) {
  if (!order.ok()) return GetReason(order.status());
  constexpr const char* kNames[] = {"", "PENDING", "CREATED", "CONFIRMED", "CANCELLING", "CANCELLED"};
  return kNames[static_cast<int>(order->status)];
}

absl::StatusOr<Order> ConfirmBy(WorkingSet& set, const char* saga) { return Confirm(set, kId, {saga}); }
absl::StatusOr<Order> CancelBy(WorkingSet& set, const char* saga) { return MarkCancelling(set, kId, {saga}, kTiming); }

const Row kTable[] = {
    {"a direct confirm of a direct order",
     [](auto& s) { return ConfirmBy(s, ""); },
     "",
     {"ORDER_NOT_CREATED", "CONFIRMED", "CONFIRMED", "ORDER_CANCELLED", "ORDER_CANCELLED"}},
    {"a direct confirm of a saga's order",
     [](auto& s) { return ConfirmBy(s, ""); },
     "saga-1",
     {"ORDER_OWNED_BY_SAGA", "ORDER_OWNED_BY_SAGA", "CONFIRMED", "ORDER_CANCELLED", "ORDER_CANCELLED"}},
    {"a saga's confirm of its order",
     [](auto& s) { return ConfirmBy(s, "saga-1"); },
     "saga-1",
     {"ORDER_NOT_CREATED", "CONFIRMED", "CONFIRMED", "ORDER_CANCELLED", "ORDER_CANCELLED"}},
    {"a saga's confirm of another's order",
     [](auto& s) { return ConfirmBy(s, "saga-2"); },
     "saga-1",
     {"ORDER_OWNED_BY_SAGA", "ORDER_OWNED_BY_SAGA", "ORDER_OWNED_BY_SAGA", "ORDER_CANCELLED", "ORDER_CANCELLED"}},
    {"a direct cancel of a direct order",
     [](auto& s) { return CancelBy(s, ""); },
     "",
     {"CANCELLING", "CANCELLING", "ORDER_CONFIRMED", "CANCELLING", "CANCELLED"}},
    {"a direct cancel of a saga's order",
     [](auto& s) { return CancelBy(s, ""); },
     "saga-1",
     {"ORDER_OWNED_BY_SAGA", "ORDER_OWNED_BY_SAGA", "ORDER_CONFIRMED", "ORDER_OWNED_BY_SAGA", "ORDER_OWNED_BY_SAGA"}},
    {"a saga's cancel of its order",
     [](auto& s) { return CancelBy(s, "saga-1"); },
     "saga-1",
     {"CANCELLING", "CANCELLING", "CANCELLING", "CANCELLING", "CANCELLED"}},
    {"a saga's cancel of another's order",
     [](auto& s) { return CancelBy(s, "saga-2"); },
     "saga-1",
     {"ORDER_OWNED_BY_SAGA", "ORDER_OWNED_BY_SAGA", "ORDER_OWNED_BY_SAGA", "ORDER_OWNED_BY_SAGA",
      "ORDER_OWNED_BY_SAGA"}},
    {"the prices of a direct order",
     [](auto& s) { return PriceDirect(s, Basket(), kTiming); },
     "",
     {"CREATED", "CREATED", "CONFIRMED", "ORDER_CANCELLED", "ORDER_CANCELLED"}},
    {"the repeat of a direct create",
     [](auto& s) { return BeginDirect(s, Basket(), kTiming); },
     "",
     {"PENDING", "CREATED", "CONFIRMED", "ORDER_CANCELLED", "ORDER_CANCELLED"}},
    {"the repeat of a saga's create",
     [](auto& s) { return CreateForSaga(s, Basket("saga-1"), kTiming); },
     "saga-1",
     {"PENDING", "CREATED", "CONFIRMED", "ORDER_CANCELLED", "ORDER_CANCELLED"}},
    {"another saga's create",
     [](auto& s) { return CreateForSaga(s, Basket("saga-2"), kTiming); },
     "saga-1",
     {"ORDER_OWNED_BY_SAGA", "ORDER_OWNED_BY_SAGA", "ORDER_OWNED_BY_SAGA", "ORDER_OWNED_BY_SAGA",
      "ORDER_OWNED_BY_SAGA"}},
    // A duplicate of the refused reserve may still find stock: only a release, which CANCELLING leads to, keeps it out.
    {"the refusal of a direct order's stock",
     [](auto& s) { return RefuseDirect(s, kId); },
     "",
     {"CANCELLING", "CREATED", "CONFIRMED", "CANCELLING", "CANCELLED"}},
    {"the end of a cancel",
     [](auto& s) { return FinishCancel(s, kId, {""}); },
     "",
     {"PENDING", "CREATED", "CONFIRMED", "CANCELLED", "CANCELLED"}},
};

class OrderTable : public ::testing::TestWithParam<std::tuple<int, int>> {};

TEST_P(OrderTable, HoldsItsOutcomeAndARefusalChangesNothing) {
  const Row& row = kTable[std::get<0>(GetParam())];
  const int from = std::get<1>(GetParam());
  SCOPED_TRACE(row.name);
  WorkingSet set = With(static_cast<OrderStatus>(from + 1), row.owner);
  const absl::StatusOr<Order> order = row.operation(set);
  EXPECT_EQ(Outcome(order), row.from[from]);
  const bool moved = order.ok() && order->status != static_cast<OrderStatus>(from + 1);
  EXPECT_EQ(set.changed.contains(kId), moved);
  EXPECT_EQ(set.orders.at(kId).status, order.ok() ? order->status : static_cast<OrderStatus>(from + 1));
}

INSTANTIATE_TEST_SUITE_P(All, OrderTable,
                         ::testing::Combine(::testing::Range(0, static_cast<int>(std::size(kTable))),
                                            ::testing::Range(0, 5)));

TEST(Order, ADirectOneBeginsPendingAndIsDueAfterItsTime) {
  WorkingSet set;
  const absl::StatusOr<Order> order = BeginDirect(set, Basket(), kTiming);
  ASSERT_OK(order);
  EXPECT_EQ(order->status, OrderStatus::kPending);
  EXPECT_EQ(order->sweep_at, kNow + absl::Minutes(30));
  EXPECT_EQ(order->created, kNow);
}

TEST(Order, ASagasOneBeginsCreatedAndIsNeverSwept) {
  WorkingSet set;
  const absl::StatusOr<Order> order = CreateForSaga(set, Basket("saga-1"), kTiming);
  ASSERT_OK(order);
  EXPECT_EQ(order->status, OrderStatus::kCreated);
  EXPECT_EQ(order->sweep_at, std::nullopt);
}

TEST(Order, AKeyThatMadeAnotherBasketIsRefused) {
  WorkingSet set = With(OrderStatus::kPending, "");
  EXPECT_THAT(BeginDirect(set, Basket("", 3), kTiming),
              IsError(absl::StatusCode::kInvalidArgument, "IDEMPOTENCY_KEY_REUSED"));
  Order other_customer = Basket();
  other_customer.customer_id = 8;
  EXPECT_THAT(BeginDirect(set, other_customer, kTiming),
              IsError(absl::StatusCode::kInvalidArgument, "IDEMPOTENCY_KEY_REUSED"));
}

TEST(Order, ARefusedOneIsDueAtOnceForTheSweepToReleaseIt) {
  WorkingSet set = With(OrderStatus::kPending, "");
  const absl::StatusOr<Order> order = RefuseDirect(set, kId);
  ASSERT_OK(order);
  ASSERT_TRUE(order->sweep_at.has_value());
  EXPECT_LE(*order->sweep_at, kNow);
}

TEST(Order, OneNeverSeenIsNotFoundByDirectCallers) {
  WorkingSet set;
  EXPECT_THAT(Confirm(set, kId, {""}), IsError(absl::StatusCode::kNotFound, "ORDER_NOT_FOUND"));
  EXPECT_THAT(MarkCancelling(set, kId, {""}, kTiming), IsError(absl::StatusCode::kNotFound, "ORDER_NOT_FOUND"));
  EXPECT_TRUE(set.changed.empty());
}

TEST(Order, OneNeverSeenIsCancelledByASagaWithoutARow) {
  WorkingSet set;
  ASSERT_OK(MarkCancelling(set, kId, {"saga-1"}, kTiming));
  const absl::StatusOr<Order> order = FinishCancel(set, kId, {"saga-1"});
  ASSERT_OK(order);
  EXPECT_EQ(order->id, kId);
  EXPECT_EQ(order->status, OrderStatus::kCancelled);
  EXPECT_TRUE(set.orders.empty());
  EXPECT_TRUE(set.changed.empty());
}

TEST(Order, TheSweepTakesOnlyWhatIsStillAsItSawIt) {
  WorkingSet set = With(OrderStatus::kCreated, "");
  const absl::Time seen = *set.orders.at(kId).sweep_at;
  EXPECT_FALSE(MarkExpired(set, kId, seen - absl::Seconds(1), kTiming).ok());
  EXPECT_TRUE(set.changed.empty());
  const absl::StatusOr<Order> order = MarkExpired(set, kId, seen, kTiming);
  ASSERT_OK(order);
  EXPECT_EQ(order->status, OrderStatus::kCancelling);
  EXPECT_EQ(order->sweep_at, kNow + absl::Seconds(5)) << "another sweep must leave it alone for a while";
  EXPECT_FALSE(MarkExpired(set, kId, seen, kTiming).ok());
}

TEST(Order, TheSweepNeverTakesASagasOrder) {
  WorkingSet set = With(OrderStatus::kCreated, "saga-1");
  EXPECT_FALSE(MarkExpired(set, kId, kNow, kTiming).ok());
  EXPECT_TRUE(set.changed.empty());
}

TEST(Order, AnEndedOneIsNotSwept) {
  WorkingSet confirmed = With(OrderStatus::kCreated, "");
  EXPECT_EQ(Confirm(confirmed, kId, {""})->sweep_at, std::nullopt);
  WorkingSet cancelled = With(OrderStatus::kCancelling, "");
  EXPECT_EQ(FinishCancel(cancelled, kId, {""})->sweep_at, std::nullopt);
}

}  // namespace
}  // namespace sagamesh::orders
