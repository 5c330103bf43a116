#ifndef SAGAMESH_BENCH_STORED_H_
#define SAGAMESH_BENCH_STORED_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "bench/floor.h"
#include "common/clock/clock.h"

namespace sagamesh::bench {

// Saga `number` (from 0) of `count` that ended before `end`. Ids that are random in a real saga are spread over all
// that there can be, but ascend with the number, so that tables and indexes are filled from left to right, which is
// fast, and look in the end as if they had been filled at random. `skus` ascend.
FloorSaga MakeStoredSaga(int64_t number, int64_t count, absl::Time end, const std::vector<std::string>& skus);

// Writes `count` sagas that have ended, over `skus`, to all three databases.
absl::Status StoreSagas(FloorDatabases& databases, int64_t count, std::vector<std::string> skus, Clock& clock);

}  // namespace sagamesh::bench

#endif  // SAGAMESH_BENCH_STORED_H_
