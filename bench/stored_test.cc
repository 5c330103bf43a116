#include "bench/stored.h"

#include <gtest/gtest.h>

#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"
#include "common/uuid/uuid.h"

namespace sagamesh::bench {
namespace {

constexpr int64_t kCount = 2'000'000;
const absl::Time kEnd = absl::FromUnixSeconds(1'800'000'000);
const std::vector<std::string> kSkus = {"a", "b", "c"};

TEST(StoredSagas, AscendInAllTheirIds) {
  FloorSaga last = MakeStoredSaga(0, kCount, kEnd, kSkus);
  for (const int64_t number : {1, 2, 3, 1000, 999'999, 1'000'000, 1'999'999}) {
    const FloorSaga saga = MakeStoredSaga(number, kCount, kEnd, kSkus);
    EXPECT_LT(last.saga_id, saga.saga_id);
    EXPECT_LT(last.order_id, saga.order_id);
    EXPECT_LT(last.idempotency_key, saga.idempotency_key);
    EXPECT_LT(last.key_hash, saga.key_hash);
    EXPECT_LE(last.sku, saga.sku);
    last = saga;
  }
}

TEST(StoredSagas, HaveIdsAsLongAsRealOnesFromOneEndToTheOther) {
  const FloorSaga first = MakeStoredSaga(0, kCount, kEnd, kSkus);
  const FloorSaga last = MakeStoredSaga(kCount - 1, kCount, kEnd, kSkus);
  EXPECT_EQ(first.order_id.size(), 36);
  EXPECT_EQ(first.key_hash.substr(0, 2), "00");
  EXPECT_EQ(last.key_hash.substr(0, 2), "ff");
  EXPECT_EQ(first.sku, "a");
  EXPECT_EQ(last.sku, "c");
  EXPECT_EQ(UuidV7Time(last.saga_id), kEnd - absl::Milliseconds(1));
}

TEST(StoredSagas, AreInEveryDatabase) {
  testing::TempDir directory;
  SystemClock clock;
  auto databases = OpenFloor("sqlite:" + directory.Path("{}.db"), {}, kSkus);
  ASSERT_OK(databases.status());
  ASSERT_OK(StoreSagas(*databases, 2'500, kSkus, clock));
  const auto count = [](FloorDatabase& database, const std::string& what) {
    return database.connection->Query("SELECT COUNT(*) FROM " + what)->at(0).Int(0);
  };
  EXPECT_EQ(count(databases->coordinator, "sagas WHERE phase = 4"), 2'500);
  EXPECT_EQ(count(databases->orders, "orders WHERE status = 3"), 2'500);
  EXPECT_EQ(count(databases->customers, "movements"), 5'000);
}

}  // namespace
}  // namespace sagamesh::bench
