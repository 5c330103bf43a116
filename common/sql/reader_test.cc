#include "common/sql/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "common/sql/sqlite.h"
#include "common/testing/fake_clock.h"
#include "common/testing/manual_pool.h"
#include "common/testing/scripted_database.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"

namespace sagamesh::sql {
namespace {

using ::absl::StatusCode;
using ::sagamesh::testing::FakeClock;
using ::sagamesh::testing::HasCode;
using ::sagamesh::testing::IsError;
using ::sagamesh::testing::ManualPool;
using ::sagamesh::testing::ScriptedDatabase;
using ::sagamesh::testing::TempDir;

class ReaderTest : public ::testing::Test {
 protected:
  Reader::Query Note() {
    return [this](absl::StatusOr<Session*> session) {
      const auto ask = [](Connection& connection) { return connection.Query("SELECT 1"); };
      answers_.push_back(session.ok() ? (*session)->Run(ask).status() : session.status());
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
  EXPECT_THAT(answers_[0], IsError(StatusCode::kResourceExhausted, "QUEUE_FULL"));
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

TEST_F(ReaderTest, AConnectionThatWasLostSinceItsLastQueryIsNoFailure) {
  ASSERT_OK(database_->Connect(Access::kWrite));
  ScriptedDatabase database(std::move(database_));
  Reader reader({"test", 1, 10}, database, pool_, clock_);
  const auto ask = [&] {
    reader.Read<int64_t>(
        absl::InfiniteFuture(),
        [](Connection& connection) -> absl::StatusOr<int64_t> {
          // It stands for the query, since its end can be scripted; a read connection refuses it otherwise.
          if (absl::Status lost = connection.Begin(); absl::IsUnavailable(lost)) return lost;
          return 1;
        },
        [this](absl::StatusOr<int64_t> result) { answers_.push_back(result.status()); });
    pool_.RunAll();
    return answers_.back();
  };
  EXPECT_OK(ask());
  database.ScriptBegin(absl::UnavailableError("gone away"));
  EXPECT_OK(ask());
  EXPECT_EQ(database.connects(), 2);
  for (int i = 0; i < 2; i++) database.ScriptBegin(absl::UnavailableError("gone away"));
  EXPECT_THAT(ask(), HasCode(StatusCode::kUnavailable)) << "the new one was lost too";
}

}  // namespace
}  // namespace sagamesh::sql
