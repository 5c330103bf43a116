// simulate: runs worlds by their seeds, and says of each that fails what broke and how to see it again.

#include <cstdio>
#include <string>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "common/clock/clock.h"
#include "spdlog/spdlog.h"
#include "tests/simulation/coverage.h"
#include "tests/simulation/world.h"

ABSL_FLAG(uint64_t, seed, 1, "the first seed");
ABSL_FLAG(int, seeds, 1, "how many seeds, one after the other");
ABSL_FLAG(int, intents, 60, "how many things the clients want");
ABSL_FLAG(bool, trace, false, "print all that happens");
ABSL_FLAG(double, drop_commits, 0,
          "planted bug: how often the customers' database forgets a COMMIT that it answered OK");

namespace {

using sagamesh::simulation::Outcome;

// A line for each of so many seeds; of more, only for those that fail.
constexpr int kSeedsToList = 50;

// Says what became of a seed, unless all went well and there are many.
void Report(const sagamesh::simulation::WorldOptions& options, const Outcome& outcome, bool always) {
  const bool failed = !outcome.violations.empty();
  if (!failed && !always) return;
  absl::PrintF("seed %d: %s, %d steps, %s simulated, trace %016x\n", options.seed, failed ? "FAILED" : "ok",
               outcome.steps, absl::FormatDuration(absl::Trunc(outcome.simulated, absl::Seconds(1))),
               outcome.trace_hash);
  for (const std::string& violation : outcome.violations) absl::PrintF("  broken: invariant %s\n", violation);
  if (failed) absl::PrintF("  again: scripts/simulate --seed=%d --intents=%d --trace\n", options.seed, options.intents);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  // The services' own log is about simulated time and is wanted with the trace only.
  spdlog::set_level(absl::GetFlag(FLAGS_trace) ? spdlog::level::debug : spdlog::level::off);
  sagamesh::SystemClock clock;
  const absl::Time began = clock.Now();
  const int seeds = absl::GetFlag(FLAGS_seeds);
  sagamesh::simulation::Coverage coverage;
  int failed = 0;
  for (int i = 0; i < seeds; i++) {
    sagamesh::simulation::WorldOptions options;
    options.seed = absl::GetFlag(FLAGS_seed) + i;
    options.print_trace = absl::GetFlag(FLAGS_trace);
    options.intents = absl::GetFlag(FLAGS_intents);
    options.drop_commits = absl::GetFlag(FLAGS_drop_commits);
    const Outcome outcome = sagamesh::simulation::Simulate(options);
    Report(options, outcome, seeds <= kSeedsToList);
    if (!outcome.violations.empty()) failed++;
    coverage.Add(outcome.counts);
  }
  const double seconds = absl::ToDoubleSeconds(clock.Now() - began);
  std::fputs(coverage.Table().c_str(), stdout);
  absl::PrintF("%d seeds in %.0f s, %.1f a second; %d failed\n", seeds, seconds, seeds / seconds, failed);
  if (seeds >= sagamesh::simulation::kSeedsForCoverage) {
    for (const std::string& name : coverage.NeverReached()) {
      absl::PrintF("never reached: %s\n", name);
      failed++;
    }
  }
  return failed == 0 ? 0 : 1;
}
