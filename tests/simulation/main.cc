// simulate: runs worlds by their seeds, and says of each that fails what broke and how to see it again.

#include <cstdio>
#include <map>
#include <string>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "spdlog/spdlog.h"
#include "tests/simulation/world.h"

ABSL_FLAG(uint64_t, seed, 1, "the first seed");
ABSL_FLAG(int, seeds, 1, "how many seeds, one after the other");
ABSL_FLAG(int, intents, 60, "how many things the clients want");
ABSL_FLAG(bool, trace, false, "print all that happens");
ABSL_FLAG(double, drop_commits, 0,
          "planted bug: how often the customers' database forgets a COMMIT that it answered OK");

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  // The services' own log is about simulated time and is wanted with the trace only.
  spdlog::set_level(absl::GetFlag(FLAGS_trace) ? spdlog::level::debug : spdlog::level::off);
  std::map<std::string, int64_t> counts;
  int failed = 0;
  for (int i = 0; i < absl::GetFlag(FLAGS_seeds); i++) {
    sagamesh::simulation::WorldOptions options;
    options.seed = absl::GetFlag(FLAGS_seed) + i;
    options.print_trace = absl::GetFlag(FLAGS_trace);
    options.intents = absl::GetFlag(FLAGS_intents);
    options.drop_commits = absl::GetFlag(FLAGS_drop_commits);
    const sagamesh::simulation::Outcome outcome = sagamesh::simulation::Simulate(options);
    absl::PrintF("seed %d: %s, %d steps, %s simulated, trace %016x\n", options.seed,
                 outcome.violations.empty() ? "ok" : "FAILED", outcome.steps,
                 absl::FormatDuration(absl::Trunc(outcome.simulated, absl::Seconds(1))), outcome.trace_hash);
    for (const std::string& violation : outcome.violations) absl::PrintF("  broken: invariant %s\n", violation);
    if (!outcome.violations.empty()) {
      failed++;
      absl::PrintF("  again: scripts/simulate --seed=%d --intents=%d --trace\n", options.seed, options.intents);
    }
    for (const auto& [name, count] : outcome.counts) counts[name] += count;
    std::fflush(stdout);
  }
  for (const auto& [name, count] : counts) absl::PrintF("%10d  %s\n", count, name);
  return failed == 0 ? 0 : 1;
}
