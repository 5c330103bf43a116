#include "bench/floor.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/exec/threads.h"
#include "common/status/error.h"
#include "common/uuid/uuid.h"

namespace sagamesh::bench {
namespace {

// A service cannot get far ahead of the others: they work on the same sagas.
constexpr int64_t kLeadBatchesMax = 8;
constexpr absl::Duration kWait = absl::Milliseconds(1);

std::vector<FloorSaga> MakeSagas(int count, const std::vector<std::string>& skus, Clock& clock, Random& random) {
  std::vector<FloorSaga> sagas(count);
  for (FloorSaga& saga : sagas) {
    const uint64_t number = random.Next();
    saga.saga_id = MakeUuidV7(clock.Now(), random);
    saga.order_id = MakeTimedNameUuid("floor", saga.saga_id);
    saga.key_hash = MakeNameUuid("floor", saga.saga_id);
    saga.idempotency_key = absl::StrCat(absl::Hex(number, absl::kZeroPad16));
    saga.sku = skus[number % skus.size()];
  }
  return sagas;
}

// Writes to all three databases, each with a thread of its own, until it is stopped.
class BatchWriters {
 public:
  BatchWriters(FloorDatabases& databases, const FloorOptions& options, int batch, Clock& clock, Random& random)
      : options_(options), batch_(batch), clock_(clock), random_(random) {
    for (size_t i = 0; i < writers_.size(); i++) writers_[i].database = databases.all()[i];
  }

  void Start() {
    for (Writer& writer : writers_) pool_->Post([this, &writer] { Run(writer); });
  }

  absl::Status Stop() {
    stopped_ = true;
    pool_->Shutdown();
    for (const Writer& writer : writers_) SAGAMESH_RETURN_IF_ERROR(writer.status);
    return absl::OkStatus();
  }

  // That all three have written.
  int64_t batches() const {
    int64_t slowest = writers_[0].batches;
    for (const Writer& writer : writers_) slowest = std::min<int64_t>(slowest, writer.batches);
    return slowest;
  }

 private:
  struct Writer {
    FloorDatabase* database = nullptr;
    std::atomic<int64_t> batches{0};
    absl::Status status;  // read after Shutdown
  };

  void Run(Writer& writer) {
    while (!stopped_ && writer.status.ok()) {
      if (writer.batches - batches() >= kLeadBatchesMax) {
        clock_.SleepFor(kWait);
        continue;
      }
      const std::vector<FloorSaga> sagas = MakeSagas(batch_, options_.skus, clock_, random_);
      FloorDatabase& database = *writer.database;
      writer.status = database.rows->WriteFirst(*database.connection, sagas, clock_.Now());
      if (writer.status.ok()) writer.status = database.rows->WriteSecond(*database.connection, sagas, clock_.Now());
      writer.batches++;
    }
  }

  const FloorOptions& options_;
  const int batch_;
  Clock& clock_;
  Random& random_;
  std::array<Writer, 3> writers_;
  std::atomic<bool> stopped_{false};
  const std::unique_ptr<WorkerPool> pool_ = MakeThreadPool("floor", static_cast<int>(writers_.size()));
};

absl::Status WriteFirst(FloorDatabase& database, const std::vector<FloorSaga>& sagas, Clock& clock) {
  return database.rows->WriteFirst(*database.connection, sagas, clock.Now());
}

absl::Status WriteSecond(FloorDatabase& database, const std::vector<FloorSaga>& sagas, Clock& clock) {
  return database.rows->WriteSecond(*database.connection, sagas, clock.Now());
}

absl::Status WriteChain(FloorDatabases& databases, const std::vector<FloorSaga>& sagas, Clock& clock) {
  SAGAMESH_RETURN_IF_ERROR(WriteFirst(databases.coordinator, sagas, clock));
  SAGAMESH_RETURN_IF_ERROR(WriteFirst(databases.customers, sagas, clock));
  SAGAMESH_RETURN_IF_ERROR(WriteFirst(databases.orders, sagas, clock));
  SAGAMESH_RETURN_IF_ERROR(WriteSecond(databases.customers, sagas, clock));
  SAGAMESH_RETURN_IF_ERROR(WriteSecond(databases.orders, sagas, clock));
  return WriteSecond(databases.coordinator, sagas, clock);
}

}  // namespace

absl::StatusOr<FloorDatabases> OpenFloor(const std::string& url, const sql::ServerLogin& login,
                                         const std::vector<std::string>& skus) {
  FloorDatabases databases{{.name = "coordinator", .rows = MakeCoordinatorRows()},
                           {.name = "orders", .rows = MakeOrdersRows()},
                           {.name = "customers", .rows = MakeCustomersRows()}};
  for (FloorDatabase* database : databases.all()) {
    SAGAMESH_ASSIGN_OR_RETURN(database->database,
                              sql::OpenDatabase(absl::StrReplaceAll(url, {{"{}", database->name}}), login));
    SAGAMESH_ASSIGN_OR_RETURN(database->connection, database->database->Connect(sql::Access::kWrite));
    SAGAMESH_RETURN_IF_ERROR(database->rows->Prepare(*database->connection, skus));
  }
  return databases;
}

absl::StatusOr<double> MeasureFloor(FloorDatabases& databases, const FloorOptions& options, int batch, Clock& clock,
                                    Random& random) {
  BatchWriters writers(databases, options, batch, clock, random);
  writers.Start();
  clock.SleepFor(options.warmup);
  const absl::Time began = clock.Now();
  const int64_t batches_before = writers.batches();
  clock.SleepFor(options.duration);
  const int64_t batches = writers.batches() - batches_before;
  const absl::Duration wall = clock.Now() - began;
  SAGAMESH_RETURN_IF_ERROR(writers.Stop());
  return static_cast<double>(batches * batch) / absl::ToDoubleSeconds(wall);
}

absl::Status MeasureChain(FloorDatabases& databases, const FloorOptions& options, Clock& clock, Random& random,
                          Histogram& latencies) {
  const absl::Time began = clock.Now();
  const absl::Time counted_from = began + options.warmup;
  for (absl::Time now = began; now < counted_from + options.duration;) {
    const std::vector<FloorSaga> sagas = MakeSagas(1, options.skus, clock, random);
    const absl::Time started = clock.Now();
    SAGAMESH_RETURN_IF_ERROR(WriteChain(databases, sagas, clock));
    now = clock.Now();
    if (started >= counted_from) latencies.Add(now - started);
  }
  return absl::OkStatus();
}

}  // namespace sagamesh::bench
