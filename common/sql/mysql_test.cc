#include "common/sql/mysql.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/sql/migrations.h"
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

class MysqlTest : public ::testing::TestWithParam<SqlServer> {
 protected:
  MysqlTest() {
    options_ = scratch_.options();
    options_.lock_wait = absl::Seconds(1);
    options_.idle_transaction_max = absl::Seconds(2);
    options_.answer_timeout = absl::Seconds(2);
    Restart();
    first_ = Connect();
    EXPECT_OK(
        first_->Execute("CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, text VARCHAR(100), "
                        "bytes VARBINARY(300), large MEDIUMBLOB) DEFAULT CHARACTER SET utf8mb4"));
    EXPECT_OK(first_->Execute("INSERT INTO t (id, text) VALUES (1, 'one'), (2, 'two')"));
  }

  // Another process over the same server: it knows nothing of lost connections.
  void Restart() { database_ = MakeMysqlDatabase(options_); }

  std::unique_ptr<Connection> Connect() { return ConnectTo(*database_); }
  static std::unique_ptr<Connection> ConnectTo(Database& database) {
    absl::StatusOr<std::unique_ptr<Connection>> connection = database.Connect(Access::kWrite);
    EXPECT_OK(connection);
    return connection.ok() ? *std::move(connection) : nullptr;
  }

  std::unique_ptr<Database> DatabaseThrough(const TcpGate& gate) {
    MysqlOptions options = options_;
    options.hosts[0].port = gate.port();
    return MakeMysqlDatabase(options);
  }

  absl::Status Set(Connection& connection, int64_t id, const std::string& text) {
    return connection.Execute("UPDATE t SET text = ? WHERE id = ?", {text, id}).status();
  }
  std::string Text(Connection& connection, int64_t id) {
    const auto rows = connection.Query("SELECT text FROM t WHERE id = ?", {id});
    EXPECT_OK(rows);
    return rows.ok() && rows->size() == 1 ? (*rows)[0].Text(0) : "none";
  }
  int64_t IdOf(Connection& connection) { return (*connection.Query("SELECT CONNECTION_ID()"))[0].Int(0); }
  std::string Variable(Connection& connection, const std::string& name) {
    return (*connection.Query(absl::StrCat("SELECT CAST(@@", name, " AS CHAR)")))[0].Text(0);
  }

  SystemClock clock_;
  ScratchDatabase scratch_{GetParam()};
  MysqlOptions options_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<Connection> first_;
};

TEST_P(MysqlTest, ValuesComeBackAsTheyWereBound) {
  std::string every_byte;
  for (int i = 0; i < 256; i++) every_byte.push_back(static_cast<char>(i));
  const std::string large(1'000'000, '\xff');
  const int64_t lowest = std::numeric_limits<int64_t>::min();
  ASSERT_OK(first_->Execute("INSERT INTO t VALUES (?,?,?,?)", {lowest, "ñ😀", Blob{every_byte}, Blob{large}}));
  ASSERT_OK(first_->Execute("INSERT INTO t VALUES (?,?,?,?)", {int64_t{7}, std::string(), Blob{}, Value()}));
  const auto rows =
      first_->Query("SELECT id, text, bytes, large FROM t WHERE id IN (?, ?) ORDER BY id", {lowest, int64_t{7}});
  ASSERT_OK(rows);
  ASSERT_EQ(rows->size(), 2u);
  EXPECT_EQ((*rows)[0].Int(0), lowest);
  EXPECT_EQ((*rows)[0].Text(1), "ñ😀");
  EXPECT_EQ((*rows)[0].Text(2), every_byte);
  EXPECT_EQ((*rows)[0].Text(3), large);
  EXPECT_FALSE((*rows)[1].IsNull(1));
  EXPECT_EQ((*rows)[1].Text(2), "");
  EXPECT_TRUE((*rows)[1].IsNull(3));
}

