#include "common/sql/sql.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/sql/migrations.h"
#include "common/testing/engines.h"
#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"
#include "tests/simulation/mysql/threaded_database.h"

namespace sagamesh::sql {
namespace {

using ::absl::StatusCode;
using ::sagamesh::simulation::mysql::SimulatedEngine;
using ::sagamesh::testing::Engine;
using ::sagamesh::testing::EngineName;
using ::sagamesh::testing::FakeClock;
using ::sagamesh::testing::HasCode;
using ::sagamesh::testing::ServerEngines;
using ::sagamesh::testing::SqliteEngine;
using ::testing::ElementsAre;

// Keeps the statements it is given: what MySQL would get.
class FakeMysql final : public Connection {
 public:
  Dialect dialect() const override { return Dialect::kMysql; }
  bool alive() const override { return true; }
  absl::Status Begin() override { return absl::OkStatus(); }
  absl::Status Commit() override { return absl::OkStatus(); }
  absl::Status Rollback() override { return absl::OkStatus(); }
  absl::StatusOr<int64_t> Execute(absl::string_view statement, absl::Span<const Value>) override {
    statements.emplace_back(statement);
    return 0;
  }
  absl::StatusOr<std::vector<Row>> Query(absl::string_view, absl::Span<const Value>) override {
    return std::vector<Row>();
  }

  std::vector<std::string> statements;
  std::set<std::string> all;
};

class SqlTest : public ::testing::TestWithParam<Engine> {
 protected:
  void CreateTable() {
    ASSERT_OK(connection_->Execute("CREATE TABLE t (a INTEGER, b INTEGER, c TEXT, PRIMARY KEY (a, b))"));
  }

  std::vector<std::string> Rows() {
    std::vector<std::string> rows;
    const auto found = connection_->Query("SELECT a, b, c FROM t ORDER BY a, b");
    EXPECT_OK(found);
    for (const Row& row : *found) rows.push_back(absl::StrCat(row.Int(0), "/", row.Int(1), "/", row.Text(2)));
    return rows;
  }

