#include "bench/histogram.h"

#include <gtest/gtest.h>

namespace sagamesh::bench {
namespace {

TEST(Histogram, OfNothingIsZero) {
  EXPECT_EQ(Histogram().count(), 0);
  EXPECT_EQ(Histogram().Percentile(0.99), absl::ZeroDuration());
}

TEST(Histogram, PercentilesAreWithinAThirtySecondOfTheTruth) {
  Histogram histogram;
  for (int i = 1; i <= 10'000; i++) histogram.Add(absl::Microseconds(i * 10));
  EXPECT_EQ(histogram.count(), 10'000);
  for (const double share : {0.01, 0.5, 0.99, 1.0}) {
    const double truth = share * 100'000;
    const double told = absl::ToDoubleMicroseconds(histogram.Percentile(share));
    EXPECT_GE(told, truth) << share;
    EXPECT_LE(told, truth * 33 / 32) << share;
  }
}

TEST(Histogram, OneOutlierOfAHundredIsBeyondP99) {
  Histogram histogram;
  for (int i = 0; i < 99; i++) histogram.Add(absl::Microseconds(7));
  histogram.Add(absl::Seconds(5));
  EXPECT_EQ(histogram.Percentile(0.99), absl::Microseconds(7));
  EXPECT_GE(histogram.Percentile(1), absl::Seconds(5));
}

TEST(Histogram, WhatIsOutOfRangeIsCountedAtItsEdge) {
  Histogram histogram;
  histogram.Add(absl::Seconds(-1));
  histogram.Add(absl::Hours(1000));
  EXPECT_EQ(histogram.count(), 2);
  EXPECT_EQ(histogram.Percentile(0.5), absl::ZeroDuration());
  EXPECT_GE(histogram.Percentile(1), absl::Hours(1));
}

TEST(Histogram, ItsJsonHasTheFivePercentilesInMilliseconds) {
  Histogram histogram;
  for (int i = 0; i < 10; i++) histogram.Add(absl::Microseconds(16));
  histogram.Add(absl::Microseconds(31));
  EXPECT_EQ(histogram.ToJson(),
            R"("p50_ms": 0.016, "p90_ms": 0.016, "p99_ms": 0.031, "p999_ms": 0.031, "max_ms": 0.031)");
}

}  // namespace
}  // namespace sagamesh::bench
