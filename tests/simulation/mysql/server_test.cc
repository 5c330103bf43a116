#include "tests/simulation/mysql/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"

namespace sagamesh::simulation::mysql {
namespace {

using ::absl::StatusCode;
using ::sagamesh::testing::FakeClock;
using ::sagamesh::testing::HasCode;
using ::testing::ElementsAre;

// A session whose waits do what the test says of the next one: afterwards the lock must be there, or it has waited too
// long.
class Client : public Waiter {
 public:
  explicit Client(Server& server) : session_(server, *this) {}

  bool Wait(absl::FunctionRef<bool()> ended) override {
    waits_++;
    if (meanwhile_) std::exchange(meanwhile_, nullptr)();
    return ended();
  }
  void Wake() override {}

  Client& Meanwhile(std::function<void()> others) {
    meanwhile_ = std::move(others);
    return *this;
  }
  int waits() const { return waits_; }
  Session& session() { return session_; }

  void Begin() { EXPECT_OK(session_.Begin()); }
  void Commit() { EXPECT_OK(session_.Commit()); }
  void Rollback() { EXPECT_OK(session_.Rollback()); }
  absl::StatusOr<int64_t> Try(absl::string_view text) { return session_.Execute(text); }
  int64_t Execute(absl::string_view text) {
    const absl::StatusOr<int64_t> changed = session_.Execute(text);
    EXPECT_OK(changed) << text;
    return changed.value_or(-1);
  }
  // Rows as "1/one".
  std::vector<std::string> Query(absl::string_view text, absl::Span<const sql::Value> parameters = {}) {
    const absl::StatusOr<std::vector<sql::Row>> found = session_.Query(text, parameters);
    EXPECT_OK(found) << text;
    std::vector<std::string> rows;
    for (size_t i = 0; found.ok() && i < found->size(); i++) rows.push_back(Show((*found)[i]));
    return rows;
  }

 private:
  static std::string Show(const sql::Row& row) {
    return row.IsNull(0) ? "NULL" : row.Text(0).empty() ? absl::StrCat(row.Int(0)) : row.Text(0);
  }

  Session session_;
  std::function<void()> meanwhile_;
  int waits_ = 0;
};

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    looker_.Execute("CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, a BIGINT, b VARCHAR(10), KEY by_a (a, b))");
    looker_.Execute("INSERT INTO t VALUES (1, 10, 'x'), (2, 20, 'y'), (3, 30, NULL)");
  }

  // What is committed.
  std::vector<std::string> Committed(const std::string& what = "a") {
    return looker_.Query(absl::StrCat("SELECT ", what, " FROM t ORDER BY id"));
  }

  FakeClock clock_;
  Server server_{clock_};
  Client looker_{server_};
  Client one_{server_};
  Client two_{server_};
  Client three_{server_};
};

TEST_F(ServerTest, AStatementSeesWhatIsCommittedWhenItBeginsAndItsOwnWrites) {
  one_.Begin();
  two_.Begin();
  one_.Execute("UPDATE t SET a = 11 WHERE id = 1");
  EXPECT_THAT(one_.Query("SELECT a FROM t WHERE id = 1"), ElementsAre("11"));
  EXPECT_THAT(two_.Query("SELECT a FROM t WHERE id = 1"), ElementsAre("10"));
  EXPECT_THAT(two_.Query("SELECT id FROM t WHERE a = 11"), ElementsAre());
  EXPECT_THAT(two_.Query("SELECT id FROM t WHERE a = 10"), ElementsAre("1"));
  one_.Commit();
  EXPECT_THAT(two_.Query("SELECT a FROM t WHERE id = 1"), ElementsAre("11"));
  EXPECT_THAT(two_.Query("SELECT id FROM t WHERE a = 11"), ElementsAre("1"));
  EXPECT_THAT(two_.Query("SELECT id FROM t WHERE a = 10"), ElementsAre());
}

