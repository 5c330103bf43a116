#include "common/basket/basket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/status_matchers.h"

namespace sagamesh {
namespace {

using ::sagamesh::testing::IsError;
using ::testing::HasSubstr;

absl::Status Check(std::vector<BasketLine> lines) { return CanonicalBasket("orders", std::move(lines)).status(); }

TEST(BasketTest, LinesAreMergedBySkuAndSorted) {
  auto basket = CanonicalBasket("orders", {{"b", 1}, {"a", 2}, {"b", 3}});
  ASSERT_OK(basket);
  ASSERT_EQ(basket->size(), 2u);
  EXPECT_EQ((*basket)[0].sku, "a");
  EXPECT_EQ((*basket)[1].quantity, 4);
}

TEST(BasketTest, AnEmptyOrTooLongBasketIsRefused) {
  EXPECT_THAT(Check({}).message(), HasSubstr("items"));
  EXPECT_THAT(Check(std::vector<BasketLine>(101, {"a", 1})).message(), HasSubstr("items"));
  EXPECT_OK(Check(std::vector<BasketLine>(100, {"a", 1})));
}

TEST(BasketTest, AQuantityOutOfRangeIsRefusedByName) {
  for (int64_t quantity : {int64_t{0}, int64_t{-1}, kQuantityMax + 1}) {
    const absl::Status status = Check({{"a", 1}, {"b", quantity}});
    EXPECT_THAT(status, IsError(absl::StatusCode::kInvalidArgument, "INVALID_FIELD"));
    EXPECT_THAT(status.message(), HasSubstr("items[1].quantity"));
  }
}

TEST(BasketTest, ASumOutOfRangeIsRefused) {
  EXPECT_THAT(Check({{"a", kQuantityMax}, {"a", 1}}).message(), HasSubstr("items[1].quantity"));
}

TEST(BasketTest, ABadSkuIsRefusedByName) {
  for (const std::string& sku : {std::string(), std::string(65, 'x'), std::string("tab\t")}) {
    EXPECT_THAT(Check({{"a", 1}, {sku, 1}}).message(), HasSubstr("items[1].sku")) << sku;
  }
}

}  // namespace
}  // namespace sagamesh
