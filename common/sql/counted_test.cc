#include "common/sql/counted.h"

#include <gtest/gtest.h>

#include "common/clock/clock.h"
#include "common/sql/sqlite.h"
#include "common/testing/scripted_database.h"
#include "common/testing/status_matchers.h"

namespace sagamesh::sql {
namespace {

using testing::ScriptedDatabase;
using Finding = CountedDatabase::Finding;

class CountedTest : public ::testing::Test {
 protected:
  CountedTest() {
    auto scripted = std::make_unique<ScriptedDatabase>(MakeSqliteDatabase("file:/counted?vfs=memdb", clock_));
    script_ = scripted.get();
    database_ = std::make_unique<CountedDatabase>(std::move(scripted), registry_);
    connection_ = Connect();
    EXPECT_OK(connection_->Execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY)"));
    database_->TakeFinding();
    before_ = Total();
  }

  std::unique_ptr<Connection> Connect() {
    auto connection = database_->Connect(Access::kWrite);
    EXPECT_OK(connection);
    return *std::move(connection);
  }
  int Total() { return static_cast<int>(registry_.Counter("sagamesh_db_statements_total", "").Value()); }
  int Counted() { return Total() - before_; }

  SystemClock clock_;
  metrics::Registry registry_;
  ScriptedDatabase* script_;
  std::unique_ptr<CountedDatabase> database_;
  std::unique_ptr<Connection> connection_;
  int before_;
};

TEST_F(CountedTest, EveryRoundTripIsCounted) {
  EXPECT_OK(connection_->Begin());
  EXPECT_OK(connection_->Execute("DELETE FROM t"));
  EXPECT_OK(connection_->Query("SELECT id FROM t"));
  EXPECT_OK(connection_->Commit());
  EXPECT_EQ(Counted(), 4);
  EXPECT_OK(connection_->Begin());
  EXPECT_OK(connection_->Rollback());
  Connect();
  EXPECT_EQ(Counted(), 7);
}

TEST_F(CountedTest, AnswersAreFoundOnce) {
  EXPECT_EQ(database_->TakeFinding(), Finding::kNothing);
  EXPECT_OK(connection_->Query("SELECT id FROM t"));
  EXPECT_EQ(database_->TakeFinding(), Finding::kAnswered);
  EXPECT_EQ(database_->TakeFinding(), Finding::kNothing);
}

TEST_F(CountedTest, AFailureLeavesADoubtWhateverElseIsAnswered) {
  script_->ScriptBegin(absl::UnavailableError("lost"));
  EXPECT_FALSE(connection_->Begin().ok());
  EXPECT_OK(Connect()->Query("SELECT id FROM t"));
  EXPECT_EQ(database_->TakeFinding(), Finding::kDoubt);
  EXPECT_EQ(database_->TakeFinding(), Finding::kNothing);
}

TEST_F(CountedTest, AConnectionThatCannotBeMadeLeavesADoubt) {
  script_->SetAway(true);
  EXPECT_FALSE(database_->Connect(Access::kRead).ok());
  EXPECT_EQ(database_->TakeFinding(), Finding::kDoubt);
}

TEST_F(CountedTest, ADeadConnectionAsksNobody) {
  script_->ScriptBegin(absl::UnavailableError("lost"));
  EXPECT_FALSE(connection_->Begin().ok());
  ASSERT_FALSE(connection_->alive());
  before_ = Total();
  connection_->Rollback().IgnoreError();
  EXPECT_EQ(Counted(), 0);
}

}  // namespace
}  // namespace sagamesh::sql