TEST_F(ServerTest, ARollbackLeavesNothing) {
  one_.Begin();
  one_.Execute("UPDATE t SET a = a + 1");
  one_.Execute("UPDATE t SET a = a + 1 WHERE id = 2");
  one_.Execute("DELETE FROM t WHERE id = 3");
  one_.Execute("INSERT INTO t VALUES (4, 40, 'z')");
  one_.Execute("INSERT INTO t VALUES (3, 31, 'w')");
  EXPECT_THAT(one_.Query("SELECT a FROM t ORDER BY a"), ElementsAre("11", "22", "31", "40"));
  one_.Rollback();
  EXPECT_THAT(Committed(), ElementsAre("10", "20", "30"));
  EXPECT_THAT(looker_.Query("SELECT id FROM t WHERE a IN (10, 20, 30, 11, 22, 31, 40) ORDER BY id"),
              ElementsAre("1", "2", "3"));
}

TEST_F(ServerTest, AStatementThatFailsLeavesNothingOfItselfAndTheRestStays) {
  one_.Begin();
  one_.Execute("UPDATE t SET a = 11 WHERE id = 1");
  EXPECT_THAT(one_.Try("INSERT INTO t VALUES (4, 40, 'z'), (1, 0, 'taken')"), HasCode(StatusCode::kAlreadyExists));
  // The key that it had made is free at once.
  EXPECT_OK(two_.Try("INSERT INTO t VALUES (4, 41, 'z')"));
  one_.Commit();
  EXPECT_THAT(Committed(), ElementsAre("11", "20", "30", "41"));
}

TEST_F(ServerTest, AWriterWaitsForTheRowsLockAndSeesWhatWasCommittedMeanwhile) {
  one_.Begin();
  one_.Execute("UPDATE t SET a = 11 WHERE id = 1");
  two_.Meanwhile([this] { one_.Commit(); }).Execute("UPDATE t SET a = a + 100 WHERE id = 1");
  EXPECT_EQ(two_.waits(), 1);
  EXPECT_THAT(Committed(), ElementsAre("111", "20", "30"));
}

TEST_F(ServerTest, AnotherRowIsNotWaitedFor) {
  one_.Begin();
  one_.Execute("UPDATE t SET a = 11 WHERE id = 1");
  two_.Execute("UPDATE t SET a = 21 WHERE id = 2");
  EXPECT_THAT(two_.Query("SELECT a FROM t WHERE id IN (2, 3) FOR UPDATE"), ElementsAre("21", "30"));
  EXPECT_EQ(two_.waits(), 0);
}

TEST_F(ServerTest, ARowThatNoLongerMatchesAfterTheWaitIsLeftOut) {
  one_.Begin();
  one_.Execute("UPDATE t SET a = 99 WHERE id = 2");
  two_.Begin();
  two_.Meanwhile([this] { one_.Commit(); });
  EXPECT_THAT(two_.Query("SELECT id FROM t WHERE a >= 20 AND a < 50 FOR UPDATE"), ElementsAre("3"));
  EXPECT_EQ(two_.waits(), 1);
}

TEST_F(ServerTest, ARowThatDoesNotMatchIsNotKeptLocked) {
  one_.Begin();
  EXPECT_THAT(one_.Query("SELECT id FROM t WHERE b = 'y' FOR UPDATE"), ElementsAre("2"));
  two_.Execute("UPDATE t SET a = 12 WHERE id = 1");
  EXPECT_EQ(two_.waits(), 0);
  EXPECT_THAT(two_.Try("UPDATE t SET a = 22 WHERE id = 2"), HasCode(StatusCode::kAborted));
}

TEST_F(ServerTest, AnUpdateThatScansPassesByLockedRowsThatAsCommittedAreNotItsOwn) {
  one_.Begin();
  one_.Execute("UPDATE t SET b = 'y' WHERE id = 1");
  EXPECT_EQ(two_.Execute("UPDATE t SET a = a + 1 WHERE b = 'y'"), 1);
  EXPECT_EQ(two_.waits(), 0);
  // A locking SELECT waits for them.
  two_.Meanwhile([this] { one_.Commit(); });
  EXPECT_THAT(two_.Query("SELECT id FROM t WHERE b = 'y' FOR UPDATE"), ElementsAre("1", "2"));
}

TEST_F(ServerTest, SharedLocksGoTogetherAndKeepWritersOut) {
  one_.Begin();
  two_.Begin();
  one_.Query("SELECT a FROM t WHERE id = 1 LOCK IN SHARE MODE");
  two_.Query("SELECT a FROM t WHERE id = 1 LOCK IN SHARE MODE");
  EXPECT_EQ(two_.waits(), 0);
  three_.Meanwhile([this] {
    one_.Commit();
    two_.Commit();
  });
  three_.Execute("UPDATE t SET a = 11 WHERE id = 1");
  EXPECT_EQ(three_.waits(), 1);
}

