#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <string>

#include "absl/strings/str_join.h"
#include "spdlog/spdlog.h"
#include "tests/simulation/world.h"

namespace sagamesh::simulation {
namespace {

class Simulation : public ::testing::Test {
 protected:
  Simulation() { spdlog::set_level(spdlog::level::off); }
};

// What must have happened at least once over all seeds: otherwise the runs prove less than they seem to.
constexpr const char* kMustHappen[] = {"crashes",
                                       "transactions rolled back by a crash",
                                       "connections lost",
                                       "transactions aborted",
                                       "COMMIT unknown, done",
                                       "COMMIT unknown, not done",
                                       "COMMIT unknown, late",
                                       "outages of a database",
                                       "requests lost",
                                       "replies lost",
                                       "requests duplicated",
                                       "requests handled after their caller gave up",
                                       "sagas succeeded",
                                       "sagas compensated",
                                       "sagas taken over",
                                       "answers replayed",
                                       "keys reused for another payload",
                                       "stock refused",
                                       "faults injected by request",
                                       "direct orders confirmed",
                                       "direct orders cancelled"};

TEST_F(Simulation, TwentySeedsKeepEveryInvariantAndReachEveryFault) {
  constexpr uint64_t kSeeds = 20;
  std::map<std::string, int64_t> counts;
  for (uint64_t seed = 1; seed <= kSeeds; seed++) {
    const Outcome outcome = Simulate({.seed = seed});
    EXPECT_TRUE(outcome.violations.empty())
        << "seed " << seed << " broke invariant\n  " << absl::StrJoin(outcome.violations, "\n  ")
        << "\nagain: scripts/simulate --seed=" << seed << " --trace";
    for (const auto& [name, count] : outcome.counts) counts[name] += count;
  }
  for (const auto& [name, count] : counts) std::printf("%10d  %s\n", static_cast<int>(count), name.c_str());
  for (const char* name : kMustHappen) EXPECT_GT(counts[name], 0) << name << " never happened";
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

}  // namespace
}  // namespace sagamesh::simulation
