#include "common/paging/paging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/status_matchers.h"

namespace sagamesh {
namespace {

using ::sagamesh::testing::HasCode;
using ::testing::ElementsAre;

TEST(PagingTest, ATokenHoldsItsPosition) {
  const std::string token = MakePageToken("orders/1", {"123", "abc"});
  EXPECT_THAT(*ReadPageToken("orders", "page_token", "orders/1", 2, token), ElementsAre("123", "abc"));
}

TEST(PagingTest, NoTokenIsTheFirstPage) {
  EXPECT_THAT(*ReadPageToken("orders", "page_token", "orders/1", 2, ""), ElementsAre("", ""));
}

TEST(PagingTest, ATokenOfAnotherListOrGarbageIsRefused) {
  for (const std::string& token : {MakePageToken("orders/2", {"1", "2"}), MakePageToken("orders/1", {"1"}),
                                   std::string("garbage!"), std::string("AAAA")}) {
    EXPECT_THAT(ReadPageToken("orders", "page_token", "orders/1", 2, token),
                HasCode(absl::StatusCode::kInvalidArgument));
  }
}

TEST(PagingTest, APageIsCutOnlyIfThereIsMore) {
  std::vector<int> items = {1, 2};
  EXPECT_FALSE(CutPage(2, items));
  EXPECT_THAT(items, ElementsAre(1, 2));
  items.push_back(3);
  EXPECT_TRUE(CutPage(2, items));
  EXPECT_THAT(items, ElementsAre(1, 2));
}

TEST(PagingTest, APageSizeOutOfRangeIsRefused) {
  EXPECT_EQ(*PageSize("orders", 0), kPageSizeDefault);
  EXPECT_EQ(*PageSize("orders", kPageSizeMax), kPageSizeMax);
  EXPECT_THAT(PageSize("orders", -1), HasCode(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(PageSize("orders", kPageSizeMax + 1), HasCode(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace sagamesh
