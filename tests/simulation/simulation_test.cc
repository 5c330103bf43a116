#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_join.h"
#include "spdlog/spdlog.h"
#include "tests/simulation/seeds.h"
#include "tests/simulation/watch.h"
#include "tests/simulation/world.h"

namespace sagamesh::simulation {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Simulation : public ::testing::Test {
 protected:
  Simulation() { spdlog::set_level(spdlog::level::off); }
};

// scripts/test runs many more, and asks for the coverage of all.
TEST_F(Simulation, SeedsKeepEveryInvariant) {
  for (uint64_t seed = 1; seed <= 20; seed++) {
    const Outcome outcome = Simulate({.seed = seed});
    EXPECT_TRUE(outcome.violations.empty())
        << "seed " << seed << " broke invariant\n  " << absl::StrJoin(outcome.violations, "\n  ")
        << "\nagain: scripts/simulate --seed=" << seed << " --trace";
  }
}

TEST_F(Simulation, ManySeedsAreSharedByProcessesAndCountedTogether) {
  const WorldOptions options{.seed = 5, .intents = 5};
  const Tally alone = RunSeeds(options, 5, 1);
  const Tally shared = RunSeeds(options, 5, 2);
  EXPECT_EQ(alone.coverage.Table(), shared.coverage.Table());
  EXPECT_EQ(alone.failed, shared.failed);
  EXPECT_EQ(alone.slowest_seed, shared.slowest_seed);
}

TEST_F(Simulation, ASeedReplaysExactly) {
  for (const uint64_t seed : {3, 4}) {
    const Outcome first = Simulate({.seed = seed});
    const Outcome second = Simulate({.seed = seed});
    EXPECT_EQ(first.trace_hash, second.trace_hash) << "seed " << seed;
    EXPECT_EQ(first.steps, second.steps) << "seed " << seed;
    EXPECT_NE(first.trace_hash, Simulate({.seed = seed + 100}).trace_hash);
  }
}

TEST_F(Simulation, ADatabaseThatForgetsACommitIsFound) {
  const auto broken = [](uint64_t seed) { return Simulate({.seed = seed, .drop_commits = 0.1}).violations.size(); };
  EXPECT_GT(broken(1) + broken(2), 0u);
}

TEST(WatchTest, ALastChangeThatWasNeverToldIsFound) {
  Snapshot snapshot;
  snapshot.sagas["saga"].version = 3;
  WatchLog log;
  log.versions["saga"] = 3;
  Violations violations;
  CheckWatch(snapshot, "coordinator/2", log, violations);
  EXPECT_THAT(violations, IsEmpty());
  log.versions["saga"] = 2;
  CheckWatch(snapshot, "coordinator/2", log, violations);
  EXPECT_THAT(violations,
              ElementsAre("watch: version 3 of saga saga was never told at coordinator/2, the last one was 2"));
}

}  // namespace
}  // namespace sagamesh::simulation
