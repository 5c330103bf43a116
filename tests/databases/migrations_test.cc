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
using ::testing::ElementsAre;
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

  // "TABLE.NAME" of each row, sorted.
  static std::vector<std::string> Names(sql::Connection& connection, absl::string_view on_sqlite,
                                        absl::string_view on_servers) {
    const auto rows = connection.Query(connection.dialect() == sql::Dialect::kSqlite ? on_sqlite : on_servers);
    EXPECT_OK(rows);
    std::vector<std::string> names;
    for (const sql::Row& row : *rows) names.push_back(absl::StrCat(row.Text(0), ".", row.Text(1)));
    std::sort(names.begin(), names.end());
    return names;
  }
  static std::vector<std::string> Columns(sql::Connection& connection) {
    return Names(connection,
                 "SELECT t.name, c.name FROM sqlite_master t, pragma_table_xinfo(t.name) c WHERE t.type = 'table'",
                 "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE()");
  }
  // Without those of primary keys.
  static std::vector<std::string> Indexes(sql::Connection& connection) {
    return Names(connection, "SELECT tbl_name, name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
                 "SELECT DISTINCT table_name, index_name FROM information_schema.statistics "
                 "WHERE table_schema = DATABASE() AND index_name <> 'PRIMARY'");
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

TEST_P(MigrationsTest, EveryEngineComesToTheSameVersionColumnsAndIndexes) {
  ASSERT_OK(sql::Migrate(*connection_, migrations_));
  EXPECT_THAT(Versions(*connection_), ElementsAreArray(WantedVersions()));
  const std::unique_ptr<sql::Database> sqlite = SqliteEngine().open(clock_);
  const auto model = sqlite->Connect(sql::Access::kWrite);
  ASSERT_OK(model);
  ASSERT_OK(sql::Migrate(**model, migrations_));
  EXPECT_THAT(Columns(*connection_), ElementsAreArray(Columns(**model)));
  EXPECT_THAT(Indexes(*connection_), ElementsAreArray(Indexes(**model)));
}

TEST_P(MigrationsTest, RunAgainTheyChangeNothing) {
  ASSERT_OK(sql::Migrate(*connection_, migrations_));
  const std::vector<std::string> columns = Columns(*connection_);
  const std::vector<std::string> indexes = Indexes(*connection_);
  ASSERT_OK(sql::Migrate(*Connect(), migrations_));
  EXPECT_THAT(Versions(*connection_), ElementsAreArray(WantedVersions()));
  EXPECT_THAT(Columns(*connection_), ElementsAreArray(columns));
  EXPECT_THAT(Indexes(*connection_), ElementsAreArray(indexes));
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
    for (const sql::Migration::Column& column : migration.columns) {
      statements.push_back(absl::StrCat("ALTER TABLE ", column.table, " ADD COLUMN ", column.name, " ",
                                        column.TypeOn(sql::Dialect::kMysql)));
    }
    const std::vector<std::string>& rest = migration.mysql_statements.value_or(migration.statements);
    statements.insert(statements.end(), rest.begin(), rest.end());
    for (const sql::Migration::Index& index : migration.dropped_indexes) {
      statements.push_back(absl::StrCat("ALTER TABLE ", index.table, " DROP KEY ", index.name));
    }
  }
  ASSERT_OK(sql::Migrate(*connection_, migrations_));
  const std::vector<std::string> columns = Columns(*connection_);
  const std::vector<std::string> indexes = Indexes(*connection_);
  for (size_t done = 1; done <= statements.size(); done++) {
    const std::unique_ptr<sql::Database> database = std::get<Engine>(GetParam()).open(clock_);
    const auto connection = database->Connect(sql::Access::kWrite);
    ASSERT_OK(connection);
    for (size_t i = 0; i < done; i++) ASSERT_OK((*connection)->Execute(statements[i]));
    ASSERT_OK(sql::Migrate(**connection, migrations_));
    EXPECT_THAT(Versions(**connection), ElementsAreArray(WantedVersions()));
    EXPECT_THAT(Columns(**connection), ElementsAreArray(columns));
    EXPECT_THAT(Indexes(**connection), ElementsAreArray(indexes));
  }
}

class JournalMigrationsTest : public MigrationsTest {};

TEST_P(JournalMigrationsTest, SagasThatEndWellAreInNoMoreIndexesThanTheyMust) {
  ASSERT_OK(sql::Migrate(*connection_, migrations_));
  EXPECT_THAT(Indexes(*connection_), ElementsAre("sagas.sagas_open", "sagas.sagas_unhappy", "sagas.sagas_updated"));
}

TEST_P(JournalMigrationsTest, WhatAnEarlierProgramStoredAndStoresIsFoundByItsPhase) {
  ASSERT_OK(sql::Migrate(*connection_, absl::MakeSpan(migrations_).first(3)));
  const auto store = [this](const std::string& id, int64_t phase) {
    ASSERT_OK(sql::Upsert(*connection_, "sagas", {"saga_id"},
                          {"saga_id", "definition", "phase", "stuck", "owner", "epoch", "version", "takeovers",
                           "created_ms", "updated_ms", "record"},
                          {id, std::string("d"), phase, int64_t{0}, std::string("o"), int64_t{1}, int64_t{1},
                           int64_t{0}, int64_t{1}, int64_t{1}, sql::Blob{"r"}}));
  };
  store("failed", 5);
  store("fine", 4);
  store("runs", 1);
  ASSERT_OK(sql::Migrate(*connection_, migrations_));
  store("runs", 2);
  store("runs", 5);
  store("parked", 3);
  const auto found = connection_->Query("SELECT saga_id FROM sagas WHERE unhappy_phase IS NOT NULL ORDER BY saga_id");
  ASSERT_OK(found);
  ASSERT_EQ(found->size(), 3u);
  EXPECT_EQ((*found)[0].Text(0) + (*found)[1].Text(0) + (*found)[2].Text(0), "failedparkedruns");
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
INSTANTIATE_TEST_SUITE_P(Engines, JournalMigrationsTest,
                         ::testing::Combine(::testing::Values(SqliteEngine()), ::testing::Values(kSchemas.back())),
                         Name);
INSTANTIATE_TEST_SUITE_P(Servers, JournalMigrationsTest,
                         ::testing::Combine(::testing::ValuesIn(ServerEngines()), ::testing::Values(kSchemas.back())),
                         Name);

}  // namespace
}  // namespace sagamesh
