// bench_floor: what the databases take without the services, by hand-made SQL: how many order sagas a second, if their
// rows are written in batches to three databases at the same time, or how long the chain of one saga's commits takes.
// It is what scripts/bench holds the services' numbers against.

#include <cstdio>
#include <cstdlib>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "bench/floor.h"
#include "common/flags/flags.h"
#include "common/status/error.h"

ABSL_FLAG(std::string, db, "", "URL of the databases, empty ones; {} stands for coordinator, orders, customers");
ABSL_FLAG(int, skus, 10'000, "how many products the sagas are spread over");
ABSL_FLAG(int, batch, 64, "sagas in a transaction");
ABSL_FLAG(bool, chain, false, "one saga after the other, each alone: how long its six commits take");
ABSL_FLAG(absl::Duration, warmup, absl::Seconds(1), "how long to run before anything is counted");
ABSL_FLAG(absl::Duration, duration, absl::Seconds(5), "how long to count");

namespace {

absl::Status Main() {
  sagamesh::SystemClock clock;
  const auto random = sagamesh::MakeSystemRandom();
  sagamesh::bench::FloorOptions options{.warmup = absl::GetFlag(FLAGS_warmup),
                                        .duration = absl::GetFlag(FLAGS_duration)};
  for (int i = 0; i < absl::GetFlag(FLAGS_skus); i++) options.skus.push_back(absl::StrCat("bench-", i));
  const char* password = std::getenv("SAGAMESH_DB_PASSWORD");
  SAGAMESH_ASSIGN_OR_RETURN(
      sagamesh::bench::FloorDatabases databases,
      sagamesh::bench::OpenFloor(absl::GetFlag(FLAGS_db), {.password = password == nullptr ? "" : password},
                                 options.skus));
  if (absl::GetFlag(FLAGS_chain)) {
    sagamesh::bench::Histogram latencies;
    SAGAMESH_RETURN_IF_ERROR(sagamesh::bench::MeasureChain(databases, options, clock, *random, latencies));
    std::printf("{%s}\n", latencies.ToJson().c_str());
    return absl::OkStatus();
  }
  SAGAMESH_ASSIGN_OR_RETURN(
      const double rate, sagamesh::bench::MeasureFloor(databases, options, absl::GetFlag(FLAGS_batch), clock, *random));
  std::printf("{\"sagas_per_second\": %.1f}\n", rate);
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  sagamesh::ParseFlags(argc, argv, "writes the rows of order sagas to three databases; password: SAGAMESH_DB_PASSWORD");
  if (absl::GetFlag(FLAGS_db).empty() || absl::GetFlag(FLAGS_skus) < 1 || absl::GetFlag(FLAGS_batch) < 1) {
    std::fputs("--db is needed; --skus and --batch must be at least 1\n", stderr);
    return 2;
  }
  const absl::Status status = Main();
  if (!status.ok()) std::fprintf(stderr, "bench_floor: %s\n", std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}