TEST_F(ServerTest, ALockIsGivenInTheOrderOfTheRequests) {
  std::vector<std::string> order;
  one_.Begin();
  one_.Query("SELECT a FROM t WHERE id = 1 LOCK IN SHARE MODE");
  two_.Begin();
  two_.Meanwhile([&] {
    // It could share the lock, but two_ was first.
    three_.Meanwhile([&] {
      one_.Commit();
      order.push_back("one");
    });
    EXPECT_THAT(three_.session().Query("SELECT a FROM t WHERE id = 1 LOCK IN SHARE MODE"),
                HasCode(StatusCode::kAborted));
  });
  two_.Execute("UPDATE t SET a = 11 WHERE id = 1");
  EXPECT_THAT(order, ElementsAre("one"));
}

TEST_F(ServerTest, AWaitThatTakesTooLongRollsTheTransactionBack) {
  one_.Begin();
  one_.Execute("UPDATE t SET a = 11 WHERE id = 1");
  two_.Begin();
  two_.Execute("UPDATE t SET a = 21 WHERE id = 2");
  EXPECT_THAT(two_.Try("UPDATE t SET a = 12 WHERE id = 1"), HasCode(StatusCode::kAborted));
  one_.Execute("UPDATE t SET a = 22 WHERE id = 2");
  EXPECT_EQ(one_.waits(), 0);
  one_.Commit();
  EXPECT_THAT(two_.session().Commit(), HasCode(StatusCode::kInternal));
  EXPECT_THAT(Committed(), ElementsAre("11", "22", "30"));
}

TEST_F(ServerTest, OfTwoThatWaitForEachOtherOneIsRolledBackAtOnce) {
  one_.Begin();
  two_.Begin();
  one_.Execute("UPDATE t SET a = 11 WHERE id = 1");
  two_.Execute("UPDATE t SET a = 22 WHERE id = 2");
  one_.Meanwhile([this] {
    EXPECT_THAT(two_.Try("UPDATE t SET a = 12 WHERE id = 1"), HasCode(StatusCode::kAborted));
    EXPECT_EQ(two_.waits(), 0);
  });
  one_.Execute("UPDATE t SET a = 21 WHERE id = 2");
  one_.Commit();
  EXPECT_THAT(Committed(), ElementsAre("11", "21", "30"));
}

TEST_F(ServerTest, OfThoseInACircleTheOneThatHasDoneLeastIsRolledBackAlsoWhileItWaits) {
  one_.Begin();
  two_.Begin();
  one_.Execute("UPDATE t SET a = 11 WHERE id = 1");
  two_.Execute("UPDATE t SET a = a + 1 WHERE id IN (2, 3)");
  one_.Meanwhile([this] { two_.Execute("UPDATE t SET a = 12 WHERE id = 1"); });
  EXPECT_THAT(one_.Try("UPDATE t SET a = 21 WHERE id = 2"), HasCode(StatusCode::kAborted));
  two_.Commit();
  EXPECT_THAT(Committed(), ElementsAre("12", "21", "31"));
}

TEST_F(ServerTest, ThreeInACircleAreFoundToo) {
  one_.Begin();
  two_.Begin();
  three_.Begin();
  one_.Execute("UPDATE t SET a = 11 WHERE id = 1");
  two_.Execute("UPDATE t SET a = 22 WHERE id = 2");
  three_.Execute("UPDATE t SET a = 33 WHERE id = 3");
  one_.Meanwhile([this] {
    two_.Meanwhile(
        [this] { EXPECT_THAT(three_.Try("UPDATE t SET a = 13 WHERE id = 1"), HasCode(StatusCode::kAborted)); });
    two_.Execute("UPDATE t SET a = 32 WHERE id = 3");
    two_.Commit();
  });
  one_.Execute("UPDATE t SET a = 21 WHERE id = 2");
  EXPECT_EQ(three_.waits(), 0);
}

