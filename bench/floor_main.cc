// bench_floor: how many order sagas a second a store takes if all that is done is to write their rows, in batches, to
// three databases at the same time. It is what scripts/bench holds the services' numbers against.

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "bench/store/saga_rows.h"
#include "common/clock/clock.h"
#include "common/exec/threads.h"
#include "common/flags/flags.h"
#include "common/random/random.h"
#include "common/sql/open.h"
#include "common/status/error.h"
#include "common/uuid/uuid.h"

ABSL_FLAG(std::string, db, "", "URL of the databases, empty ones; {} stands for coordinator, orders, customers");
ABSL_FLAG(int, skus, 10'000, "how many products the sagas are spread over");
ABSL_FLAG(int, batch, 64, "sagas in a transaction");
ABSL_FLAG(absl::Duration, warmup, absl::Seconds(1), "how long to run before anything is counted");
ABSL_FLAG(absl::Duration, duration, absl::Seconds(5), "how long to count");

namespace sagamesh::bench {
namespace {

// A service cannot get far ahead of the others: they work on the same sagas.
constexpr int64_t kLeadBatchesMax = 8;
constexpr absl::Duration kWait = absl::Milliseconds(1);

struct Writer {
  std::string name;
  std::unique_ptr<SagaRows> rows;
  std::unique_ptr<sql::Database> database;
  std::unique_ptr<sql::Connection> connection;
  std::atomic<int64_t> batches{0};
  absl::Status status;  // read after Shutdown
};

class Floor {
 public:
  // Batches of `batch` sagas.
  Floor(Clock& clock, Random& random, int batch) : clock_(clock), random_(random), batch_(batch) {}

  // Creates the tables, with that many products. In `url` {} stands for a service's name.
  absl::Status Open(const std::string& url, const sql::ServerLogin& login, int skus);
  // Sagas a second that all three have written.
  absl::StatusOr<double> Measure(absl::Duration warmup, absl::Duration duration);

 private:
  void Run(Writer& writer);
  std::vector<FloorSaga> MakeSagas();
  int64_t SlowestBatches() const;

  Clock& clock_;
  Random& random_;
  const int batch_;
  std::vector<std::string> skus_;
  std::array<Writer, 3> writers_;
  std::atomic<bool> stopped_{false};
};

absl::Status Floor::Open(const std::string& url, const sql::ServerLogin& login, int skus) {
  for (int i = 0; i < skus; i++) skus_.push_back(absl::StrCat("bench-", i));
  writers_[0].name = "coordinator";
  writers_[0].rows = MakeCoordinatorRows();
  writers_[1].name = "orders";
  writers_[1].rows = MakeOrdersRows();
  writers_[2].name = "customers";
  writers_[2].rows = MakeCustomersRows();
  for (Writer& writer : writers_) {
    SAGAMESH_ASSIGN_OR_RETURN(writer.database,
                              sql::OpenDatabase(absl::StrReplaceAll(url, {{"{}", writer.name}}), login));
    SAGAMESH_ASSIGN_OR_RETURN(writer.connection, writer.database->Connect(sql::Access::kWrite));
    SAGAMESH_RETURN_IF_ERROR(writer.rows->Prepare(*writer.connection, skus_));
  }
  return absl::OkStatus();
}

std::vector<FloorSaga> Floor::MakeSagas() {
  std::vector<FloorSaga> sagas(batch_);
  for (FloorSaga& saga : sagas) {
    const uint64_t number = random_.Next();
    saga.saga_id = MakeUuidV7(clock_.Now(), random_);
    saga.order_id = MakeNameUuid("floor", saga.saga_id);
    saga.idempotency_key = absl::StrCat(absl::Hex(number, absl::kZeroPad16));
    saga.sku = skus_[number % skus_.size()];
  }
  return sagas;
}

int64_t Floor::SlowestBatches() const {
  int64_t slowest = writers_[0].batches;
  for (const Writer& writer : writers_) slowest = std::min<int64_t>(slowest, writer.batches);
  return slowest;
}

void Floor::Run(Writer& writer) {
  while (!stopped_ && writer.status.ok()) {
    if (writer.batches - SlowestBatches() >= kLeadBatchesMax) {
      clock_.SleepFor(kWait);
      continue;
    }
    const std::vector<FloorSaga> sagas = MakeSagas();
    writer.status = writer.rows->WriteFirst(*writer.connection, sagas, clock_.Now());
    if (writer.status.ok()) writer.status = writer.rows->WriteSecond(*writer.connection, sagas, clock_.Now());
    writer.batches++;
  }
}

absl::StatusOr<double> Floor::Measure(absl::Duration warmup, absl::Duration duration) {
  const std::unique_ptr<WorkerPool> pool = MakeThreadPool("floor", static_cast<int>(writers_.size()));
  for (Writer& writer : writers_) pool->Post([this, &writer] { Run(writer); });
  clock_.SleepFor(warmup);
  const absl::Time began = clock_.Now();
  const int64_t batches_before = SlowestBatches();
  clock_.SleepFor(duration);
  const int64_t batches = SlowestBatches() - batches_before;
  const absl::Duration wall = clock_.Now() - began;
  stopped_ = true;
  pool->Shutdown();
  for (const Writer& writer : writers_) SAGAMESH_RETURN_IF_ERROR(writer.status);
  return static_cast<double>(batches * batch_) / absl::ToDoubleSeconds(wall);
}

}  // namespace
}  // namespace sagamesh::bench

int main(int argc, char** argv) {
  sagamesh::ParseFlags(
      argc, argv,
      "writes the rows of order sagas to three databases as fast as it can; password: SAGAMESH_DB_PASSWORD");
  const int skus = absl::GetFlag(FLAGS_skus);
  const int batch = absl::GetFlag(FLAGS_batch);
  if (absl::GetFlag(FLAGS_db).empty() || skus < 1 || batch < 1) {
    std::fputs("--db is needed; --skus and --batch must be at least 1\n", stderr);
    return 2;
  }
  sagamesh::SystemClock clock;
  const auto random = sagamesh::MakeSystemRandom();
  sagamesh::bench::Floor floor(clock, *random, batch);
  const char* password = std::getenv("SAGAMESH_DB_PASSWORD");
  absl::Status status = floor.Open(absl::GetFlag(FLAGS_db), {.password = password == nullptr ? "" : password}, skus);
  if (status.ok()) {
    const absl::StatusOr<double> rate = floor.Measure(absl::GetFlag(FLAGS_warmup), absl::GetFlag(FLAGS_duration));
    status = rate.status();
    if (rate.ok()) std::printf("{\"sagas_per_second\": %.1f}\n", *rate);
  }
  if (!status.ok()) std::fprintf(stderr, "bench_floor: %s\n", std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}
