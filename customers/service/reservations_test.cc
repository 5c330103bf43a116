// Reservations by direct callers, who are guarded by the order, or by a key.

#include <string>

#include "customers/service/logic_fixture_test.h"

namespace sagamesh::customers {
namespace {

namespace pb = ::customers::v1;
using absl::StatusCode;
using testing::Basket;
using testing::Counted;
using testing::HasCode;
using ::testing::HasSubstr;
using testing::IsError;
using testing::kCompensated;
using testing::kOwned;
using testing::kReused;
using ::testing::StartsWith;

using ReservationsTest = testing::CustomersLogicTest;

TEST_P(ReservationsTest, AReservationAnswersItsMergedSortedItemsWithTheirPrices) {
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

TEST_P(ReservationsTest, AReservationIsAllOrNothingAndSaysWhatLacks) {
  const auto refused = Reserve("o", {{"a", 2}, {"b", 101}});
  EXPECT_THAT(refused, IsError(StatusCode::kFailedPrecondition, "INSUFFICIENT_STOCK"));
  EXPECT_EQ(refused.status().message(), "Stock insuficiente para b: solicitado 101, disponible 5");
  const auto metadata = GetErrorInfo(refused.status())->metadata();
  EXPECT_EQ(metadata.at("sku"), "b");
  EXPECT_EQ(metadata.at("requested"), "101");
  EXPECT_EQ(metadata.at("available"), "5");
  EXPECT_EQ(Counts("a"), (Counted{10, 0, 0}));
}

TEST_P(ReservationsTest, UnknownCustomersAndSkusAreNamed) {
  const auto nobody = Reserve("o", {{"a", 1}}, {}, 7);
  EXPECT_THAT(nobody, IsError(StatusCode::kNotFound, "CUSTOMER_NOT_FOUND"));
  EXPECT_THAT(std::string(nobody.status().message()), HasSubstr("customer 7 not found"));
  const auto nothing = Reserve("o", {{"a", 1}, {"c", 1}});
  EXPECT_THAT(nothing, IsError(StatusCode::kNotFound, "PRODUCT_NOT_FOUND"));
  EXPECT_THAT(std::string(nothing.status().message()), HasSubstr("c not found"));
  EXPECT_EQ(Counts("a"), (Counted{10, 0, 0}));
}

TEST_P(ReservationsTest, BadInputIsRefusedByItsFieldsName) {
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

TEST_P(ReservationsTest, ADirectReservationIsRepeatableByItsOrder) {
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

TEST_P(ReservationsTest, ADirectRefusalWithoutAKeyIsDecidedAnew) {
  EXPECT_THAT(Commit("o"), IsError(StatusCode::kNotFound, "RESERVATION_NOT_FOUND"));
  EXPECT_THAT(Reserve("o", {{"a", 11}}), HasCode(StatusCode::kFailedPrecondition));
  ASSERT_OK(Restock("a", 1));
  ASSERT_OK(Reserve("o", {{"a", 11}}));
  EXPECT_OK(Commit("o"));
}

TEST_P(ReservationsTest, ADirectCallWithAKeyIsGuardedByTheKey) {
  ASSERT_OK(Reserve("o", {{"a", 2}}, Key("k")));
  EXPECT_FALSE(info_.replayed);
  ASSERT_OK(Reserve("o", {{"a", 2}}, Key("k")));
  EXPECT_TRUE(info_.replayed);
  EXPECT_THAT(Reserve("o2", {{"a", 2}}, Key("k")), kReused);
  EXPECT_EQ(Counts("a"), (Counted{8, 2, 0}));
}

TEST_P(ReservationsTest, AReservationIsFoundWhateverKeyAsksForItAgain) {
  ASSERT_OK(Reserve("o", {{"a", 10}}, Key("k")));
  EXPECT_OK(Reserve("o", {{"a", 10}}, Key("k2"))) << "nothing is left, and nothing more is asked for";
  EXPECT_EQ(Counts("a"), (Counted{0, 10, 0}));
}

TEST_P(ReservationsTest, OnlyTheOwnerTouchesAReservation) {
  const std::string saga = NewSaga();
  ASSERT_OK(Reserve("o", {{"a", 2}}, Saga(saga, "create_order")));
  EXPECT_THAT(Reserve("o", {{"a", 2}}, Saga(NewSaga(), "create_order")), kOwned);
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

TEST_P(ReservationsTest, ATotalThatOverflowsIsRefused) {
  ASSERT_OK(Create("dear", 2'000'000'000, 1'000'000'000'000));
  const auto refused = Reserve("o", {{"dear", 10'000'000}});
  EXPECT_THAT(refused, IsError(StatusCode::kInvalidArgument, "TOTAL_OVERFLOW"));
  EXPECT_THAT(std::string(refused.status().message()), StartsWith("items"));
}

INSTANTIATE_TEST_SUITE_P(Engines, ReservationsTest, ::testing::Values(testing::SqliteEngine()), testing::EngineName);
INSTANTIATE_TEST_SUITE_P(Servers, ReservationsTest, ::testing::ValuesIn(testing::ServerEngines()), testing::EngineName);

}  // namespace
}  // namespace sagamesh::customers