TEST_F(ServerTest, AnInsertOfAKeyThatAnotherHasInsertedWaitsAndMeetsItsOutcome) {
  one_.Begin();
  one_.Execute("INSERT INTO t VALUES (4, 40, 'z')");
  two_.Meanwhile([this] { one_.Commit(); });
  EXPECT_THAT(two_.Try("INSERT INTO t VALUES (4, 41, 'z')"), HasCode(StatusCode::kAlreadyExists));
  one_.Begin();
  one_.Execute("INSERT INTO t VALUES (5, 50, 'z')");
  two_.Meanwhile([this] { one_.Rollback(); });
  EXPECT_OK(two_.Try("INSERT INTO t VALUES (5, 51, 'z')"));
  EXPECT_EQ(two_.waits(), 2);
  EXPECT_THAT(Committed(), ElementsAre("10", "20", "30", "40", "51"));
}

TEST_F(ServerTest, AnInsertOfAKeyThatAnotherHasDeletedWaitsAndMeetsItsOutcome) {
  one_.Begin();
  one_.Execute("DELETE FROM t WHERE id = 1");
  two_.Meanwhile([this] { one_.Rollback(); });
  EXPECT_THAT(two_.Try("INSERT INTO t VALUES (1, 11, 'z')"), HasCode(StatusCode::kAlreadyExists));
  one_.Begin();
  one_.Execute("DELETE FROM t WHERE id = 1");
  two_.Meanwhile([this] { one_.Commit(); });
  EXPECT_OK(two_.Try("INSERT INTO t VALUES (1, 11, 'z')"));
  EXPECT_EQ(two_.waits(), 2);
}

TEST_F(ServerTest, AnInsertThatUpdatesWaitsForTheOneBeforeItAndUpdatesWhatItLeft) {
  one_.Begin();
  one_.Execute("INSERT INTO t VALUES (4, 40, 'z') ON DUPLICATE KEY UPDATE a = VALUES(a)");
  two_.Meanwhile([this] { one_.Commit(); });
  EXPECT_EQ(two_.Execute("INSERT INTO t VALUES (4, 41, 'w') ON DUPLICATE KEY UPDATE a = a + VALUES(a)"), 2);
  EXPECT_THAT(Committed(), ElementsAre("10", "20", "30", "81"));
}

TEST_F(ServerTest, TwoThatShareALockAndBothWantItForThemselvesAreADeadlock) {
  one_.Begin();
  two_.Begin();
  one_.Query("SELECT a FROM t WHERE id = 1 LOCK IN SHARE MODE");
  two_.Query("SELECT a FROM t WHERE id = 1 LOCK IN SHARE MODE");
  one_.Meanwhile([this] {
    EXPECT_THAT(two_.Try("UPDATE t SET a = 12 WHERE id = 1"), HasCode(StatusCode::kAborted));
    EXPECT_EQ(two_.waits(), 0);
  });
  one_.Execute("UPDATE t SET a = 11 WHERE id = 1");
  one_.Commit();
  EXPECT_THAT(Committed(), ElementsAre("11", "20", "30"));
}

TEST_F(ServerTest, ALockOnARowThatIsNotThereIsNone) {
  one_.Begin();
  EXPECT_THAT(one_.Query("SELECT id FROM t WHERE id = 7 FOR UPDATE"), ElementsAre());
  EXPECT_OK(two_.Try("INSERT INTO t VALUES (7, 70, 'z')"));
  EXPECT_THAT(one_.Query("SELECT id FROM t WHERE id = 7 FOR UPDATE"), ElementsAre("7"));
}

TEST_F(ServerTest, AnAbortFromOutsideEndsTheWaitAndFreesTheLocks) {
  one_.Begin();
  one_.Execute("UPDATE t SET a = 11 WHERE id = 1");
  two_.Begin();
  two_.Execute("UPDATE t SET a = 22 WHERE id = 2");
  two_.Meanwhile([this] { two_.session().Abort(); });
  EXPECT_THAT(two_.Try("UPDATE t SET a = 12 WHERE id = 1"), HasCode(StatusCode::kAborted));
  one_.Execute("UPDATE t SET a = 21 WHERE id = 2");
  one_.Commit();
  EXPECT_THAT(Committed(), ElementsAre("11", "21", "30"));
}

