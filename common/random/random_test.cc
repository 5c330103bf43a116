#include "common/random/random.h"

#include <gtest/gtest.h>

namespace sagamesh {
namespace {

TEST(RandomTest, DoublesAreInTheHalfOpenUnitInterval) {
  auto random = MakeSystemRandom();
  for (int i = 0; i < 10'000; i++) {
    const double x = random->NextDouble();
    EXPECT_GE(x, 0);
    EXPECT_LT(x, 1);
  }
}

}  // namespace
}  // namespace sagamesh
