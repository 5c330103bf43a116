// One server under two names, each through a gate: what a database of several hosts does with them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "common/clock/clock.h"
#include "common/sql/mysql.h"
#include "common/testing/sql_servers.h"
#include "common/testing/status_matchers.h"
#include "common/testing/tcp_gate.h"

namespace sagamesh::sql {
namespace {

using ::absl::StatusCode;
using ::sagamesh::testing::HasCode;
using ::sagamesh::testing::ScratchDatabase;
using ::sagamesh::testing::SqlServer;
using ::sagamesh::testing::SqlServers;
using ::sagamesh::testing::TcpGate;
using ::testing::HasSubstr;

MATCHER_P(IsOkAnd, value, "") { return arg.ok() && *arg == value; }

class SeveralMysqlHostsTest : public ::testing::TestWithParam<SqlServer> {
 protected:
  SeveralMysqlHostsTest() {
    MysqlOptions options = scratch_.options();
    options.lock_wait = absl::Seconds(1);
    options.answer_timeout = absl::Seconds(2);
    options.idle_transaction_max = absl::Seconds(60);
    server_ = MakeMysqlDatabase(options);
    options.hosts = {{"127.0.0.1", left_.port()}, {"127.0.0.1", right_.port()}};
    database_ = MakeMysqlDatabase(options);
    direct_ = Connect(*server_);
    EXPECT_OK(direct_->Execute("CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, text VARCHAR(100))"));
    EXPECT_OK(direct_->Execute("INSERT INTO t VALUES (1, 'one')"));
  }

  static std::unique_ptr<Connection> Connect(Database& database) {
    absl::StatusOr<std::unique_ptr<Connection>> connection = database.Connect(Access::kWrite);
    EXPECT_OK(connection);
    return connection.ok() ? *std::move(connection) : nullptr;
  }
  static absl::Status Set(Connection& connection, const std::string& text) {
    return connection.Execute("UPDATE t SET text = ? WHERE id = 1", {text}).status();
  }
  // Leaves a transaction on the server that holds the row's lock, and whose client has lost it.
  void LoseATransaction(TcpGate& gate) {
    const auto lost = Connect(*database_);
    ASSERT_OK(lost->Begin());
    ASSERT_OK(Set(*lost, "lost"));
    gate.LoseNextReply();
    ASSERT_THAT(Set(*lost, "lost"), HasCode(StatusCode::kUnavailable));
  }