TEST_F(ServerTest, AChangeOfTheSchemaCommitsWhatIsOpen) {
  one_.Begin();
  one_.Execute("UPDATE t SET a = 11 WHERE id = 1");
  one_.Execute("CREATE TABLE IF NOT EXISTS other (id BIGINT NOT NULL PRIMARY KEY)");
  EXPECT_THAT(Committed(), ElementsAre("11", "20", "30"));
  one_.Execute("UPDATE t SET a = 12 WHERE id = 1");
  EXPECT_THAT(Committed(), ElementsAre("12", "20", "30"));
  one_.Commit();
}

TEST_F(ServerTest, IndexesFindWhatTheWholeTableHas) {
  for (int id = 4; id < 60; id++) {
    looker_.Execute(
        absl::StrCat("INSERT INTO t VALUES (", id, ", ", id % 7, ", '", std::string(1, 'a' + id % 3), "')"));
  }
  looker_.Execute("CREATE TABLE bare (id BIGINT NOT NULL PRIMARY KEY, a BIGINT, b VARCHAR(10))");
  const auto rows = looker_.session().Query("SELECT id, a, b FROM t");
  ASSERT_OK(rows);
  for (const sql::Row& row : *rows) {
    const sql::Value b = row.IsNull(2) ? sql::Value() : sql::Value(row.Text(2));
    EXPECT_OK(looker_.session().Execute("INSERT INTO bare VALUES (?, ?, ?)", {row.Int(0), row.Int(1), b}));
  }
  for (const absl::string_view rest :
       {"WHERE a = 3 ORDER BY b, id", "WHERE a = 3 AND b >= 'b' ORDER BY id", "WHERE a IN (1, 5, 20, 5) ORDER BY id",
        "WHERE a > 4 AND a <= 20 ORDER BY a DESC, b DESC, id DESC LIMIT 7", "WHERE a < 2 ORDER BY a, id LIMIT 3",
        "WHERE (id = 3 AND b = 'x') OR (id = 2 AND b = 'y') OR id = 40 ORDER BY id", "WHERE b IS NULL",
        "WHERE (a, b) > (5, 'a') ORDER BY a, b, id", "WHERE NOT (a = 3 OR b = 'a') ORDER BY id",
        "WHERE id >= 50 AND (id > 50 OR a > 1) ORDER BY id DESC", "WHERE 5 < a ORDER BY a, b, id LIMIT 4",
        "WHERE a <> 3 AND b IS NOT NULL ORDER BY id LIMIT 0"}) {
    const auto with = looker_.Query(absl::StrCat("SELECT id FROM t ", rest));
    const auto without = looker_.Query(absl::StrCat("SELECT id FROM bare ", rest));
    EXPECT_EQ(with, without) << rest;
    EXPECT_EQ(with.empty(), absl::EndsWith(rest, "LIMIT 0")) << rest;
  }
}

TEST_F(ServerTest, SelectsWithinASelectAreUnderstood) {
  looker_.Execute("CREATE TABLE u (k BIGINT NOT NULL PRIMARY KEY, t_id BIGINT NOT NULL)");
  looker_.Execute("INSERT INTO u VALUES (20, 1), (30, 7)");
  EXPECT_THAT(looker_.Query("SELECT id FROM t WHERE a IN (SELECT k FROM u WHERE t_id = 1) ORDER BY id"),
              ElementsAre("2"));
  EXPECT_THAT(looker_.Query("SELECT id FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k = t.a)"), ElementsAre("1"));
  EXPECT_THAT(looker_.Query("SELECT id FROM t WHERE id NOT IN (SELECT t_id FROM u) ORDER BY id DESC"),
              ElementsAre("3", "2"));
  EXPECT_EQ(looker_.Execute("DELETE FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.t_id = t.id)"), 1);
}

TEST_F(ServerTest, SumsAreUnderstood) {
  EXPECT_THAT(looker_.Query("SELECT SUM(a) FROM t"), ElementsAre("60"));
  EXPECT_THAT(looker_.Query("SELECT MAX(a) FROM t WHERE id < 3"), ElementsAre("20"));
  EXPECT_THAT(looker_.Query("SELECT MIN(b) FROM t"), ElementsAre("x"));
  EXPECT_THAT(looker_.Query("SELECT COUNT(*) FROM t"), ElementsAre("3"));
  EXPECT_THAT(looker_.Query("SELECT COUNT(b) FROM t"), ElementsAre("2"));
  EXPECT_THAT(looker_.Query("SELECT MAX(a) FROM t WHERE id > 3"), ElementsAre("NULL"));
  EXPECT_THAT(looker_.Query("SELECT COUNT(*) FROM t WHERE id > 3"), ElementsAre("0"));
}

