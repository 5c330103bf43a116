// bench_load: a closed loop of purchases, from a coordinator or through a gateway, or the products for it.
// scripts/bench runs it.

#include <sys/resource.h>

#include <cstdio>

#include "absl/flags/flag.h"
#include "bench/load.h"
#include "common/flags/flags.h"
#include "common/status/error.h"

ABSL_FLAG(std::string, coordinator, "127.0.0.1:50051", "gRPC target of the coordinator");
ABSL_FLAG(std::string, gateway, "", "HOST:PORT of a gateway, to buy by REST; empty: by gRPC from the coordinator");
ABSL_FLAG(std::string, customers, "127.0.0.1:50053", "gRPC target of customers, for --seed-products");
ABSL_FLAG(bool, seed_products, false, "create the products and do nothing else");
ABSL_FLAG(int, start_sagas, 0, "start so many purchases, without waiting for their ends, and do nothing else");
ABSL_FLAG(std::string, sku_prefix, "bench-", "how the products' names begin");
ABSL_FLAG(int, skus, 10'000, "how many products");
ABSL_FLAG(int, callers, 16, "calls in flight");
ABSL_FLAG(double, rate, 0, "calls a second, by a schedule; --callers are then the most in flight. 0: a closed loop");
ABSL_FLAG(bool, even, false, "with --rate: at even distances, instead of as a Poisson process");
ABSL_FLAG(int, replayed, 0, "buy so many times, and then only ask for these purchases again; 0: every one is new");
ABSL_FLAG(absl::Duration, warmup, absl::Seconds(2), "how long to run before anything is counted");
ABSL_FLAG(absl::Duration, duration, absl::Seconds(10), "how long to count");

namespace {

using ::sagamesh::bench::Buyer;

// By REST every purchase under way has a connection.
void AllowAsManyFilesAsMayBe() {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

absl::StatusOr<std::unique_ptr<Buyer>> MakeBuyer(sagamesh::Clock& clock) {
  const std::string gateway = absl::GetFlag(FLAGS_gateway);
  if (!gateway.empty()) return sagamesh::bench::MakeRestBuyer(gateway);
  return sagamesh::bench::MakeGrpcBuyer(absl::GetFlag(FLAGS_coordinator), clock);
}

absl::Status Main() {
  sagamesh::SystemClock clock;
  const sagamesh::bench::Skus skus{absl::GetFlag(FLAGS_sku_prefix), absl::GetFlag(FLAGS_skus)};
  if (absl::GetFlag(FLAGS_seed_products)) {
    return sagamesh::bench::CreateProducts(absl::GetFlag(FLAGS_customers), skus, clock);
  }
  const auto random = sagamesh::MakeSystemRandom();
  if (const int count = absl::GetFlag(FLAGS_start_sagas); count > 0) {
    return sagamesh::bench::StartSagas(absl::GetFlag(FLAGS_coordinator), skus, count, clock, *random);
  }
  SAGAMESH_ASSIGN_OR_RETURN(const std::unique_ptr<Buyer> buyer, MakeBuyer(clock));
  sagamesh::bench::LoadOptions options{.skus = skus,
                                       .callers = absl::GetFlag(FLAGS_callers),
                                       .replayed = absl::GetFlag(FLAGS_replayed),
                                       .warmup = absl::GetFlag(FLAGS_warmup),
                                       .duration = absl::GetFlag(FLAGS_duration)};
  if (const double rate = absl::GetFlag(FLAGS_rate); rate > 0) {
    options.open = {.calls_per_second = rate, .poisson = !absl::GetFlag(FLAGS_even), .in_flight_max = options.callers};
  }
  return sagamesh::bench::RunLoad(options, *buyer, clock, *random);
}

}  // namespace

int main(int argc, char** argv) {
  sagamesh::ParseFlags(argc, argv, "buys in a closed or an open loop and counts");
  if (absl::GetFlag(FLAGS_skus) < 1 || absl::GetFlag(FLAGS_callers) < 1 || absl::GetFlag(FLAGS_replayed) < 0) {
    std::fputs("--skus and --callers must be at least 1, --replayed at least 0\n", stderr);
    return 2;
  }
  AllowAsManyFilesAsMayBe();
  const absl::Status status = Main();
  if (!status.ok()) std::fprintf(stderr, "bench_load: %s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
