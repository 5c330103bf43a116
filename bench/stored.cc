#include "bench/stored.h"

#include <algorithm>
#include <atomic>
#include <memory>

#include "absl/numeric/int128.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/exec/threads.h"
#include "common/status/error.h"

namespace sagamesh::bench {
namespace {

constexpr int64_t kBatchSagas = 1000;
constexpr absl::Duration kWait = absl::Milliseconds(10);

absl::Status StoreInto(FloorDatabase& database, int64_t count, absl::Time end, const std::vector<std::string>& skus) {
  for (int64_t first = 0; first < count; first += kBatchSagas) {
    std::vector<FloorSaga> sagas;
    for (int64_t number = first; number < std::min(first + kBatchSagas, count); number++) {
      sagas.push_back(MakeStoredSaga(number, count, end, skus));
    }
    SAGAMESH_RETURN_IF_ERROR(
        database.rows->WriteWhole(*database.connection, sagas, end - absl::Milliseconds(count - first)));
  }
  return absl::OkStatus();
}

}  // namespace

FloorSaga MakeStoredSaga(int64_t number, int64_t count, absl::Time end, const std::vector<std::string>& skus) {
  const int64_t started_ms = absl::ToUnixMillis(end) - count + number;
  const auto spread = static_cast<uint64_t>((absl::uint128(number) << 64) / absl::uint128(count));
  return {.saga_id = absl::StrFormat("%08x-%04x-7000-8000-%012x", started_ms >> 16, started_ms & 0xffff, number),
          .order_id = absl::StrFormat("%08x-%04x-8000-8000-%012x", started_ms >> 16, started_ms & 0xffff, number),
          .idempotency_key = absl::StrCat(absl::Hex(number, absl::kZeroPad16)),
          .sku = skus[number * skus.size() / count],
          .key_hash = absl::StrCat(absl::Hex(spread, absl::kZeroPad16), absl::Hex(number, absl::kZeroPad16))};
}

absl::Status StoreSagas(FloorDatabases& databases, int64_t count, std::vector<std::string> skus, Clock& clock) {
  std::sort(skus.begin(), skus.end());
  const absl::Time end = clock.Now();
  std::array<absl::Status, 3> results;
  std::atomic<size_t> done{0};
  const std::unique_ptr<WorkerPool> pool = MakeThreadPool("stored", static_cast<int>(results.size()));
  for (size_t i = 0; i < results.size(); i++) {
    pool->Post([&, i] {
      results[i] = StoreInto(*databases.all()[i], count, end, skus);
      done++;
    });
  }
  while (done < results.size()) clock.SleepFor(kWait);
  pool->Shutdown();
  for (const absl::Status& result : results) SAGAMESH_RETURN_IF_ERROR(result);
  return absl::OkStatus();
}

}  // namespace sagamesh::bench