TEST_F(ServerTest, OneOfTwoIsChosenWhereAConditionHolds) {
  EXPECT_THAT(Committed("CASE WHEN a > 10 THEN a ELSE b END"), ElementsAre("x", "20", "30"));
  EXPECT_THAT(Committed("CASE WHEN a = 10 THEN a END"), ElementsAre("10", "NULL", "NULL"));
  EXPECT_EQ(looker_.Execute("INSERT INTO t VALUES (1, 11, 'x'), (2, 30, 'w'), (4, 40, 'z') ON DUPLICATE KEY UPDATE "
                            "b = CASE WHEN a = VALUES(a) - 1 THEN VALUES(b) ELSE b END, "
                            "a = CASE WHEN a = VALUES(a) - 1 THEN VALUES(a) ELSE a END"),
            2 + 1 + 1);
  EXPECT_THAT(Committed(), ElementsAre("11", "20", "30", "40"));
  EXPECT_THAT(Committed("b"), ElementsAre("x", "y", "NULL", "z"));
}

TEST_F(ServerTest, AColumnThatIsGeneratedFollowsTheOthersAndIsFoundByItsIndex) {
  looker_.Execute(
      "ALTER TABLE t ADD COLUMN much BIGINT GENERATED ALWAYS AS (CASE WHEN a > 10 THEN a END) STORED, "
      "ADD KEY by_much (much), DROP KEY by_a");
  EXPECT_THAT(Committed("much"), ElementsAre("NULL", "20", "30"));
  looker_.Execute("UPDATE t SET a = 5 WHERE id = 2");
  looker_.Execute("INSERT INTO t (id, a) VALUES (4, 40)");
  looker_.Execute("INSERT INTO t (id, a) VALUES (1, 11) ON DUPLICATE KEY UPDATE a = VALUES(a)");
  EXPECT_THAT(Committed("much"), ElementsAre("11", "NULL", "30", "40"));
  EXPECT_THAT(looker_.Query("SELECT id FROM t WHERE much = 40"), ElementsAre("4"));
  EXPECT_THAT(looker_.Query("SELECT id FROM t WHERE much = 20"), ElementsAre());
}

TEST_F(ServerTest, AnIndexThatIsDroppedIsNotThere) {
  EXPECT_THAT(looker_.Query("SELECT id FROM t FORCE INDEX (by_a) WHERE a = 20"), ElementsAre("2"));
  looker_.Execute("ALTER TABLE t DROP KEY by_a");
  EXPECT_THAT(looker_.session().Query("SELECT id FROM t FORCE INDEX (by_a) WHERE a = 20"),
              HasCode(StatusCode::kInternal));
  EXPECT_THAT(looker_.Query("SELECT id FROM t WHERE a = 20"), ElementsAre("2"));
  EXPECT_THAT(looker_.Try("ALTER TABLE t DROP KEY by_a"), HasCode(StatusCode::kInternal));
}

TEST_F(ServerTest, BytesAreKeysLikeAnyOther) {
  looker_.Execute("CREATE TABLE bytes (k VARBINARY(10) NOT NULL, v BIGINT, PRIMARY KEY (k))");
  for (const std::string& key : {std::string("a\0b", 3), std::string("a"), std::string(), std::string("a\0", 2),
                                 std::string("\xff"), std::string("ab"), std::string("a\x01")}) {
    EXPECT_OK(looker_.session().Execute("INSERT INTO bytes VALUES (?, ?)", {sql::Blob{key}, int64_t{1}}));
  }
  EXPECT_THAT(looker_.Query("SELECT k FROM bytes WHERE k > '' ORDER BY k"),
              ElementsAre("a", std::string("a\0", 2), std::string("a\0b", 3), "a\x01", "ab", "\xff"));
  EXPECT_THAT(looker_.Query("SELECT k FROM bytes WHERE k = x'6100'"), ElementsAre(std::string("a\0", 2)));
}

TEST_F(ServerTest, TheClockIsTheDatabases) {
  EXPECT_THAT(looker_.Query(absl::StrCat("SELECT ", sql::NowMs(sql::Dialect::kMysql), " + ?"), {int64_t{5}}),
              ElementsAre(absl::StrCat(absl::ToUnixMillis(clock_.Now()) + 5)));
}

