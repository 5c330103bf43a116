// simulate: runs worlds by their seeds, and says of each that fails what broke and how to see it again.

#include <cstdio>
#include <string>
#include <thread>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "common/clock/clock.h"
#include "spdlog/spdlog.h"
#include "tests/simulation/coverage.h"
#include "tests/simulation/planted_bugs.h"
#include "tests/simulation/seeds.h"
#include "tests/simulation/world.h"

ABSL_FLAG(uint64_t, seed, 1, "the first seed");
ABSL_FLAG(int64_t, seeds, 1, "how many seeds");
ABSL_FLAG(int, processes, static_cast<int>(std::thread::hardware_concurrency()), "how many seeds at a time");
ABSL_FLAG(int, intents, sagamesh::simulation::WorldOptions().intents, "how many things the clients want");
ABSL_FLAG(bool, trace, false, "print all that happens");
ABSL_FLAG(double, drop_commits, 0,
          "planted bug: how often the customers' database forgets a COMMIT that it answered OK");
ABSL_FLAG(std::string, plant, "",
          "turn this planted bug on, and stop at the first seed that shows it; list: their names");

namespace {

// The exit code: 0 if the checkers find the bug.
int RunPlanted(const std::string& bug, const sagamesh::simulation::WorldOptions& options) {
  if (bug == "list") {
    for (const std::string& name : sagamesh::simulation::PlantedBugNames()) absl::PrintF("%s\n", name);
    return 0;
  }
  if (const absl::Status planted = sagamesh::simulation::Plant(bug); !planted.ok()) {
    absl::FPrintF(stderr, "%s\n", planted.message());
    return 2;
  }
  return sagamesh::simulation::Hunt(bug, options, absl::GetFlag(FLAGS_seeds)) ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  // The services' own log is about simulated time and is wanted with the trace only, which has times of its own.
  spdlog::set_level(absl::GetFlag(FLAGS_trace) ? spdlog::level::debug : spdlog::level::off);
  spdlog::set_pattern("            log            %l: %v");
  sagamesh::SystemClock clock;
  const absl::Time began = clock.Now();
  sagamesh::simulation::WorldOptions options;
  options.seed = absl::GetFlag(FLAGS_seed);
  options.print_trace = absl::GetFlag(FLAGS_trace);
  options.intents = absl::GetFlag(FLAGS_intents);
  options.drop_commits = absl::GetFlag(FLAGS_drop_commits);
  if (const std::string bug = absl::GetFlag(FLAGS_plant); !bug.empty()) return RunPlanted(bug, options);
  const int64_t seeds = absl::GetFlag(FLAGS_seeds);
  const int processes = options.print_trace ? 1 : absl::GetFlag(FLAGS_processes);
  const sagamesh::simulation::Tally tally = sagamesh::simulation::RunSeeds(options, seeds, processes);
  const double seconds = absl::ToDoubleSeconds(clock.Now() - began);
  std::fputs(tally.coverage.Table().c_str(), stdout);
  absl::PrintF("longest from the end of the faults to the end of all: %s, seed %d\n",
               absl::FormatDuration(tally.slowest), tally.slowest_seed);
  absl::PrintF("%d seeds in %.0f s, %.1f a second; %d failed\n", seeds, seconds, seeds / seconds, tally.failed);
  bool all_reached = true;
  if (seeds >= sagamesh::simulation::kSeedsForCoverage) {
    for (const std::string& name : tally.coverage.NeverReached()) {
      absl::PrintF("never reached: %s\n", name);
      all_reached = false;
    }
  }
  return tally.failed == 0 && all_reached ? 0 : 1;
}
