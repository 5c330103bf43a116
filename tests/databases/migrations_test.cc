// The schemas of the three services, on every engine.

#include "common/sql/migrations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/testing/engines.h"
#include "common/testing/status_matchers.h"
#include "coordinator/journal/journal.h"
#include "customers/store/stock_store.h"
#include "orders/store/order_store.h"

namespace sagamesh {
namespace {

using ::sagamesh::testing::Engine;
using ::sagamesh::testing::HasCode;
using ::sagamesh::testing::ServerEngines;
using ::sagamesh::testing::SqliteEngine;
using ::testing::ElementsAreArray;

struct Schema {
  std::string service;
  std::vector<sql::Migration> migrations;
};

std::ostream& operator<<(std::ostream& out, const Schema& schema) { return out << schema.service; }

const std::vector<Schema> kSchemas = {
    {"customers", customers::Migrations()}, {"orders", orders::Migrations()}, {"coordinator", journal::Migrations()}};

class MigrationsTest : public ::testing::TestWithParam<std::tuple<Engine, Schema>> {
 protected:
  std::unique_ptr<sql::Connection> Connect() {
    auto connection = database_->Connect(sql::Access::kWrite);
    EXPECT_OK(connection);
    return *std::move(connection);
  }

  // "TABLE.COLUMN", sorted.
  static std::vector<std::string> Columns(sql::Connection& connection) {
    const auto rows = connection.Query(
        connection.dialect() == sql::Dialect::kSqlite
            ? "SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c WHERE t.type = 'table'"
            : "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE()");
    EXPECT_OK(rows);
    std::vector<std::string> columns;
    for (const sql::Row& row : *rows) columns.push_back(absl::StrCat(row.Text(0), ".", row.Text(1)));
    std::sort(columns.begin(), columns.end());
    return columns;
  }

  // "VERSION NAME", as they were written.
  static std::vector<std::string> Versions(sql::Connection& connection) {
    const auto rows = connection.Query("SELECT version, name FROM schema_version ORDER BY version");
    EXPECT_OK(rows);
    std::vector<std::string> versions;
    for (const sql::Row& row : *rows) versions.push_back(absl::StrCat(row.Int(0), " ", row.Text(1)));
    return versions;
  }
  std::vector<std::string> WantedVersions() const {
    std::vector<std::string> versions;
    for (const sql::Migration& migration : migrations_) {
      versions.push_back(absl::StrCat(migration.version, " ", migration.name));
    }
    return versions;
  }

