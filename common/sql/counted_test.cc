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

// One of several servers, whose Check ends as a test says.
class MovingDatabase final : public Database {
 public:
  explicit MovingDatabase(const absl::StatusOr<bool>& check) : check_(check) {}
  Dialect dialect() const override { return Dialect::kMysql; }
  int max_writers() const override { return 1; }
  bool exclusive() const override { return true; }
  absl::StatusOr<std::unique_ptr<Connection>> Connect(Access access) override { return absl::UnavailableError("away"); }
  bool may_move() const override { return true; }
  absl::StatusOr<bool> Check() override { return check_; }

 private:
  const absl::StatusOr<bool>& check_;
};

TEST(CountedCheckTest, ACheckIsARoundTripIfItAsksTheServerInUse) {
  metrics::Registry registry;
  absl::StatusOr<bool> check = true;
  CountedDatabase database(std::make_unique<MovingDatabase>(check), registry);
  const prometheus::Counter& statements = registry.Counter("sagamesh_db_statements_total", "");
  EXPECT_TRUE(database.may_move());
  EXPECT_OK(database.Check());
  EXPECT_EQ(statements.Value(), 1);
  EXPECT_EQ(database.TakeFinding(), Finding::kAnswered);
  check = absl::UnavailableError("two are writable");
  EXPECT_EQ(database.Check().status(), check.status());
  EXPECT_EQ(statements.Value(), 2);
  EXPECT_EQ(database.TakeFinding(), Finding::kDoubt);
  check = false;
  EXPECT_OK(database.Check());
  EXPECT_EQ(statements.Value(), 2);
  EXPECT_EQ(database.TakeFinding(), Finding::kNothing);
}

}  // namespace
}  // namespace sagamesh::sql
