#include "bench/store/saga_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/clock/clock.h"
#include "common/testing/engines.h"
#include "common/testing/status_matchers.h"

namespace sagamesh::bench {
namespace {

using ::sagamesh::testing::Engine;
using ::sagamesh::testing::EngineName;
using ::sagamesh::testing::ServerEngines;
using ::sagamesh::testing::SqliteEngine;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

class SagaRowsTest : public ::testing::TestWithParam<Engine> {
 protected:
  // Writes `sagas` to a database of its own, the first two by halves.
  void Write(SagaRows& rows, const std::vector<FloorSaga>& sagas) {
    ASSERT_OK(rows.Prepare(*connection_, {"a", "b"}));
    const std::vector<FloorSaga> by_halves(sagas.begin(), sagas.begin() + 2);
    ASSERT_OK(rows.WriteFirst(*connection_, by_halves, kNow));
    ASSERT_OK(rows.WriteSecond(*connection_, by_halves, kNow));
    ASSERT_OK(rows.WriteWhole(*connection_, {sagas.begin() + 2, sagas.end()}, kNow));
  }

  // The first column of the first row.
  int64_t Number(const std::string& query) { return connection_->Query(query)->at(0).Int(0); }

  const std::vector<FloorSaga> sagas_ = {
      {"s1", "o1", "k1", "a", "h1"}, {"s2", "o2", "k2", "b", "h2"}, {"s3", "o3", "k3", "a", "h3"}};
  SystemClock clock_;
  std::unique_ptr<sql::Database> database_ = GetParam().open(clock_);
  std::unique_ptr<sql::Connection> connection_ = *database_->Connect(sql::Access::kWrite);
};

TEST_P(SagaRowsTest, TheCoordinatorsSagasEndSucceededWithTheirKeysClaimed) {
  Write(*MakeCoordinatorRows(), sagas_);
  EXPECT_EQ(Number("SELECT COUNT(*) FROM sagas WHERE phase = 4 AND version = 2 AND open_owner IS NULL"), 3);
  EXPECT_EQ(Number("SELECT COUNT(*) FROM saga_keys WHERE status = 1"), 3);
}

TEST_P(SagaRowsTest, OrdersEndConfirmedBehindTwoBarrierRowsEach) {
  Write(*MakeOrdersRows(), sagas_);
  EXPECT_EQ(Number("SELECT COUNT(*) FROM orders WHERE status = 3"), 3);
  EXPECT_EQ(Number("SELECT COUNT(*) FROM barrier"), 6);
}

TEST_P(SagaRowsTest, StockIsSoldAndEveryMovementIsInTheLedger) {
  Write(*MakeCustomersRows(), sagas_);
  EXPECT_EQ(Number("SELECT COUNT(*) FROM reservations WHERE status = 2"), 3);
  EXPECT_EQ(Number("SELECT sold FROM products WHERE sku = 'a'"), 2);
  EXPECT_EQ(Number("SELECT SUM(reserved) FROM products"), 0);
  EXPECT_EQ(Number("SELECT SUM(sold) FROM movements WHERE sku = 'a'"), 2);
  EXPECT_EQ(Number("SELECT COUNT(*) FROM movements"), 6);
  EXPECT_EQ(Number("SELECT COUNT(*) FROM barrier"), 6);
}

INSTANTIATE_TEST_SUITE_P(Engines, SagaRowsTest, ::testing::Values(SqliteEngine()), EngineName);
INSTANTIATE_TEST_SUITE_P(Servers, SagaRowsTest, ::testing::ValuesIn(ServerEngines()), EngineName);

}  // namespace
}  // namespace sagamesh::bench