  FakeClock clock_;
  std::unique_ptr<Database> database_ = GetParam().open(clock_);
  std::unique_ptr<Connection> connection_ = *database_->Connect(Access::kWrite);
};

TEST(PlaceholdersTest, AreAsManyAsAsked) {
  EXPECT_EQ(Placeholders(0), "");
  EXPECT_EQ(Placeholders(1), "?");
  EXPECT_EQ(Placeholders(3), "?,?,?");
}

TEST_P(SqlTest, UpsertChangesWhatIsThereAndAddsWhatIsNot) {
  CreateTable();
  ASSERT_OK(Upsert(*connection_, "t", {"a", "b"}, {"a", "b", "c"},
                   {int64_t{1}, int64_t{1}, std::string("x"), int64_t{1}, int64_t{2}, std::string("y")}));
  ASSERT_OK(Upsert(*connection_, "t", {"a", "b"}, {"a", "b", "c"},
                   {int64_t{1}, int64_t{2}, std::string("z"), int64_t{1}, int64_t{3}, std::string("w")}));
  EXPECT_THAT(Rows(), ElementsAre("1/1/x", "1/2/z", "1/3/w"));
}

TEST_P(SqlTest, UpsertIfChangesWhatTheConditionHoldsForAndTellsThatItDid) {
  if (connection_->dialect() == Dialect::kSqlite) GTEST_SKIP() << "it is for MySQL";
  CreateTable();
  ASSERT_OK(Insert(*connection_, "t", {"a", "b", "c"},
                   {int64_t{1}, int64_t{1}, std::string("x"), int64_t{1}, int64_t{2}, std::string("y")}));
  const auto raise = [this](int64_t first) {
    return UpsertIf(*connection_, "t", "c < VALUES(c)", {"a", "b", "c"}, {"c"},
                    {int64_t{1}, int64_t{1}, std::string("x"), int64_t{1}, int64_t{2}, std::string("z"), int64_t{1},
                     first, std::string("v")});
  };
  EXPECT_EQ(*raise(3), 1 + 2 + 1);  // stays, is changed, is inserted
  EXPECT_THAT(Rows(), ElementsAre("1/1/x", "1/2/z", "1/3/v"));
  EXPECT_EQ(*raise(4), 1 + 1 + 1);
}

TEST_P(SqlTest, InsertMissingAddsWhatIsNotThereAndLeavesTheRestAsItIs) {
  CreateTable();
  ASSERT_OK(Insert(*connection_, "t", {"a", "b", "c"}, {int64_t{1}, int64_t{1}, std::string("x")}));
  ASSERT_OK(InsertMissing(*connection_, "t", {"a", "b"}, {"a", "b", "c"},
                          {int64_t{1}, int64_t{1}, std::string("y"), int64_t{1}, int64_t{2}, std::string("z")}));
  EXPECT_THAT(Rows(), ElementsAre("1/1/x", "1/2/z"));
}

TEST_P(SqlTest, UpdateGivesTheSameValuesToTheRowsThatAreThere) {
  CreateTable();
  for (int64_t a = 1; a <= 40; a++) {
    ASSERT_OK(Insert(*connection_, "t", {"a", "b", "c"}, {a, int64_t{1}, std::string("x")}));
  }
  std::vector<Value> keys;
  for (int64_t a = 2; a <= 50; a++) keys.emplace_back(a);
  ASSERT_OK(Update(*connection_, "t", {"c"}, {std::string("y")}, "a", keys));
  EXPECT_EQ(connection_->Query("SELECT COUNT(*) FROM t WHERE c = 'y'")->at(0).Int(0), 39);
  EXPECT_EQ(connection_->Query("SELECT COUNT(*) FROM t")->at(0).Int(0), 40);
  ASSERT_OK(Update(*connection_, "no_such_table", {"c"}, {int64_t{1}}, "a", {}));
}

TEST_P(SqlTest, InsertOfATakenKeyIsAlreadyExists) {
  CreateTable();
  ASSERT_OK(Insert(*connection_, "t", {"a", "b", "c"}, {int64_t{1}, int64_t{1}, std::string("x")}));
  EXPECT_THAT(Insert(*connection_, "t", {"a", "b", "c"}, {int64_t{1}, int64_t{1}, std::string("y")}),
              HasCode(StatusCode::kAlreadyExists));
}

TEST_P(SqlTest, MoreRowsThanAStatementTakesAreSplit) {
  CreateTable();
  std::vector<Value> values;
  constexpr int64_t kRows = 25'000;  // 75,000 parameters
  for (int64_t i = 0; i < kRows; i++) values.insert(values.end(), {i, int64_t{0}, std::string("x")});
  ASSERT_OK(connection_->Begin());
  ASSERT_OK(Insert(*connection_, "t", {"a", "b", "c"}, values));
  ASSERT_OK(Upsert(*connection_, "t", {"a", "b"}, {"a", "b", "c"}, values));
  ASSERT_OK(connection_->Commit());
  EXPECT_EQ(connection_->Query("SELECT COUNT(*) FROM t")->at(0).Int(0), kRows);
}

TEST(PadKeysTest, RepeatsTheLastUpToACountThatComesAgain) {
  const auto padded = [](size_t count) {
    std::vector<Value> keys(count, int64_t{1});
    if (count > 0) keys.back() = int64_t{2};
    PadKeys(keys);
    for (size_t i = std::max<size_t>(count, 1) - 1; i < keys.size(); i++) EXPECT_EQ(std::get<int64_t>(keys[i]), 2);
    return keys.size();
  };
  EXPECT_EQ(padded(0), 0u);
  EXPECT_EQ(padded(1), 1u);
  EXPECT_EQ(padded(16), 16u);
  EXPECT_EQ(padded(17), 32u);
  EXPECT_EQ(padded(112), 112u);
  EXPECT_EQ(padded(300), 304u);
}

TEST(RowsTest, BatchesOfAllSizesComeInFewStatements) {
  FakeMysql mysql;
  for (size_t rows = 1; rows <= 128; rows++) {
    mysql.statements.clear();
    ASSERT_OK(Insert(mysql, "t", {"a"}, std::vector<Value>(rows)));
    EXPECT_LE(mysql.statements.size(), 2u) << rows;
    mysql.all.insert(mysql.statements.begin(), mysql.statements.end());
  }
  EXPECT_EQ(mysql.all.size(), 23u);
}

TEST_P(SqlTest, NoRowsAreNoStatement) {
  ASSERT_OK(Insert(*connection_, "no_such_table", {"a"}, {}));
  ASSERT_OK(Upsert(*connection_, "no_such_table", {"a"}, {"a"}, {}));
}

TEST(DialectTest, MysqlGetsItsOwn) {
  FakeMysql mysql;
  ASSERT_OK(Upsert(mysql, "t", {"a"}, {"a", "b"}, {int64_t{1}, int64_t{2}, int64_t{3}, int64_t{4}}));
  ASSERT_OK(InsertMissing(mysql, "t", {"a"}, {"a", "b"}, {int64_t{1}, int64_t{2}}));
  EXPECT_THAT(mysql.statements,
              ElementsAre("INSERT INTO t (a,b) VALUES (?,?),(?,?) ON DUPLICATE KEY UPDATE b=VALUES(b)",
                          "INSERT INTO t (a,b) VALUES (?,?) ON DUPLICATE KEY UPDATE a=a"));
}

const Migration kFirst{1, "first", {"CREATE TABLE one (id INTEGER PRIMARY KEY)"}, {}};
const Migration kSecond{2, "second", {"CREATE TABLE two (id INTEGER PRIMARY KEY)", "INSERT INTO two VALUES (7)"}, {}};

TEST_P(SqlTest, MigrationsRunOnceAndInOrder) {
  ASSERT_OK(Migrate(*connection_, {kFirst}));
  ASSERT_OK(Migrate(*connection_, {kFirst, kSecond}));
  ASSERT_OK(Migrate(*connection_, {kFirst, kSecond}));
  EXPECT_EQ(connection_->Query("SELECT id FROM two")->size(), 1u);
}

// On SQLite alone: MySQL commits each statement that changes a schema, so there a migration is one that may run again
// (tests/databases/migrations_test.cc).
class SqliteMigrationTest : public SqlTest {};

TEST_P(SqliteMigrationTest, AMigrationThatFailsLeavesNothingOfItself) {
  const Migration bad{2, "bad", {"CREATE TABLE two (id INTEGER PRIMARY KEY)", "no SQL"}, {}};
  EXPECT_THAT(Migrate(*connection_, {kFirst, bad}), HasCode(StatusCode::kInternal));
  EXPECT_THAT(connection_->Query("SELECT id FROM two"), HasCode(StatusCode::kInternal));
  EXPECT_OK(Migrate(*connection_, {kFirst, kSecond}));
}

TEST_P(SqlTest, ASchemaThatIsNewerThanTheProgramIsRefused) {
  ASSERT_OK(Migrate(*connection_, {kFirst, kSecond}));
  const absl::Status status = Migrate(*connection_, {kFirst});
  EXPECT_THAT(status, HasCode(StatusCode::kFailedPrecondition));
  EXPECT_TRUE(absl::StrContains(status.message(), "version 2")) << status;
}

INSTANTIATE_TEST_SUITE_P(Engines, SqlTest, ::testing::Values(SqliteEngine(), SimulatedEngine()), EngineName);
INSTANTIATE_TEST_SUITE_P(Servers, SqlTest, ::testing::ValuesIn(ServerEngines()), EngineName);
INSTANTIATE_TEST_SUITE_P(Engines, SqliteMigrationTest, ::testing::Values(SqliteEngine()), EngineName);

}  // namespace
}  // namespace sagamesh::sql
