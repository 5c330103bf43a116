#include "customers/domain/stock.h"

#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"

namespace sagamesh::customers {
namespace {

using absl::StatusCode;
using ::sagamesh::testing::IsError;
using ::testing::IsEmpty;

constexpr char kSaga[] = "saga-1";

class StockTest : public ::testing::Test {
 protected:
  StockTest() {
    set_.customers[1] = {1, "Ada", ""};
    Put("a", 10, 250);
    Put("b", 5, 100);
  }

  void Put(const std::string& sku, int64_t available, int64_t price_cents) {
    set_.products[sku] = {sku, sku, price_cents, available, 0, 0};
  }

  absl::StatusOr<Reservation> Take(std::vector<BasketLine> lines, const std::string& order_id = "o",
                                   const std::string& owner = kSaga, uint32_t customer_id = 1) {
    return Reserve(set_, {order_id, owner, customer_id, std::move(lines)});
  }

  // available, reserved, sold
  std::vector<int64_t> Counts(const std::string& sku) {
    const Product& product = set_.products.at(sku);
    return {product.available, product.reserved, product.sold};
  }

  std::vector<std::string> Kinds() {
    std::vector<std::string> kinds;
    for (const Movement& movement : set_.movements) kinds.push_back(movement.kind);
    return kinds;
  }

