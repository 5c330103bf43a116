// bench_preload: fills the empty databases of a Sagamesh with order sagas that have ended. scripts/bench runs it.

#include <cstdio>
#include <cstdlib>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "bench/stored.h"
#include "common/flags/flags.h"
#include "common/status/error.h"

ABSL_FLAG(std::string, db, "", "URL of the databases, empty ones; {} stands for coordinator, orders, customers");
ABSL_FLAG(std::string, sku_prefix, "bench-", "how the products' names begin; they are created");
ABSL_FLAG(int, skus, 10'000, "how many products");
ABSL_FLAG(int64_t, sagas, 1, "how many sagas");

namespace {

absl::Status Main() {
  sagamesh::SystemClock clock;
  std::vector<std::string> skus;
  for (int i = 0; i < absl::GetFlag(FLAGS_skus); i++) skus.push_back(absl::StrCat(absl::GetFlag(FLAGS_sku_prefix), i));
  const char* password = std::getenv("SAGAMESH_DB_PASSWORD");
  SAGAMESH_ASSIGN_OR_RETURN(
      sagamesh::bench::FloorDatabases databases,
      sagamesh::bench::OpenFloor(absl::GetFlag(FLAGS_db), {.password = password == nullptr ? "" : password}, skus));
  return sagamesh::bench::StoreSagas(databases, absl::GetFlag(FLAGS_sagas), skus, clock);
}

}  // namespace

int main(int argc, char** argv) {
  sagamesh::ParseFlags(argc, argv, "stores order sagas that have ended; password: SAGAMESH_DB_PASSWORD");
  if (absl::GetFlag(FLAGS_db).empty() || absl::GetFlag(FLAGS_skus) < 1 || absl::GetFlag(FLAGS_sagas) < 1) {
    std::fputs("--db is needed; --skus and --sagas must be at least 1\n", stderr);
    return 2;
  }
  const absl::Status status = Main();
  if (!status.ok()) std::fprintf(stderr, "bench_preload: %s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
