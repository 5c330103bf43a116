#include "bench/open_loop.h"

#include <gtest/gtest.h>

#include <map>

#include "common/testing/status_matchers.h"

namespace sagamesh::bench {
namespace {

// Time in which calls are answered that `latency` later.
class Service final : public Clock {
 public:
  absl::Time Now() const override { return now_; }

  void SleepFor(absl::Duration duration) override {
    const absl::Time until = now_ + duration;
    while (!answers_.empty() && answers_.begin()->first <= until) {
      auto answer = answers_.extract(answers_.begin());
      now_ = std::max(now_, answer.key());
      in_flight--;
      answer.mapped()(status);
    }
    now_ = until;
  }

  OpenLoop::StartCall StartCall() {
    return [this](int64_t, OpenLoop::Done done) {
      calls++;
      in_flight_most = std::max(in_flight_most, ++in_flight);
      answers_.emplace(now_ + latency, std::move(done));
    };
  }

  absl::Duration latency = absl::Milliseconds(10);
  absl::Status status;
  int calls = 0;
  int in_flight = 0;
  int in_flight_most = 0;

 private:
  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  std::multimap<absl::Time, OpenLoop::Done> answers_;
};

class OpenLoopTest : public ::testing::Test {
 protected:
  OpenLoop MakeLoop(OpenLoopOptions options) { return {service_, *random_, options, service_.StartCall()}; }

  Service service_;
  const std::unique_ptr<Random> random_ = MakeSystemRandom();
  const absl::Time began_ = service_.Now();
  Tally tally_;
};

TEST_F(OpenLoopTest, EvenArrivalsComeAtTheRateWhateverTheServiceDoes) {
  service_.latency = absl::Seconds(100);
  OpenLoop loop = MakeLoop({.calls_per_second = 100, .poisson = false, .in_flight_max = 1000});
  ASSERT_OK(loop.Send(began_ + absl::Seconds(2), &tally_));
  EXPECT_EQ(service_.calls, 199);
  EXPECT_EQ(service_.Now(), began_ + absl::Seconds(2));
  ASSERT_OK(loop.Drain());
  EXPECT_EQ(tally_.latencies.count(), 199);
}

TEST_F(OpenLoopTest, PoissonArrivalsComeAtTheRateOnAverage) {
  OpenLoop loop = MakeLoop({.calls_per_second = 1000, .in_flight_max = 1000});
  ASSERT_OK(loop.Send(began_ + absl::Seconds(10), &tally_));
  EXPECT_NEAR(service_.calls, 10'000, 600);  // six standard deviations
  ASSERT_OK(loop.Drain());
}

TEST_F(OpenLoopTest, AWaitForAFreePlaceCountsAsLatency) {
  service_.latency = absl::Seconds(1);
  OpenLoop loop = MakeLoop({.calls_per_second = 2, .poisson = false, .in_flight_max = 1});
  ASSERT_OK(loop.Send(began_ + absl::Seconds(10), &tally_));
  ASSERT_OK(loop.Drain());
  EXPECT_EQ(service_.in_flight_most, 1);
  // The last of 19 calls is due after 9.5 s and is sent when the 18 before it have taken a second each.
  EXPECT_GE(tally_.latencies.Percentile(1), absl::Seconds(9));
  EXPECT_LE(tally_.latencies.Percentile(0.01), absl::Seconds(1.1));
}

TEST_F(OpenLoopTest, WhatIsSentBeforeTheMeasurementIsNotCounted) {
  OpenLoop loop = MakeLoop({.calls_per_second = 100, .poisson = false, .in_flight_max = 10});
  ASSERT_OK(loop.Send(began_ + absl::Seconds(1), nullptr));
  ASSERT_OK(loop.Send(began_ + absl::Seconds(2), &tally_));
  ASSERT_OK(loop.Drain());
  EXPECT_EQ(tally_.latencies.count(), 100);
  EXPECT_EQ(loop.succeeded(), 199);
}

TEST_F(OpenLoopTest, ARateBeyondTheServiceIsGivenUp) {
  service_.latency = absl::Seconds(1);
  OpenLoop loop = MakeLoop({.calls_per_second = 100, .in_flight_max = 1});
  EXPECT_EQ(loop.Send(began_ + absl::Minutes(10), &tally_).code(), absl::StatusCode::kDeadlineExceeded);
  ASSERT_OK(loop.Drain());
}

TEST_F(OpenLoopTest, AFailureIsCountedAndToldAtTheEnd) {
  service_.status = absl::UnavailableError("away");
  OpenLoop loop = MakeLoop({.calls_per_second = 10, .poisson = false, .in_flight_max = 10});
  ASSERT_OK(loop.Send(began_ + absl::Seconds(1), &tally_));
  EXPECT_EQ(loop.Drain().message(), "away");
  EXPECT_EQ(tally_.failed, 9);
  EXPECT_EQ(tally_.latencies.count(), 0);
}

}  // namespace
}  // namespace sagamesh::bench
