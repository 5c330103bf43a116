#include "common/sql/sqlite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <filesystem>
#include <memory>
#include <string>

#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"

namespace sagamesh::sql {
namespace {

using ::absl::StatusCode;
using ::sagamesh::testing::FakeClock;
using ::sagamesh::testing::HasCode;
using ::sagamesh::testing::TempDir;

class SqliteTest : public ::testing::Test {
 protected:
  SqliteTest() : writer_(Connect(Access::kWrite)) {
    EXPECT_OK(writer_->Execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT UNIQUE, bytes BLOB)"));
  }

  std::unique_ptr<Connection> Connect(Access access) {
    absl::StatusOr<std::unique_ptr<Connection>> connection = database_->Connect(access);
    EXPECT_OK(connection);
    return connection.ok() ? *std::move(connection) : nullptr;
  }

  int64_t Count(Connection& connection) {
    absl::StatusOr<std::vector<Row>> rows = connection.Query("SELECT COUNT(*) FROM t");
    EXPECT_OK(rows);
    return rows.ok() ? rows->at(0).Int(0) : -1;
  }

  TempDir directory_;
  FakeClock clock_;
  std::unique_ptr<Database> database_ = MakeSqliteDatabase(directory_.Path("t.db"), clock_);
  std::unique_ptr<Connection> writer_;
};

TEST_F(SqliteTest, ValuesComeBackAsTheyWereBound) {
  const std::string zero("a\0b", 3);
  ASSERT_OK(writer_->Execute("INSERT INTO t VALUES (?,?,?)", {int64_t{1}, zero, Blob{zero}}));
  ASSERT_OK(writer_->Execute("INSERT INTO t VALUES (?,?,?)", {int64_t{2}, std::string(), Blob{}}));
  ASSERT_OK(writer_->Execute("INSERT INTO t VALUES (?,?,?)", {int64_t{3}, Value(), Value()}));
  const auto rows = writer_->Query("SELECT id, text, bytes FROM t ORDER BY id");
  ASSERT_OK(rows);
  ASSERT_EQ(rows->size(), 3u);
  EXPECT_EQ((*rows)[0].Int(0), 1);
  EXPECT_EQ((*rows)[0].Text(1), zero);
  EXPECT_EQ((*rows)[0].Text(2), zero);
  EXPECT_FALSE((*rows)[1].IsNull(1));
  EXPECT_FALSE((*rows)[1].IsNull(2));
  EXPECT_TRUE((*rows)[2].IsNull(1));
  EXPECT_EQ((*rows)[2].Text(2), "");
  EXPECT_EQ((*rows)[2].Int(1), 0);
}

TEST_F(SqliteTest, ExecuteTellsHowManyRowsChanged) {
  EXPECT_EQ(*writer_->Execute("INSERT INTO t (id) VALUES (1),(2),(3)"), 3);
  EXPECT_EQ(*writer_->Execute("UPDATE t SET text='x' WHERE id=?", {int64_t{7}}), 0);
  EXPECT_EQ(*writer_->Execute("DELETE FROM t WHERE id<?", {int64_t{3}}), 2);
}

TEST_F(SqliteTest, ATransactionThatIsRolledBackLeavesNothing) {
  ASSERT_OK(writer_->Begin());
  ASSERT_OK(writer_->Execute("INSERT INTO t (id) VALUES (1)"));
  ASSERT_OK(writer_->Rollback());
  EXPECT_EQ(Count(*writer_), 0);
}

TEST_F(SqliteTest, AConnectionThatIsDroppedLeavesNothing) {
  ASSERT_OK(writer_->Begin());
  ASSERT_OK(writer_->Execute("INSERT INTO t (id) VALUES (1)"));
  writer_ = nullptr;
  EXPECT_EQ(Count(*Connect(Access::kWrite)), 0);
}

TEST_F(SqliteTest, AReaderSeesOnlyWhatIsCommittedAndIsNotHeldUp) {
  const auto reader = Connect(Access::kRead);
  ASSERT_OK(writer_->Begin());
  ASSERT_OK(writer_->Execute("INSERT INTO t (id) VALUES (1)"));
  EXPECT_EQ(Count(*reader), 0);
  ASSERT_OK(writer_->Commit());
  EXPECT_EQ(Count(*reader), 1);
}

TEST_F(SqliteTest, AReaderMayNotWrite) {
  const auto reader = Connect(Access::kRead);
  EXPECT_FALSE(reader->Execute("INSERT INTO t (id) VALUES (1)").ok());
  EXPECT_EQ(Count(*writer_), 0);
}

TEST_F(SqliteTest, AReaderDoesNotMakeTheFile) {
  const auto absent = MakeSqliteDatabase(directory_.Path("absent.db"), clock_);
  EXPECT_THAT(absent->Connect(Access::kRead), HasCode(StatusCode::kUnavailable));
  EXPECT_FALSE(std::filesystem::exists(directory_.Path("absent.db")));
}

TEST_F(SqliteTest, ATakenKeyIsAlreadyExists) {
  ASSERT_OK(writer_->Execute("INSERT INTO t (id, text) VALUES (1, 'a')"));
  EXPECT_THAT(writer_->Execute("INSERT INTO t (id) VALUES (1)"), HasCode(StatusCode::kAlreadyExists));
  EXPECT_THAT(writer_->Execute("INSERT INTO t (text) VALUES ('a')"), HasCode(StatusCode::kAlreadyExists));
  EXPECT_TRUE(writer_->alive());
}

TEST_F(SqliteTest, ABadStatementIsInternalAndTheConnectionLives) {
  EXPECT_THAT(writer_->Query("SELECT nothing FROM nowhere"), HasCode(StatusCode::kInternal));
  EXPECT_THAT(writer_->Query("SELECT ?", {}), HasCode(StatusCode::kInternal));
  EXPECT_THAT(writer_->Execute("DELETE FROM t; DELETE FROM t"), HasCode(StatusCode::kInternal));
  EXPECT_TRUE(writer_->alive());
  EXPECT_EQ(Count(*writer_), 0);
}

TEST_F(SqliteTest, ASecondWriterThatWaitsTooLongIsAborted) {
  const auto second = Connect(Access::kWrite);
  ASSERT_OK(writer_->Begin());
  EXPECT_THAT(second->Begin(), HasCode(StatusCode::kAborted));
  EXPECT_TRUE(second->alive());
  ASSERT_OK(writer_->Commit());
  EXPECT_OK(second->Begin());
}

TEST_F(SqliteTest, TheDatabasesTimeIsTheGivenClocks) {
  const absl::Time before = clock_.Now();
  EXPECT_EQ(writer_->Query(std::string("SELECT ") + std::string(NowMs(Dialect::kSqlite)))->at(0).Int(0),
            absl::ToUnixMillis(before));
  clock_.Advance(absl::Seconds(5));
  EXPECT_EQ(writer_->Query(std::string("SELECT ") + std::string(NowMs(Dialect::kSqlite)))->at(0).Int(0),
            absl::ToUnixMillis(before) + 5000);
}

TEST_F(SqliteTest, CommitsAreDurableAndTheLogIsOn) {
  EXPECT_EQ(writer_->Query("PRAGMA synchronous")->at(0).Int(0), 2);
  EXPECT_EQ(writer_->Query("PRAGMA journal_mode")->at(0).Text(0), "wal");
  EXPECT_EQ(Connect(Access::kRead)->Query("PRAGMA wal_autocheckpoint")->at(0).Int(0), 0);
}

TEST_F(SqliteTest, NoTemporaryFilesAreMade) {
  EXPECT_EQ(writer_->Query("PRAGMA temp_store")->at(0).Int(0), 2);
  EXPECT_EQ(Connect(Access::kRead)->Query("PRAGMA temp_store")->at(0).Int(0), 2);
}

TEST_F(SqliteTest, AFileThatIsMovedAwayIsAwayAndComesBackWithItsData) {
  ASSERT_OK(writer_->Execute("INSERT INTO t (id) VALUES (1)"));
  auto reader = Connect(Access::kRead);
  std::filesystem::rename(directory_.Path("t.db"), directory_.Path("elsewhere.db"));

  EXPECT_THAT(reader->Query("SELECT 1"), HasCode(StatusCode::kUnavailable));
  EXPECT_FALSE(reader->alive());
  EXPECT_THAT(writer_->Begin(), HasCode(StatusCode::kUnavailable));
  EXPECT_FALSE(writer_->alive());
  reader = nullptr;
  writer_ = nullptr;
  EXPECT_THAT(database_->Connect(Access::kWrite), HasCode(StatusCode::kUnavailable)) << "made anew, empty";
  EXPECT_FALSE(std::filesystem::exists(directory_.Path("t.db")));

  std::filesystem::rename(directory_.Path("elsewhere.db"), directory_.Path("t.db"));
  EXPECT_EQ(Count(*Connect(Access::kWrite)), 1);
}

TEST_F(SqliteTest, ACommitThatTheDiskRefusesIsUnknownAndTheConnectionDead) {
  ASSERT_OK(writer_->Begin());
  ASSERT_OK(writer_->Execute("INSERT INTO t (id, bytes) VALUES (1, ?)", {Blob{std::string(100'000, 'x')}}));
  signal(SIGXFSZ, SIG_IGN);
  rlimit old;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  const rlimit small{50'000, old.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status status = writer_->Commit();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);

  EXPECT_THAT(status, HasCode(StatusCode::kUnknown));
  EXPECT_FALSE(writer_->alive());
  EXPECT_THAT(writer_->Begin(), HasCode(StatusCode::kUnavailable));
  writer_ = Connect(Access::kWrite);
  EXPECT_EQ(Count(*writer_), 0);
  EXPECT_OK(writer_->Execute("INSERT INTO t (id) VALUES (1)"));
}

TEST_F(SqliteTest, ADiskThatIsFullBeforeCommitIsUnavailable) {
  ASSERT_OK(writer_->Query("PRAGMA max_page_count=8"));
  ASSERT_OK(writer_->Begin());
  EXPECT_THAT(writer_->Execute("INSERT INTO t (id, bytes) VALUES (1, ?)", {Blob{std::string(100'000, 'x')}}),
              HasCode(StatusCode::kUnavailable));
  EXPECT_FALSE(writer_->alive());
  writer_ = Connect(Access::kWrite);
  EXPECT_EQ(Count(*writer_), 0);
}

TEST_F(SqliteTest, AFileThatIsNoDatabaseIsUnavailable) {
  EXPECT_THAT(MakeSqliteDatabase("/dev/null/x.db", clock_)->Connect(Access::kWrite), HasCode(StatusCode::kUnavailable));
  EXPECT_THAT(MakeSqliteDatabase("/bin/ls", clock_)->Connect(Access::kRead), HasCode(StatusCode::kUnavailable));
}

TEST_F(SqliteTest, ConnectionsOfOneDatabaseInMemoryShareIt) {
  const auto memory = MakeSqliteDatabase("file:/sqlite_test?vfs=memdb", clock_);
  const auto writer = memory->Connect(Access::kWrite);
  ASSERT_OK(writer);
  ASSERT_OK((*writer)->Execute("CREATE TABLE t (id INTEGER PRIMARY KEY)"));
  const auto reader = memory->Connect(Access::kRead);
  ASSERT_OK(reader);
  EXPECT_EQ(Count(**reader), 0);
}

TEST_F(SqliteTest, ASessionConnectsAnewAfterItsConnectionDied) {
  Session session(*database_, Access::kWrite);
  absl::StatusOr<Connection*> first = session.Get();
  ASSERT_OK(first);
  ASSERT_OK((*first)->Query("PRAGMA max_page_count=8"));
  ASSERT_THAT((*first)->Execute("INSERT INTO t (bytes) VALUES (?)", {Blob{std::string(100'000, 'x')}}),
              HasCode(StatusCode::kUnavailable));
  const absl::StatusOr<Connection*> second = session.Get();
  ASSERT_OK(second);
  EXPECT_EQ(Count(**second), 0);
}

}  // namespace
}  // namespace sagamesh::sql