  SystemClock clock_;
  ScratchDatabase scratch_{GetParam()};
  uint16_t server_port_ = scratch_.options().hosts[0].port;
  TcpGate left_{server_port_};
  TcpGate right_{server_port_};
  std::unique_ptr<Database> server_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<Connection> direct_;
};

TEST_P(SeveralMysqlHostsTest, AHostThatIsAwayIsPassedOver) {
  left_.TurnAway(true);
  EXPECT_OK(Set(*Connect(*database_), "through the right one"));
  EXPECT_OK(database_->Check());
}

TEST_P(SeveralMysqlHostsTest, AHostThatIsSilentIsPassedOver) {
  left_.GoSilent();
  const absl::Time began = clock_.Now();
  EXPECT_OK(Set(*Connect(*database_), "through the right one"));
  EXPECT_LT(clock_.Now() - began, absl::Seconds(4));
}

TEST_P(SeveralMysqlHostsTest, TwoWritableOnesAreRefusedAndNamed) {
  for (const Access access : {Access::kWrite, Access::kRead}) {
    const absl::Status status = database_->Connect(access).status();
    EXPECT_THAT(status, HasCode(StatusCode::kUnavailable));
    EXPECT_THAT(std::string(status.message()), HasSubstr("more than one host is writable"));
    EXPECT_THAT(std::string(status.message()), HasSubstr(std::to_string(right_.port())));
  }
}

TEST_P(SeveralMysqlHostsTest, WhileNoneIsWritableItTellsWhatEachSaid) {
  right_.TurnAway(true);
  scratch_.Administer("SET GLOBAL read_only = 1");
  for (const Access access : {Access::kWrite, Access::kRead}) {
    const absl::Status status = database_->Connect(access).status();
    EXPECT_THAT(status, HasCode(StatusCode::kUnavailable));
    EXPECT_THAT(std::string(status.message()), HasSubstr("read-only; "));
    EXPECT_THAT(std::string(status.message()), HasSubstr("cannot connect"));
  }
  scratch_.Administer("SET GLOBAL read_only = 0");
  EXPECT_OK(Set(*Connect(*database_), "writable again"));
}

TEST_P(SeveralMysqlHostsTest, AHostThatWasMadeReadOnlySinceItWasAskedIsNotUsed) {
  right_.TurnAway(true);
  for (const Access access : {Access::kWrite, Access::kRead}) {
    ASSERT_OK(database_->Check());
    scratch_.Administer("SET GLOBAL read_only = 1");
    EXPECT_THAT(database_->Connect(access), HasCode(StatusCode::kUnavailable));
    scratch_.Administer("SET GLOBAL read_only = 0");
  }
}

TEST_P(SeveralMysqlHostsTest, AConnectionIsDeadOnceASecondHostIsSeenWritable) {
  right_.TurnAway(true);
  const auto connection = Connect(*database_);
  ASSERT_OK(database_->Check());
  ASSERT_OK(Set(*connection, "written"));
  EXPECT_TRUE(connection->alive());
  right_.TurnAway(false);
  EXPECT_THAT(database_->Check(), HasCode(StatusCode::kUnavailable));
  EXPECT_FALSE(connection->alive());
  EXPECT_THAT(database_->Connect(Access::kWrite), HasCode(StatusCode::kUnavailable));
}

TEST_P(SeveralMysqlHostsTest, AHostThatHasJustTakenAWriteIsNotAsked) {
  right_.TurnAway(true);
  const auto connection = Connect(*database_);
  EXPECT_THAT(database_->Check(), IsOkAnd(true));
  ASSERT_OK(connection->Query("SELECT text FROM t WHERE id = 1"));
  EXPECT_THAT(database_->Check(), IsOkAnd(true));
  ASSERT_OK(Set(*connection, "written"));
  EXPECT_THAT(database_->Check(), IsOkAnd(false));
  EXPECT_TRUE(connection->alive());
}

TEST_P(SeveralMysqlHostsTest, AConnectionIsDeadOnceItsHostIsSeenReadOnly) {
  right_.TurnAway(true);
  const auto connection = Connect(*database_);
  scratch_.Administer("SET GLOBAL read_only = 1");
  EXPECT_THAT(database_->Check(), HasCode(StatusCode::kUnavailable));
  EXPECT_FALSE(connection->alive());
  scratch_.Administer("SET GLOBAL read_only = 0");
}

TEST_P(SeveralMysqlHostsTest, ATransactionUnderWayIsFinishedBeforeItsConnectionIsGivenUp) {
  right_.TurnAway(true);
  const auto connection = Connect(*database_);
  ASSERT_OK(connection->Begin());
  ASSERT_OK(Set(*connection, "finished"));
  right_.TurnAway(false);
  EXPECT_THAT(database_->Check(), HasCode(StatusCode::kUnavailable));
  EXPECT_OK(connection->Commit());
  EXPECT_FALSE(connection->alive());
}

TEST_P(SeveralMysqlHostsTest, WhatWasLostOnOneHostIsKilledThereBeforeAnotherIsUsed) {
  right_.TurnAway(true);
  LoseATransaction(left_);
  EXPECT_THAT(Set(*direct_, "direct"), HasCode(StatusCode::kAborted));  // its lock is still held
  right_.TurnAway(false);
  EXPECT_THAT(database_->Connect(Access::kWrite), HasCode(StatusCode::kUnavailable));  // two writable ones
  EXPECT_OK(Set(*direct_, "direct"));
}

TEST_P(SeveralMysqlHostsTest, WhatWasLostOnAHostThatIsAwayIsKilledWhenItIsBack) {
  right_.TurnAway(true);
  LoseATransaction(left_);
  left_.TurnAway(true);
  right_.TurnAway(false);
  const auto other = Connect(*database_);
  EXPECT_THAT(Set(*other, "other"), HasCode(StatusCode::kAborted));
  left_.TurnAway(false);
  EXPECT_THAT(database_->Check(), HasCode(StatusCode::kUnavailable));  // two writable ones
  EXPECT_OK(Set(*direct_, "direct"));
}

INSTANTIATE_TEST_SUITE_P(Servers, SeveralMysqlHostsTest, ::testing::ValuesIn(SqlServers()),
                         [](const auto& info) { return info.param.name; });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SeveralMysqlHostsTest);

}  // namespace
}  // namespace sagamesh::sql
