#ifndef SAGAMESH_BENCH_FLOOR_H_
#define SAGAMESH_BENCH_FLOOR_H_

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bench/histogram.h"
#include "bench/store/saga_rows.h"
#include "common/clock/clock.h"
#include "common/random/random.h"
#include "common/sql/open.h"

namespace sagamesh::bench {

// A service's database and what is written to it. Used by one thread at a time.
struct FloorDatabase {
  std::string name;
  std::unique_ptr<SagaRows> rows;
  std::unique_ptr<sql::Database> database;
  std::unique_ptr<sql::Connection> connection;
};

// The three databases of a Sagamesh without its services.
struct FloorDatabases {
  FloorDatabase coordinator;
  FloorDatabase orders;
  FloorDatabase customers;

  std::array<FloorDatabase*, 3> all() { return {&coordinator, &orders, &customers}; }
};

// Opens empty databases and creates their tables, with these products. In `url` {} stands for a service's name.
absl::StatusOr<FloorDatabases> OpenFloor(const std::string& url, const sql::ServerLogin& login,
                                         const std::vector<std::string>& skus);

// What the measurements have in common: sagas over these products.
struct FloorOptions {
  std::vector<std::string> skus;
  absl::Duration warmup;
  absl::Duration duration;
};

// Sagas a second if their rows are written in transactions of `batch` sagas, to the three databases at the same time.
absl::StatusOr<double> MeasureFloor(FloorDatabases& databases, const FloorOptions& options, int batch, Clock& clock,
                                    Random& random);

// How long the six durable commits take of which each needs the one before, when one saga makes them alone: the
// journal's start, the stock reserved, the order created, the stock sold, the order confirmed, the journal's end.
absl::Status MeasureChain(FloorDatabases& databases, const FloorOptions& options, Clock& clock, Random& random,
                          Histogram& latencies);

}  // namespace sagamesh::bench

#endif  // SAGAMESH_BENCH_FLOOR_H_