TEST_P(MysqlTest, BytesAreFoundByTheirValue) {
  const std::string bytes("\xff\x00\xfe", 3);
  ASSERT_OK(first_->Execute("UPDATE t SET bytes = ? WHERE id = 2", {Blob{bytes}}));
  const auto rows = first_->Query("SELECT id FROM t WHERE bytes = ?", {bytes});
  ASSERT_OK(rows);
  ASSERT_EQ(rows->size(), 1u);
}

TEST_P(MysqlTest, ALoginDoesNotMindWhatBytesOthersSend) {
  const auto sent = std::async(std::launch::async, [this] {
    const std::string bytes("\xac\x01\n\x0c", 4);
    EXPECT_OK(first_->Query("SELECT SLEEP(1) FROM t WHERE id = 1 AND text <> ?", {Blob{bytes}}));
  });
  for (int i = 0; i < 5 && sent.wait_for(std::chrono::milliseconds(100)) != std::future_status::ready; i++) Connect();
}

TEST_P(MysqlTest, TheSumOfWholeNumbersIsAWholeNumber) {
  EXPECT_EQ((*first_->Query("SELECT SUM(id), MAX(id), COUNT(*) FROM t"))[0].Int(0), 3);
}

TEST_P(MysqlTest, AnUpdateThatChangesNothingStillFindsItsRow) {
  const auto found = first_->Execute("UPDATE t SET text = ? WHERE id = ?", {std::string("one"), int64_t{1}});
  ASSERT_OK(found);
  EXPECT_EQ(*found, 1);
}

TEST_P(MysqlTest, InsertMissingLeavesARowAsItIsAndLocksIt) {
  ASSERT_OK(first_->Begin());
  ASSERT_OK(
      InsertMissing(*first_, "t", {"id"}, {"id", "text"}, {int64_t{1}, std::string("other"), int64_t{3}, Value()}));
  EXPECT_EQ(Text(*first_, 1), "one");
  EXPECT_THAT(Set(*Connect(), 3, "second"), HasCode(StatusCode::kAborted));
  ASSERT_OK(first_->Rollback());
  EXPECT_EQ(Text(*first_, 3), "none");
}

TEST_P(MysqlTest, AUniqueKeyThatIsTakenLeavesTheTransactionOpen) {
  ASSERT_OK(first_->Begin());
  ASSERT_OK(Set(*first_, 2, "changed"));
  EXPECT_THAT(first_->Execute("INSERT INTO t (id) VALUES (?)", {int64_t{1}}), HasCode(StatusCode::kAlreadyExists));
  ASSERT_OK(first_->Commit());
  EXPECT_EQ(Text(*first_, 2), "changed");
}

TEST_P(MysqlTest, ADefectiveStatementIsInternalAndTheConnectionLives) {
  EXPECT_THAT(first_->Execute("INSERT INTO no_such_table VALUES (?)", {int64_t{1}}), HasCode(StatusCode::kInternal));
  EXPECT_THAT(first_->Execute("INSERT INTO t (id, text) VALUES (?, ?)", {int64_t{9}, std::string(101, 'x')}),
              HasCode(StatusCode::kInternal));  // never cut to size
  EXPECT_TRUE(first_->alive());
}

TEST_P(MysqlTest, ATransactionSeesWhatOthersCommittedMeanwhile) {
  const auto second = Connect();
  ASSERT_OK(first_->Begin());
  EXPECT_EQ(Text(*first_, 1), "one");
  ASSERT_OK(Set(*second, 1, "changed"));
  EXPECT_EQ(Text(*first_, 1), "changed");
  ASSERT_OK(first_->Rollback());
}

TEST_P(MysqlTest, AStatementAfterATransactionCommitsAlone) {
  const auto second = Connect();
  for (const char* text : {"committed", "rolled back"}) {
    ASSERT_OK(first_->Begin());
    ASSERT_OK(Set(*first_, 2, text));
    ASSERT_OK(text[0] == 'c' ? first_->Commit() : first_->Rollback());
    ASSERT_OK(Set(*first_, 1, text));
    EXPECT_EQ(Text(*second, 1), text);
    EXPECT_EQ(Text(*second, 2), "committed");
  }
}