  WorkingSet set_;
};

using Counted = std::vector<int64_t>;
using Named = std::vector<std::string>;

TEST_F(StockTest, AReservationTakesEveryLineAtItsPrice) {
  const auto reservation = Take({{"a", 3}, {"b", 5}});
  ASSERT_OK(reservation);
  EXPECT_EQ(reservation->status, ReservationStatus::kReserved);
  EXPECT_EQ(reservation->lines[0].unit_price_cents, 250);
  EXPECT_EQ(reservation->lines[1].unit_price_cents, 100);
  EXPECT_EQ(Counts("a"), (Counted{7, 3, 0}));
  EXPECT_EQ(Counts("b"), (Counted{0, 5, 0}));
  EXPECT_TRUE(set_.new_reservations.contains("o"));
}

TEST_F(StockTest, AReservationThatLacksOneLineTakesNone) {
  const auto reservation = Take({{"a", 3}, {"b", 6}});
  EXPECT_THAT(reservation, IsError(StatusCode::kFailedPrecondition, "INSUFFICIENT_STOCK"));
  EXPECT_EQ(reservation.status().message(), "Stock insuficiente para b: solicitado 6, disponible 5");
  EXPECT_EQ(Counts("a"), (Counted{10, 0, 0}));
  EXPECT_THAT(set_.movements, IsEmpty());
  EXPECT_FALSE(set_.reservations.contains("o"));
}

TEST_F(StockTest, TheFirstSkuThatLacksIsNamed) {
  EXPECT_EQ(Take({{"a", 11}, {"b", 6}}).status().message(), "Stock insuficiente para a: solicitado 11, disponible 10");
}

TEST_F(StockTest, AReservationOfNobodyOrNothingIsNotFound) {
  EXPECT_THAT(Take({{"a", 1}}, "o", kSaga, 7), IsError(StatusCode::kNotFound, "CUSTOMER_NOT_FOUND"));
  EXPECT_THAT(Take({{"a", 1}, {"c", 1}}), IsError(StatusCode::kNotFound, "PRODUCT_NOT_FOUND"));
  EXPECT_THAT(set_.movements, IsEmpty());
}

TEST_F(StockTest, ATotalThatOverflowsIsRefusedEvenWithStockForIt) {
  Put("dear", kStockMax, kPriceCentsMax);
  Put("dearer", kStockMax, kPriceCentsMax);
  EXPECT_THAT(Take({{"dear", 1'000'000'000}}), IsError(StatusCode::kInvalidArgument, "TOTAL_OVERFLOW"));
  EXPECT_THAT(Take({{"dear", 5'000'000}, {"dearer", 5'000'000}}),
              IsError(StatusCode::kInvalidArgument, "TOTAL_OVERFLOW"));
  EXPECT_OK(Take({{"dear", 4'000'000}, {"dearer", 5'000'000}}));
}

TEST_F(StockTest, ARepeatedReserveAnswersTheSameAndTakesNothing) {
  const auto first = Take({{"a", 3}});
  Put("a", 7, 999);  // the price has changed meanwhile
  const auto again = Take({{"a", 3}});
  ASSERT_OK(again);
  EXPECT_EQ(again->lines[0].unit_price_cents, 250);
  EXPECT_EQ(set_.movements.size(), 1u);
}

TEST_F(StockTest, AReserveWithOtherItemsOrCustomerIsAReusedKey) {
  set_.customers[2] = {2, "Bob", ""};
  ASSERT_OK(Take({{"a", 3}}));
  EXPECT_THAT(Take({{"a", 4}}), IsError(StatusCode::kInvalidArgument, "IDEMPOTENCY_KEY_REUSED"));
  EXPECT_THAT(Take({{"b", 3}}), IsError(StatusCode::kInvalidArgument, "IDEMPOTENCY_KEY_REUSED"));
  EXPECT_THAT(Take({{"a", 3}, {"b", 1}}), IsError(StatusCode::kInvalidArgument, "IDEMPOTENCY_KEY_REUSED"));
  EXPECT_THAT(Take({{"a", 3}}, "o", kSaga, 2), IsError(StatusCode::kInvalidArgument, "IDEMPOTENCY_KEY_REUSED"));
}

TEST_F(StockTest, ACommitSellsWhatWasReservedOnce) {
  ASSERT_OK(Take({{"a", 3}}));
  for (int i = 0; i < 2; i++) {
    const auto committed = Commit(set_, "o", kSaga);
    ASSERT_OK(committed);
    EXPECT_EQ(committed->status, ReservationStatus::kCommitted);
    EXPECT_EQ(Counts("a"), (Counted{7, 0, 3}));
  }
  EXPECT_EQ(Kinds(), (Named{"reserve", "commit"}));
}

TEST_F(StockTest, ACommitOfNothingIsNotFound) {
  EXPECT_THAT(Commit(set_, "o", kSaga), IsError(StatusCode::kNotFound, "RESERVATION_NOT_FOUND"));
}

TEST_F(StockTest, AReleaseBringsBackWhatWasReservedOnce) {
  ASSERT_OK(Take({{"a", 3}, {"b", 1}}));
  for (int i = 0; i < 2; i++) {
    ASSERT_OK(Release(set_, "o", kSaga));
    EXPECT_EQ(Counts("a"), (Counted{10, 0, 0}));
    EXPECT_EQ(Counts("b"), (Counted{5, 0, 0}));
  }
  EXPECT_EQ(Kinds(), (Named{"reserve", "reserve", "release", "release"}));
}

TEST_F(StockTest, AReleaseAfterACommitIsAReversal) {
  ASSERT_OK(Take({{"a", 3}}));
  ASSERT_OK(Commit(set_, "o", kSaga));
  ASSERT_OK(Release(set_, "o", kSaga));
  EXPECT_EQ(Counts("a"), (Counted{10, 0, 0}));
  EXPECT_EQ(Kinds(), (Named{"reserve", "commit", "reversal"}));
}

TEST_F(StockTest, AfterAReleaseNothingOfTheOrderHappensAnyMore) {
  ASSERT_OK(Take({{"a", 3}}));
  ASSERT_OK(Release(set_, "o", kSaga));
  EXPECT_THAT(Take({{"a", 3}}), IsError(StatusCode::kAborted, "ALREADY_COMPENSATED"));
  EXPECT_THAT(Commit(set_, "o", kSaga), IsError(StatusCode::kAborted, "ALREADY_COMPENSATED"));
  EXPECT_EQ(Counts("a"), (Counted{10, 0, 0}));
}

TEST_F(StockTest, AReleaseOfAnOrderNeverSeenIsRememberedAndMovesNothing) {
  const auto released = Release(set_, "o", kSaga);
  ASSERT_OK(released);
  EXPECT_EQ(released->status, ReservationStatus::kReleased);
  EXPECT_THAT(released->lines, IsEmpty());
  EXPECT_THAT(Take({{"a", 3}}), IsError(StatusCode::kAborted, "ALREADY_COMPENSATED"));
  EXPECT_THAT(set_.movements, IsEmpty());
}

TEST_F(StockTest, AnotherCallerThanTheOwnerIsRefused) {
  for (const auto& [owner, stranger] :
       std::vector<std::pair<std::string, std::string>>{{kSaga, "saga-2"}, {kSaga, ""}, {"", kSaga}}) {
    const std::string order_id = owner + "/" + stranger;
    ASSERT_OK(Take({{"a", 1}}, order_id, owner));
    const size_t movements = set_.movements.size();
    const auto refused = IsError(StatusCode::kFailedPrecondition, "RESERVATION_OWNED_BY_SAGA");
    EXPECT_THAT(Take({{"a", 1}}, order_id, stranger), refused);
    EXPECT_THAT(Commit(set_, order_id, stranger), refused);
    EXPECT_THAT(Release(set_, order_id, stranger), refused);
    EXPECT_EQ(set_.movements.size(), movements);
    EXPECT_EQ(set_.reservations[order_id].status, ReservationStatus::kReserved);
  }
}

TEST_F(StockTest, ARestockCountsWhatIsReservedAndSoldTowardsTheLimit) {
  ASSERT_OK(Take({{"a", 3}}));
  ASSERT_OK(Commit(set_, "o", kSaga));
  EXPECT_THAT(Restock(set_, "a", kStockMax - 9, "m"), IsError(StatusCode::kFailedPrecondition, "STOCK_LIMIT"));
  ASSERT_OK(Restock(set_, "a", kStockMax - 10, "m"));
  EXPECT_EQ(Counts("a"), (Counted{kStockMax - 3, 0, 3}));
  EXPECT_THAT(Restock(set_, "c", 1, "m"), IsError(StatusCode::kNotFound, "PRODUCT_NOT_FOUND"));
}

TEST_F(StockTest, AProductIsMadeOnceWithAnInitialMovement) {
  ASSERT_OK(CreateProduct(set_, {"c", "C", 10, 7}));
  EXPECT_EQ(Counts("c"), (Counted{7, 0, 0}));
  EXPECT_EQ(Kinds(), Named{"initial"});
  EXPECT_TRUE(set_.new_products.contains("c"));
  EXPECT_THAT(CreateProduct(set_, {"c", "C", 10, 9}), IsError(StatusCode::kAlreadyExists, "PRODUCT_EXISTS"));
  EXPECT_EQ(Counts("c"), (Counted{7, 0, 0}));
}

TEST_F(StockTest, ANewProductThatIsSoldInTheSameBatchIsStillNew) {
  ASSERT_OK(CreateProduct(set_, {"c", "C", 10, 7}));
  ASSERT_OK(Take({{"c", 2}}));
  EXPECT_TRUE(set_.new_products.contains("c"));
  EXPECT_FALSE(set_.changed_products.contains("c"));
}

TEST_F(StockTest, ACustomersIdIsPickedAboveTheHighest) {
  EXPECT_EQ(CreateCustomer(set_, {0, "x", ""}).status().code(), StatusCode::kAlreadyExists) << "1 is taken";
  set_.next_customer_id = 2;
  EXPECT_EQ(CreateCustomer(set_, {0, "x", ""})->id, 2u);
  EXPECT_EQ(CreateCustomer(set_, {40, "x", ""})->id, 40u);
  EXPECT_EQ(CreateCustomer(set_, {0, "x", ""})->id, 41u);
  EXPECT_THAT(CreateCustomer(set_, {40, "x", ""}), IsError(StatusCode::kAlreadyExists, "CUSTOMER_EXISTS"));
}

TEST_F(StockTest, TheHighestCustomerIdLeavesNoneToPick) {
  ASSERT_OK(CreateCustomer(set_, {std::numeric_limits<uint32_t>::max(), "x", ""}));
  EXPECT_THAT(CreateCustomer(set_, {0, "x", ""}), IsError(StatusCode::kFailedPrecondition, "CUSTOMER_IDS_EXHAUSTED"));
  EXPECT_OK(CreateCustomer(set_, {7, "x", ""}));
}

TEST_F(StockTest, MovementsSumToTheBalances) {
  for (int i = 0; i < 5; i++) ASSERT_OK(Take({{"a", 1}, {"b", 1}}, absl::StrCat("o", i)));
  ASSERT_OK(Commit(set_, "o0", kSaga));
  ASSERT_OK(Commit(set_, "o1", kSaga));
  ASSERT_OK(Release(set_, "o1", kSaga));
  ASSERT_OK(Release(set_, "o2", kSaga));
  ASSERT_OK(Restock(set_, "a", 4, "m"));
  std::map<std::string, Counted> sums = {{"a", {10, 0, 0}}, {"b", {5, 0, 0}}};
  for (const Movement& movement : set_.movements) {
    Counted& sum = sums[movement.sku];
    sum[0] += movement.available;
    sum[1] += movement.reserved;
    sum[2] += movement.sold;
  }
  EXPECT_EQ(sums["a"], Counts("a"));
  EXPECT_EQ(sums["b"], Counts("b"));
  EXPECT_EQ(Counts("a"), (Counted{11, 2, 1}));
}

}  // namespace
}  // namespace sagamesh::customers
