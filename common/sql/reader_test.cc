#include "common/sql/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "common/sql/sqlite.h"
#include "common/testing/fake_clock.h"
#include "common/testing/manual_pool.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"

namespace sagamesh::sql {
namespace {

using ::absl::StatusCode;
using ::sagamesh::testing::FakeClock;
using ::sagamesh::testing::HasCode;
using ::sagamesh::testing::ManualPool;
using ::sagamesh::testing::TempDir;

class ReaderTest : public ::testing::Test {
 protected:
  Reader::Query Note() {
    return [this](absl::StatusOr<Connection*> connection) {
      answers_.push_back(connection.ok() ? (*connection)->Query("SELECT 1").status() : connection.status());
    };
  }

  TempDir directory_;
  FakeClock clock_;
  std::unique_ptr<Database> database_ = MakeSqliteDatabase(directory_.Path("t.db"), clock_);
  ManualPool pool_;
  std::vector<absl::Status> answers_;
};

TEST_F(ReaderTest, AnswersEveryQueryOnTheConnectionsItHas) {
  ASSERT_OK(database_->Connect(Access::kWrite));
  Reader reader({"test", 2, 100}, *database_, pool_, clock_);
  for (int i = 0; i < 10; i++) reader.Submit(Note());
  EXPECT_EQ(pool_.size(), 2u);
  EXPECT_TRUE(answers_.empty());
  pool_.RunAll();
  ASSERT_EQ(answers_.size(), 10u);
  for (const absl::Status& answer : answers_) EXPECT_OK(answer);
}

TEST_F(ReaderTest, AFullQueueIsToldAtOnceWithWhenToComeBack) {
  Reader reader({"test", 1, 2}, *database_, pool_, clock_);
  for (int i = 0; i < 3; i++) reader.Submit(Note());
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_THAT(answers_[0], HasCode(StatusCode::kResourceExhausted));
  EXPECT_TRUE(answers_[0].GetPayload("type.googleapis.com/google.rpc.RetryInfo").has_value());
}

TEST_F(ReaderTest, ADatabaseThatIsAwayIsUnavailableAndFoundAgain) {
  Reader reader({"test", 1, 10}, *database_, pool_, clock_);
  reader.Submit(Note());
  pool_.RunAll();
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_THAT(answers_[0], HasCode(StatusCode::kUnavailable));
  ASSERT_OK(database_->Connect(Access::kWrite));
  reader.Submit(Note());
  pool_.RunAll();
  EXPECT_OK(answers_[1]);
}

}  // namespace
}  // namespace sagamesh::sql