TEST_P(MysqlTest, ATransactionIsRolledBackAsAWholeHoweverItBegan) {
  const auto second = Connect();
  for (int i = 0; i < 3; i++) {  // the first one after the login, then in use, then after a pause
    ASSERT_OK(first_->Begin());
    ASSERT_OK(Set(*first_, 1, "lost"));
    ASSERT_OK(Set(*first_, 2, "lost"));
    EXPECT_EQ(Text(*second, 1), "one");
    ASSERT_OK(first_->Rollback());
    EXPECT_EQ(Text(*second, 2), "two");
    if (i == 1) clock_.SleepFor(absl::Milliseconds(200));
  }
}

TEST_P(MysqlTest, AConnectionThatWasLostWhileItWasIdleShowsAtBegin) {
  const auto second = Connect();
  const int64_t id = IdOf(*first_);
  ASSERT_OK(first_->Begin());
  ASSERT_OK(first_->Rollback());
  ASSERT_OK(second->Execute(absl::StrCat("KILL ", id)));
  clock_.SleepFor(absl::Milliseconds(200));
  EXPECT_THAT(first_->Begin(), HasCode(StatusCode::kUnavailable));
  EXPECT_FALSE(first_->alive());
}

TEST_P(MysqlTest, ADeadlockIsAbortedAndRollsTheWholeTransactionBack) {
  const auto second = Connect();
  ASSERT_OK(first_->Begin());
  ASSERT_OK(second->Begin());
  ASSERT_OK(Set(*first_, 1, "first"));
  ASSERT_OK(Set(*second, 2, "second"));
  absl::Status second_status;
  std::thread waiter([&] { second_status = Set(*second, 1, "second"); });
  const absl::Status first_status = Set(*first_, 2, "first");
  waiter.join();
  ASSERT_NE(first_status.ok(), second_status.ok());
  Connection& winner = first_status.ok() ? *first_ : *second;
  Connection& victim = first_status.ok() ? *second : *first_;
  EXPECT_THAT(first_status.ok() ? second_status : first_status, HasCode(StatusCode::kAborted));
  EXPECT_THAT(victim.Commit(), HasCode(StatusCode::kInternal));  // there is no transaction any more
  ASSERT_OK(winner.Commit());
  EXPECT_EQ(Text(victim, 1), first_status.ok() ? "first" : "second");
  EXPECT_EQ(Text(victim, 2), Text(victim, 1));
}

TEST_P(MysqlTest, ALockWaitIsAbortedAndRollsTheWholeTransactionBack) {
  const auto second = Connect();
  ASSERT_OK(first_->Begin());
  ASSERT_OK(Set(*first_, 1, "first"));
  ASSERT_OK(second->Begin());
  ASSERT_OK(Set(*second, 2, "second"));
  EXPECT_THAT(Set(*second, 1, "second"), HasCode(StatusCode::kAborted));
  // The server itself would have ended the statement alone.
  ASSERT_OK(Set(*first_, 2, "first"));
  ASSERT_OK(first_->Commit());
  EXPECT_EQ(Text(*second, 2), "first");
}

TEST_P(MysqlTest, ACommitOfAKilledConnectionIsNeverTakenForSuccess) {
  const auto second = Connect();
  ASSERT_OK(first_->Begin());
  ASSERT_OK(Set(*first_, 1, "lost"));
  ASSERT_OK(second->Execute(absl::StrCat("KILL ", IdOf(*first_))));
  EXPECT_THAT(first_->Commit(), HasCode(StatusCode::kUnknown));
  EXPECT_FALSE(first_->alive());
  EXPECT_THAT(first_->Query("SELECT 1"), HasCode(StatusCode::kUnavailable));
  EXPECT_EQ(Text(*second, 1), "one");
}