  const std::vector<sql::Migration> migrations_ = std::get<Schema>(GetParam()).migrations;
  SystemClock clock_;
  std::unique_ptr<sql::Database> database_ = std::get<Engine>(GetParam()).open(clock_);
  std::unique_ptr<sql::Connection> connection_ = Connect();
};

TEST_P(MigrationsTest, EveryEngineComesToTheSameVersionAndColumns) {
  ASSERT_OK(sql::Migrate(*connection_, migrations_));
  EXPECT_THAT(Versions(*connection_), ElementsAreArray(WantedVersions()));
  const std::unique_ptr<sql::Database> sqlite = SqliteEngine().open(clock_);
  const auto model = sqlite->Connect(sql::Access::kWrite);
  ASSERT_OK(model);
  ASSERT_OK(sql::Migrate(**model, migrations_));
  EXPECT_THAT(Columns(*connection_), ElementsAreArray(Columns(**model)));
}

TEST_P(MigrationsTest, RunAgainTheyChangeNothing) {
  ASSERT_OK(sql::Migrate(*connection_, migrations_));
  const std::vector<std::string> columns = Columns(*connection_);
  ASSERT_OK(sql::Migrate(*Connect(), migrations_));
  EXPECT_THAT(Versions(*connection_), ElementsAreArray(WantedVersions()));
  EXPECT_THAT(Columns(*connection_), ElementsAreArray(columns));
}

TEST_P(MigrationsTest, ASchemaThatIsNewerThanTheProgramIsRefusedByItsVersion) {
  ASSERT_OK(sql::Migrate(*connection_, migrations_));
  const int last = migrations_.back().version;
  ASSERT_OK(
      connection_->Execute("INSERT INTO schema_version VALUES (?, ?)", {int64_t{last + 1}, std::string("later")}));
  const absl::Status status = sql::Migrate(*connection_, migrations_);
  EXPECT_THAT(status, HasCode(absl::StatusCode::kFailedPrecondition));
  EXPECT_TRUE(
      absl::StrContains(status.message(), absl::StrCat("has version ", last + 1, ", newer than this program's ", last)))
      << status;
}

// A file is one process's own, and there a migration is one transaction: only a server's can be disturbed so.
class ServerMigrationsTest : public MigrationsTest {};

TEST_P(ServerMigrationsTest, ReplicasThatMigrateAtOnceAllArrive) {
  constexpr int kReplicas = 6;
  std::vector<absl::Status> ends(kReplicas);
  std::vector<std::thread> replicas;
  for (absl::Status& end : ends) {
    replicas.emplace_back([this, &end] {
      const auto connection = Connect();
      // As a service opens its database: what met a lock is run again.
      do end = sql::Migrate(*connection, migrations_);
      while (absl::IsAborted(end));
    });
  }
  for (std::thread& replica : replicas) replica.join();
  for (const absl::Status& end : ends) EXPECT_OK(end);
  EXPECT_THAT(Versions(*connection_), ElementsAreArray(WantedVersions()));
}

// As left by one that died behind any statement: all before it are done, and no version is written.
TEST_P(ServerMigrationsTest, OneThatWasCutShortAnywhereIsCompleted) {
  std::vector<std::string> statements;
  for (const sql::Migration& migration : migrations_) {
    statements.insert(statements.end(), migration.mysql_statements.begin(), migration.mysql_statements.end());
    for (const sql::Migration::Column& column : migration.columns) {
      statements.push_back(absl::StrCat("ALTER TABLE ", column.table, " ADD COLUMN ", column.name, " ", column.type));
    }
  }
  ASSERT_OK(sql::Migrate(*connection_, migrations_));
  const std::vector<std::string> columns = Columns(*connection_);
  for (size_t done = 1; done <= statements.size(); done++) {
    const std::unique_ptr<sql::Database> database = std::get<Engine>(GetParam()).open(clock_);
    const auto connection = database->Connect(sql::Access::kWrite);
    ASSERT_OK(connection);
    for (size_t i = 0; i < done; i++) ASSERT_OK((*connection)->Execute(statements[i]));
    ASSERT_OK(sql::Migrate(**connection, migrations_));
    EXPECT_THAT(Versions(**connection), ElementsAreArray(WantedVersions()));
    EXPECT_THAT(Columns(**connection), ElementsAreArray(columns));
  }
}

std::string Name(const ::testing::TestParamInfo<std::tuple<Engine, Schema>>& info) {
  return absl::StrCat(std::get<Schema>(info.param).service, "_on_", std::get<Engine>(info.param).name);
}

INSTANTIATE_TEST_SUITE_P(Engines, MigrationsTest,
                         ::testing::Combine(::testing::Values(SqliteEngine()), ::testing::ValuesIn(kSchemas)), Name);
INSTANTIATE_TEST_SUITE_P(Servers, MigrationsTest,
                         ::testing::Combine(::testing::ValuesIn(ServerEngines()), ::testing::ValuesIn(kSchemas)), Name);
INSTANTIATE_TEST_SUITE_P(Servers, ServerMigrationsTest,
                         ::testing::Combine(::testing::ValuesIn(ServerEngines()), ::testing::ValuesIn(kSchemas)), Name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ServerMigrationsTest);

}  // namespace
}  // namespace sagamesh
