// bench_load: a closed loop of purchases against a coordinator, or the products for it. scripts/bench runs it.

#include <cstdio>

#include "absl/flags/flag.h"
#include "bench/load.h"
#include "common/flags/flags.h"

ABSL_FLAG(std::string, coordinator, "127.0.0.1:50051", "gRPC target of the coordinator");
ABSL_FLAG(std::string, customers, "127.0.0.1:50053", "gRPC target of customers, for --seed-products");
ABSL_FLAG(bool, seed_products, false, "create the products and do nothing else");
ABSL_FLAG(std::string, sku_prefix, "bench-", "how the products' names begin");
ABSL_FLAG(int, skus, 10'000, "how many products");
ABSL_FLAG(int, callers, 16, "calls in flight");
ABSL_FLAG(absl::Duration, warmup, absl::Seconds(2), "how long to run before anything is counted");
ABSL_FLAG(absl::Duration, duration, absl::Seconds(10), "how long to count");

int main(int argc, char** argv) {
  sagamesh::ParseFlags(argc, argv, "buys from a coordinator in a closed loop and counts");
  sagamesh::SystemClock clock;
  const sagamesh::bench::Skus skus{absl::GetFlag(FLAGS_sku_prefix), absl::GetFlag(FLAGS_skus)};
  const int callers = absl::GetFlag(FLAGS_callers);
  if (skus.count < 1 || callers < 1) {
    std::fputs("--skus and --callers must be at least 1\n", stderr);
    return 2;
  }
  absl::Status status;
  if (absl::GetFlag(FLAGS_seed_products)) {
    status = sagamesh::bench::CreateProducts(absl::GetFlag(FLAGS_customers), skus, clock);
  } else {
    const auto random = sagamesh::MakeSystemRandom();
    status = sagamesh::bench::RunLoad({.coordinator = absl::GetFlag(FLAGS_coordinator),
                                       .skus = skus,
                                       .callers = callers,
                                       .warmup = absl::GetFlag(FLAGS_warmup),
                                       .duration = absl::GetFlag(FLAGS_duration)},
                                      clock, *random);
  }
  if (!status.ok()) std::fprintf(stderr, "bench_load: a call failed: %s\n", std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}