TEST_P(MysqlTest, ACommitWhoseReplyIsLostIsUnknownAndMayHaveHappened) {
  TcpGate gate(options_.hosts[0].port);
  const auto database = DatabaseThrough(gate);
  const auto connection = ConnectTo(*database);
  ASSERT_OK(connection->Begin());
  ASSERT_OK(Set(*connection, 1, "kept"));
  gate.LoseNextReply();
  EXPECT_THAT(connection->Commit(), HasCode(StatusCode::kUnknown));
  EXPECT_EQ(Text(*first_, 1), "kept");
}

TEST_P(MysqlTest, AConnectionLostInATransactionIsKilledByTheNextOne) {
  options_.idle_transaction_max = absl::Seconds(30);
  TcpGate gate(options_.hosts[0].port);
  const auto database = DatabaseThrough(gate);
  const auto lost = ConnectTo(*database);
  ASSERT_OK(lost->Begin());
  ASSERT_OK(Set(*lost, 1, "lost"));
  gate.LoseNextReply();
  EXPECT_THAT(Set(*lost, 2, "lost"), HasCode(StatusCode::kUnavailable));
  EXPECT_FALSE(lost->alive());
  EXPECT_THAT(Set(*first_, 1, "first"), HasCode(StatusCode::kAborted));  // its locks are still held
  const auto next = ConnectTo(*database);
  EXPECT_OK(Set(*next, 1, "next"));
  EXPECT_EQ(Text(*next, 2), "two");
}

TEST_P(MysqlTest, AServerThatFallsSilentIsLostAfterItsTime) {
  TcpGate gate(options_.hosts[0].port);
  const auto database = DatabaseThrough(gate);
  const auto connection = ConnectTo(*database);
  gate.GoSilent();
  EXPECT_THAT(connection->Query("SELECT 1"), HasCode(StatusCode::kUnavailable));
  EXPECT_FALSE(connection->alive());
}

TEST_P(MysqlTest, TheServerEndsATransactionThatDoesNothing) {
  ASSERT_OK(first_->Begin());
  ASSERT_OK(Set(*first_, 1, "stopped"));
  clock_.SleepFor(options_.idle_transaction_max + absl::Seconds(1));
  EXPECT_OK(Set(*Connect(), 1, "second"));
  EXPECT_THAT(first_->Commit(), HasCode(StatusCode::kUnknown));
  EXPECT_EQ(Text(*Connect(), 1), "second");
}

TEST_P(MysqlTest, AConnectionIsNotUsedAfterTheServerMayHaveClosedIt) {
  Session session(*database_, Access::kWrite);
  ASSERT_OK(session.Get());
  clock_.SleepFor(options_.idle_transaction_max + absl::Seconds(1));
  const auto connection = session.Get();
  ASSERT_OK(connection);
  EXPECT_OK((*connection)->Query("SELECT 1"));
}

TEST_P(MysqlTest, AServerWhoseCommitIsNotDurableIsRefusedOrTakenWithAWarning) {
  scratch_.Administer("SET GLOBAL innodb_flush_log_at_trx_commit = 2");
  options_.allow_relaxed_durability = false;
  Restart();
  EXPECT_THAT(database_->Connect(Access::kWrite), HasCode(StatusCode::kFailedPrecondition));
  options_.allow_relaxed_durability = true;
  Restart();
  EXPECT_OK(database_->Connect(Access::kWrite));
  scratch_.Administer("SET GLOBAL innodb_flush_log_at_trx_commit = 1");
}

TEST_P(MysqlTest, AReadOnlyServerIsAway) {
  scratch_.Administer("SET GLOBAL read_only = 1");
  EXPECT_THAT(database_->Connect(Access::kWrite), HasCode(StatusCode::kUnavailable));
  scratch_.Administer("SET GLOBAL read_only = 0");
}

TEST_P(MysqlTest, ACommitOnAServerThatWasMadeReadOnlyMeanwhileDidNotHappen) {
  ASSERT_OK(first_->Begin());
  ASSERT_OK(Set(*first_, 1, "refused"));
  scratch_.Administer("SET GLOBAL read_only = 1");
  EXPECT_THAT(first_->Commit(), HasCode(StatusCode::kUnavailable));
  EXPECT_FALSE(first_->alive());
  scratch_.Administer("SET GLOBAL read_only = 0");
  const auto second = Connect();
  EXPECT_OK(Set(*second, 2, "second"));
  EXPECT_EQ(Text(*second, 1), "one");
}

