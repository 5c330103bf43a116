#ifndef SAGAMESH_BENCH_STORE_SAGA_ROWS_H_
#define SAGAMESH_BENCH_STORE_SAGA_ROWS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/sql/sql.h"

// The row changes that order sagas which succeed make in each of the three databases, as a person would write them who
// knows all rows in advance: no checks, no reads, nothing computed. They are the floor under what the services can do.

namespace sagamesh::bench {

// A saga whose rows are written. Ids are as long as the real ones.
struct FloorSaga {
  std::string saga_id;
  std::string order_id;
  std::string idempotency_key;
  std::string sku;
  std::string key_hash;  // has its order; as many zeros as are missing come after it
};

// What one service writes to its own database, which it holds alone. Not thread-safe. Errors are the connection's.
class SagaRows {
 public:
  virtual ~SagaRows() = default;

  // Creates the schema, the service's own, and what must be there before the first saga.
  virtual absl::Status Prepare(sql::Connection& connection, const std::vector<std::string>& skus) = 0;
  // One transaction each, of all the sagas: what their first half changes, and what their second half does.
  virtual absl::Status WriteFirst(sql::Connection& connection, const std::vector<FloorSaga>& sagas, absl::Time now) = 0;
  virtual absl::Status WriteSecond(sql::Connection& connection, const std::vector<FloorSaga>& sagas,
                                   absl::Time now) = 0;
  // What both come to, in one transaction.
  virtual absl::Status WriteWhole(sql::Connection& connection, const std::vector<FloorSaga>& sagas, absl::Time now) = 0;
};

std::unique_ptr<SagaRows> MakeCoordinatorRows();
std::unique_ptr<SagaRows> MakeOrdersRows();
std::unique_ptr<SagaRows> MakeCustomersRows();

}  // namespace sagamesh::bench

#endif  // SAGAMESH_BENCH_STORE_SAGA_ROWS_H_
