#include "tests/simulation/seeds.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <deque>
#include <memory>
#include <string>

#include "absl/strings/str_format.h"
#include "tests/simulation/check.h"

namespace sagamesh::simulation {
namespace {

// A line for each of so many seeds; of more, only for those that fail.
constexpr int64_t kSeedsToList = 50;

void SayHowToSeeItAgain(const WorldOptions& options) {
  absl::PrintF("  again: scripts/simulate --seed=%d --intents=%d --trace\n", options.seed, options.intents);
}

void Report(const WorldOptions& options, const Outcome& outcome, bool always) {
  const bool failed = !outcome.violations.empty();
  if (!failed && !always) return;
  absl::PrintF("seed %d: %s, %d steps, %s simulated, trace %016x\n", options.seed, failed ? "FAILED" : "ok",
               outcome.steps, absl::FormatDuration(absl::Trunc(outcome.simulated, absl::Seconds(1))),
               outcome.trace_hash);
  for (const std::string& violation : outcome.violations) absl::PrintF("  broken: invariant %s\n", violation);
  if (failed) SayHowToSeeItAgain(options);
  std::fflush(stdout);
}

void Add(Tally& tally, uint64_t seed, bool failed, absl::Duration to_the_end, const Counts& counts) {
  tally.failed += failed;
  tally.coverage.Add(counts);
  if (to_the_end <= tally.slowest) return;
  tally.slowest = to_the_end;
  tally.slowest_seed = seed;
}

// One of the processes: every so many seeds. What became of them goes to a file that only this process writes.
class Share {
 public:
  Share(WorldOptions options, int64_t seeds, int first, int step)
      : options_(options), end_(options.seed + seeds), step_(step), file_(std::tmpfile(), &std::fclose) {
    Check(file_ != nullptr, "no temporary file");
    options_.seed += first;
  }

  void Begin(bool list) {
    std::fflush(stdout);
    process_ = fork();
    Check(process_ >= 0, "no process for a share of the seeds");
    if (process_ != 0) return;
    for (; options_.seed < end_; options_.seed += step_) Run(list);
    std::fflush(file_.get());
    _exit(0);
  }

  // Waits for its end.
  void Collect(Tally& tally) {
    int status = 0;
    waitpid(process_, &status, 0);
    std::rewind(file_.get());
    char line[256];
    uint64_t seed = 0;
    while (std::fgets(line, sizeof(line), file_.get()) != nullptr) Read(line, seed, tally);
    if (status == 0) return;
    options_.seed = seed;
    absl::PrintF("seed %d: FAILED, the process died (%d)\n", seed, status);
    SayHowToSeeItAgain(options_);
    tally.failed++;
  }

 private:
  void Run(bool list) {
    absl::FPrintF(file_.get(), "seed %d\n", options_.seed);
    std::fflush(file_.get());
    const Outcome outcome = Simulate(options_);
    Report(options_, outcome, list);
    for (const auto& [name, count] : outcome.counts) absl::FPrintF(file_.get(), "count %d %s\n", count, name);
    absl::FPrintF(file_.get(), "end %d %d\n", outcome.violations.empty() ? 0 : 1,
                  absl::ToInt64Nanoseconds(outcome.to_the_end));
  }

  static void Read(const std::string& line, uint64_t& seed, Tally& tally) {
    unsigned long long number = 0;  // as sscanf has it
    long long count = 0;
    int name = 0;
    int failed = 0;
    if (std::sscanf(line.c_str(), "seed %llu", &number) == 1) seed = number;
    if (std::sscanf(line.c_str(), "count %lld %n", &count, &name) == 1) {
      tally.coverage.Add({{line.substr(name, line.size() - name - 1), count}});
    }
    if (std::sscanf(line.c_str(), "end %d %lld", &failed, &count) == 2) {
      Add(tally, seed, failed != 0, absl::Nanoseconds(count), {});
    }
  }

  WorldOptions options_;
  const uint64_t end_;
  const int step_;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
  pid_t process_ = 0;
};

}  // namespace

Tally RunSeeds(const WorldOptions& options, int64_t seeds, int processes) {
  Tally tally;
  const bool list = seeds <= kSeedsToList;
  if (processes <= 1 || seeds == 1) {
    for (WorldOptions one = options; one.seed < options.seed + seeds; one.seed++) {
      const Outcome outcome = Simulate(one);
      Report(one, outcome, list);
      Add(tally, one.seed, !outcome.violations.empty(), outcome.to_the_end, outcome.counts);
    }
    return tally;
  }
  std::deque<Share> shares;
  for (int i = 0; i < processes; i++) shares.emplace_back(options, seeds, i, processes);
  for (Share& share : shares) share.Begin(list);
  for (Share& share : shares) share.Collect(tally);
  return tally;
}

}  // namespace sagamesh::simulation