TEST_P(MysqlTest, AStatementOnAServerThatWasMadeReadOnlyGivesTheConnectionUpAndItsLocks) {
  ASSERT_OK(first_->Begin());
  ASSERT_OK(first_->Query("SELECT text FROM t WHERE id = 1 FOR UPDATE"));
  scratch_.Administer("SET GLOBAL read_only = 1");
  EXPECT_THAT(Set(*first_, 1, "refused"), HasCode(StatusCode::kUnavailable));
  EXPECT_FALSE(first_->alive());
  scratch_.Administer("SET GLOBAL read_only = 0");
  EXPECT_OK(Set(*Connect(), 1, "second"));
}

TEST_P(MysqlTest, ACommitWithoutATransactionIsADefect) {
  EXPECT_THAT(first_->Commit(), HasCode(StatusCode::kInternal));
  EXPECT_OK(first_->Rollback());
}

const Migration kFirst{1, "first", {}, {{"CREATE TABLE IF NOT EXISTS one (id BIGINT NOT NULL PRIMARY KEY)"}}};
const Migration kSecond{
    2,
    "second",
    {},
    {{"CREATE TABLE IF NOT EXISTS two (id BIGINT NOT NULL PRIMARY KEY)", "INSERT IGNORE INTO two (id) VALUES (7)"}}};

TEST_P(MysqlTest, PeersThatMigrateAtOnceAllArrive) {
  constexpr int kPeers = 8;
  std::vector<absl::Status> ends(kPeers);
  std::vector<std::thread> peers;
  for (int i = 0; i < kPeers; i++) {
    peers.emplace_back([this, &end = ends[i]] { end = Migrate(*Connect(), {kFirst, kSecond}); });
  }
  for (std::thread& peer : peers) peer.join();
  for (const absl::Status& end : ends) EXPECT_OK(end);
  EXPECT_EQ((*first_->Query("SELECT MAX(version), COUNT(*) FROM schema_version"))[0].Int(1), 2);
  EXPECT_EQ(first_->Query("SELECT id FROM two")->size(), 1u);
}

TEST_P(MysqlTest, AMigrationThatWasCutShortIsCompleted) {
  ASSERT_OK(Migrate(*first_, {kFirst}));
  ASSERT_OK(first_->Execute(kSecond.mysql_statements->front()));
  ASSERT_OK(Migrate(*first_, {kFirst, kSecond}));
  EXPECT_EQ(first_->Query("SELECT id FROM two")->size(), 1u);
}

TEST_P(MysqlTest, AMigrationMayTakeLongerThanAnAnswer) {
  const Migration slow{1, "slow", {}, {{"DO SLEEP(3)"}}};
  EXPECT_THAT(Migrate(*Connect(), {slow}), HasCode(StatusCode::kUnavailable));
  EXPECT_OK(Migrate(*database_, {slow}));
  EXPECT_EQ(Connect()->Query("SELECT version FROM schema_version")->size(), 1u);
}

TEST_P(MysqlTest, ASchemaThatIsNewerThanTheProgramIsRefused) {
  ASSERT_OK(Migrate(*first_, {kFirst, kSecond}));
  EXPECT_THAT(Migrate(*first_, {kFirst}), HasCode(StatusCode::kFailedPrecondition));
}

INSTANTIATE_TEST_SUITE_P(Servers, MysqlTest, ::testing::ValuesIn(SqlServers()),
                         [](const auto& info) { return info.param.name; });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(MysqlTest);

TEST(MysqlDatabaseTest, AServerThatIsNotThereIsAway) {
  MysqlOptions options = *ParseMysqlUrl("mysql://root@127.0.0.1:1/none");
  EXPECT_THAT(MakeMysqlDatabase(options)->Connect(Access::kWrite), HasCode(StatusCode::kUnavailable));
}

}  // namespace
}  // namespace sagamesh::sql
