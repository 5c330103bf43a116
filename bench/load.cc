#include "bench/load.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/closed_loop.h"
#include "common/status/error.h"

namespace sagamesh::bench {
namespace {

constexpr int kFirstCallers = 64;

// What is bought under which number. Thread-safe.
class Purchases {
 public:
  Purchases(const LoadOptions& options, Random& random)
      : skus_(options.skus), replayed_(options.replayed), random_(random) {}

  Purchase Make(int64_t number) {
    if (replayed_ == 0) return MakePurchase(number, random_.Next());
    return MakePurchase(number % replayed_, number % replayed_);  // the same key buys the same
  }

 private:
  Purchase MakePurchase(int64_t key, uint64_t sku) const {
    return {.idempotency_key = absl::StrCat(run_, "-", key), .sku = absl::StrCat(skus_.prefix, sku % skus_.count)};
  }

  const Skus skus_;
  const int replayed_;
  Random& random_;
  const std::string run_ = absl::StrCat(absl::Hex(random_.Next(), absl::kZeroPad16));
};

// User and system time of this process.
absl::Duration CpuTime() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
}

void PrintLine(const std::string& line) {
  std::puts(line.c_str());
  std::fflush(stdout);
}

struct Measured {
  int64_t sagas = 0;
  absl::Duration wall;
  absl::Duration cpu;
};

// Tells when it begins and ends, and takes the time.
class Measurement {
 public:
  explicit Measurement(Clock& clock) : clock_(clock), cpu_(CpuTime()), began_(clock.Now()) { PrintLine("measuring"); }

  Measured End(int64_t sagas) {
    const Measured measured{.sagas = sagas, .wall = clock_.Now() - began_, .cpu = CpuTime() - cpu_};
    PrintLine("measured");
    return measured;
  }

 private:
  Clock& clock_;
  const absl::Duration cpu_;
  const absl::Time began_;
};

void PrintResult(const Measured& measured, const Tally& tally) {
  PrintLine(absl::StrFormat(R"(result {"sagas": %d, "failed": %d, "seconds": %.3f, "driver_cpu_seconds": %.3f, %s})",
                            measured.sagas, tally.failed.load(), absl::ToDoubleSeconds(measured.wall),
                            absl::ToDoubleSeconds(measured.cpu), tally.latencies.ToJson()));
}

absl::Status BuyFirst(const LoadOptions& options, Purchases& purchases, Buyer& buyer, Clock& clock) {
  ClosedLoop loop(clock, [&](int64_t number, ClosedLoop::Done done) {
    if (number >= options.replayed) return false;
    buyer.Buy(purchases.Make(number), std::move(done));
    return true;
  });
  loop.Start(std::min(kFirstCallers, options.replayed));
  return loop.Drain();
}

absl::Status RunClosed(const LoadOptions& options, Purchases& purchases, Buyer& buyer, Clock& clock) {
  ClosedLoop loop(clock, [&](int64_t number, ClosedLoop::Done done) {
    buyer.Buy(purchases.Make(number), std::move(done));
    return true;
  });
  Tally tally;
  loop.Start(options.callers);
  clock.SleepFor(options.warmup);
  Measurement measurement(clock);
  loop.CountInto(&tally);
  clock.SleepFor(options.duration);
  loop.CountInto(nullptr);
  const Measured measured = measurement.End(tally.latencies.count());
  loop.Stop();
  absl::Status status = loop.Drain();
  PrintResult(measured, tally);
  return status;
}

absl::Status RunOpen(const LoadOptions& options, Purchases& purchases, Buyer& buyer, Clock& clock, Random& random) {
  OpenLoop loop(clock, random, *options.open,
                [&](int64_t number, OpenLoop::Done done) { buyer.Buy(purchases.Make(number), std::move(done)); });
  Tally tally;
  const absl::Time begin = clock.Now() + options.warmup;
  absl::Status status = loop.Send(begin, nullptr);
  Measurement measurement(clock);
  const int64_t before = loop.succeeded();
  if (status.ok()) status = loop.Send(begin + options.duration, &tally);
  const Measured measured = measurement.End(loop.succeeded() - before);
  status.Update(loop.Drain());
  PrintResult(measured, tally);
  return status;
}

}  // namespace

absl::Status RunLoad(const LoadOptions& options, Buyer& buyer, Clock& clock, Random& random) {
  Purchases purchases(options, random);
  SAGAMESH_RETURN_IF_ERROR(BuyFirst(options, purchases, buyer, clock));
  if (options.open.has_value()) return RunOpen(options, purchases, buyer, clock, random);
  return RunClosed(options, purchases, buyer, clock);
}

}  // namespace sagamesh::bench
