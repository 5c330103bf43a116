#include "common/uuid/uuid.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "common/hash/sha256.h"

namespace sagamesh {
namespace {

using ::testing::MatchesRegex;

class ConstantRandom final : public Random {
 public:
  uint64_t Next() override { return 0x0123456789abcdef; }
};

TEST(UuidTest, AVersion7IdHasTheTimeInItsFirst48Bits) {
  ConstantRandom random;
  EXPECT_EQ(MakeUuidV7(absl::FromUnixMillis(0x017f22e279b0), random), "017f22e2-79b0-7def-8123-456789abcdef");
}

TEST(UuidTest, TheTimeOfAnIdIsReadBack) {
  auto random = MakeSystemRandom();
  const absl::Time now = absl::FromUnixMillis(1'795'000'000'123);
  EXPECT_EQ(UuidV7Time(MakeUuidV7(now, *random)), now);
}

TEST(UuidTest, IdsOfLaterMillisecondsSortLater) {
  auto random = MakeSystemRandom();
  std::string last;
  for (int64_t ms = 1'795'000'000'000; ms < 1'795'000'000'300; ms++) {
    const std::string id = MakeUuidV7(absl::FromUnixMillis(ms), *random);
    EXPECT_LT(last, id);
    last = id;
  }
}

TEST(UuidTest, IdsOfOneMillisecondDiffer) {
  auto random = MakeSystemRandom();
  std::set<std::string> ids;
  for (int i = 0; i < 1000; i++) ids.insert(MakeUuidV7(absl::FromUnixMillis(1'795'000'000'000), *random));
  EXPECT_EQ(ids.size(), 1000u);
}

class NotAUuidV7Test : public ::testing::TestWithParam<const char*> {};

TEST_P(NotAUuidV7Test, HasNoTime) { EXPECT_EQ(UuidV7Time(GetParam()), std::nullopt); }

INSTANTIATE_TEST_SUITE_P(All, NotAUuidV7Test,
                         ::testing::Values("", "017f22e2",
                                           "017f22e2-79b0-4def-8123-456789abcdef",    // another version
                                           "017f22e2-79b0-7def-c123-456789abcdef",    // another variant
                                           "017F22E2-79B0-7DEF-8123-456789ABCDEF",    // not canonical
                                           "017f22e279b07def8123456789abcdef",        // no dashes
                                           "017f22e2-79b0-7def-8123-456789abcde",     // too short
                                           "017f22e2-79b0-7def-8123-456789abcdef0",   // too long
                                           "017f22e2-79b0-7def-8123-456789abcdeg",    // not hexadecimal
                                           "017f22e27-9b0-7def-8123-456789abcdef",    // a dash in a wrong place
                                           "{17f22e2-79b0-7def-8123-456789abcdef"));  // braces

TEST(UuidTest, ANameUuidIsTheSameForTheSameNameAndOtherwiseAnother) {
  const std::string id = MakeNameUuid("order", "abc");
  EXPECT_THAT(id, MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
  EXPECT_EQ(id, MakeNameUuid("order", "abc"));
  EXPECT_NE(id, MakeNameUuid("order", "abd"));
  EXPECT_NE(id, MakeNameUuid("saga", "abc"));
  EXPECT_NE(MakeNameUuid("a", "bc"), MakeNameUuid("ab", "c"));
}

// Stored data depends on it: an order id of `process_order` 2 is derived so.
TEST(UuidTest, ATimedNameUuidBeginsWithItsNamesTimeAndEndsAsTheUntimedOne) {
  const std::string name = "01a20dd7-785a-7a69-8e09-450f03c120ba";
  const std::string id = MakeTimedNameUuid("order", name);
  EXPECT_EQ(id.substr(0, 15), "01a20dd7-785a-8");
  EXPECT_EQ(id.substr(14), MakeNameUuid("order", name).substr(14));
}

// ... and here those of version 1 and of direct orders.
TEST(UuidTest, ANameUuidIsMadeOfTheHashOfSpaceAndName) {
  std::string hex = Sha256Hex(std::string("order\0abc", 9));
  hex[12] = '8';
  const std::string id = MakeNameUuid("order", "abc");
  EXPECT_EQ(id.substr(0, 18), hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4));
  EXPECT_EQ(id.substr(20), hex.substr(17, 3) + "-" + hex.substr(20, 12));
}

}  // namespace
}  // namespace sagamesh