TEST_F(ServerTest, AUniqueKeyOfSeveralRowsIsRefused) {
  looker_.Execute("CREATE TABLE v (id BIGINT NOT NULL PRIMARY KEY, k BIGINT, UNIQUE KEY v_k (k))");
  one_.Begin();
  one_.Execute("INSERT INTO v VALUES (1, 7)");
  two_.Meanwhile([this] { one_.Commit(); });
  EXPECT_THAT(two_.Try("INSERT INTO v VALUES (2, 7)"), HasCode(StatusCode::kAlreadyExists));
  EXPECT_EQ(two_.waits(), 1);
  two_.Execute("INSERT INTO v VALUES (3, NULL), (4, NULL)");
  EXPECT_EQ(two_.Execute("INSERT IGNORE INTO v VALUES (5, 7), (6, 8)"), 1);
}

TEST_F(ServerTest, WhatAColumnDoesNotTakeIsRefusedAndNeverCut) {
  looker_.Execute(
      "CREATE TABLE w (id INTEGER NOT NULL PRIMARY KEY, n BIGINT NOT NULL DEFAULT 5 CHECK (n >= 0), "
      "s VARCHAR(2))");
  EXPECT_THAT(looker_.Try("INSERT INTO w (id, n) VALUES (1, -1)"), HasCode(StatusCode::kInternal));
  EXPECT_THAT(looker_.Try("INSERT INTO w (id, n) VALUES (1, NULL)"), HasCode(StatusCode::kInternal));
  EXPECT_THAT(looker_.Try("INSERT INTO w (id, s) VALUES (1, 'abc')"), HasCode(StatusCode::kInternal));
  EXPECT_THAT(looker_.Try("INSERT INTO w (id) VALUES ('one')"), HasCode(StatusCode::kInternal));
  EXPECT_THAT(looker_.Try("INSERT INTO w (id) VALUES (3000000000)"), HasCode(StatusCode::kInternal));
  EXPECT_THAT(looker_.Try("INSERT INTO w (s) VALUES ('a')"), HasCode(StatusCode::kInternal));
  EXPECT_OK(looker_.Try("INSERT INTO w (id, s) VALUES (1, 'ñ😀')"));
  EXPECT_THAT(looker_.Try("UPDATE w SET n = n - 6"), HasCode(StatusCode::kInternal));
  EXPECT_THAT(looker_.Query("SELECT n FROM w"), ElementsAre("5"));
}

TEST_F(ServerTest, SqlThatIsNotKnownIsInternal) {
  for (const absl::string_view text :
       {"no SQL", "SELECT", "SELECT a FROM", "SELECT a FROM nowhere", "SELECT c FROM t", "SELECT a FROM t HAVING a = 1",
        "SELECT a FROM t GROUP BY a", "SELECT a FROM t JOIN t2", "SELECT a, COUNT(*) FROM t", "SELECT a FROM t WHERE",
        "SELECT a FROM t WHERE a LIKE 'x'", "SELECT a FROM t WHERE a = 'x'", "SELECT a FROM t FOR UPDATE SKIP LOCKED",
        "SELECT UPPER(b) FROM t", "SELECT a / 2 FROM t", "SELECT a FROM t WHERE a = ?", "SELECT a FROM t; SELECT 1",
        "SELECT CAST(a AS CHAR) FROM t", "SELECT a FROM t WHERE b = 'it\\'s'"}) {
    EXPECT_THAT(looker_.session().Query(text), HasCode(StatusCode::kInternal)) << text;
  }
  for (const absl::string_view text : {"REPLACE INTO t VALUES (1, 2, 'x')", "INSERT INTO t VALUES (1)", "DROP TABLE t",
                                       "UPDATE t SET id = 9 WHERE id = 1", "INSERT INTO t (id, c) VALUES (9, 1)",
                                       "CREATE TABLE t (id BIGINT)", "CREATE TABLE s (id FLOAT)", "SELECT 1"}) {
    EXPECT_THAT(looker_.Try(text), HasCode(StatusCode::kInternal)) << text;
  }
  EXPECT_THAT(Committed(), ElementsAre("10", "20", "30"));
}

}  // namespace
}  // namespace sagamesh::simulation::mysql
