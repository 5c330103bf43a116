// Heartbeats: how a lease is kept.

#include <string>
#include <vector>

#include "coordinator/journal/journal_fixture_test.h"
#include "tests/simulation/mysql/threaded_database.h"

namespace sagamesh::journal {
namespace {

using ::sagamesh::simulation::mysql::SimulatedEngine;
using ::sagamesh::testing::EngineName;
using ::sagamesh::testing::IsError;
using ::sagamesh::testing::ServerEngines;
using ::sagamesh::testing::SqliteEngine;

class JournalLeaseTest : public testing::JournalTest {
 protected:
  void Expire() { process_->Execute("UPDATE leases SET expires_ms = 0"); }
  bool Renewed() {
    auto connection = process_->database().Connect(sql::Access::kRead);
    EXPECT_OK(connection);
    auto rows = (*connection)->Query("SELECT MAX(expires_ms) FROM leases");
    EXPECT_OK(rows);
    return (*rows)[0].Int(0) > 0;
  }
  int transactions() const { return process_->database().commits() + process_->database().rollbacks(); }
};

TEST_P(JournalLeaseTest, WhereADatabaseIsSharedAHeartbeatRenewsTheLeaseWithoutATransaction) {
  Share();
  Expire();
  const int before = transactions();
  ASSERT_OK(process_->Heartbeat());
  EXPECT_TRUE(Renewed());
  EXPECT_EQ(transactions(), before);
}

TEST_P(JournalLeaseTest, AClosedLeaseIsNeverRenewedAndTheHeartbeatGoesOnUnderANewOne) {
  Share();
  const SagaRecord saga = MustStart("key");
  process_->Execute("UPDATE leases SET closed = 1, expires_ms = 0");
  ASSERT_OK(process_->Heartbeat());
  EXPECT_EQ(*process_->Sweep(), 1);
  const std::vector<SagaRecord> due = process_->LoadDue();
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due[0].epoch, 2u);
  EXPECT_NE(due[0].owner, saga.owner);
  process_->Execute("DELETE FROM leases WHERE incarnation = '" + due[0].owner + "'");
  EXPECT_FALSE(Renewed());
}

TEST_P(JournalLeaseTest, ADatabaseThatIsAwayFailsTheHeartbeatAndTheNextOneRenews) {
  Share();
  Expire();
  process_->database().SetAway(true);
  EXPECT_THAT(process_->Heartbeat(), IsError(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE"));
  process_->database().SetAway(false);
  ASSERT_OK(process_->Heartbeat());
  EXPECT_TRUE(Renewed());
}

TEST_P(JournalLeaseTest, ALeaseThatWasGivenUpIsNotTakenAgain) {
  Share();
  ASSERT_OK(process_->ReleaseLease());
  EXPECT_THAT(process_->Heartbeat(), IsError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN"));
}

TEST_P(JournalLeaseTest, AProcessUnderTheNameOfADeadOneTakesItsSagasOverAtOnce) {
  Share();
  Replace("a");
  ASSERT_OK(process_->journal().Open());
  const SagaRecord saga = MustStart("key");
  for (const std::string other : {"b", ""}) {
    Replace(other);
    ASSERT_OK(process_->journal().Open());
    EXPECT_EQ(*process_->Sweep(), 0) << other;
  }
  Replace("a");
  ASSERT_OK(process_->journal().Open());
  EXPECT_EQ(*process_->Sweep(), 1);
  const std::vector<SagaRecord> due = process_->LoadDue();
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due[0].saga_id, saga.saga_id);
  EXPECT_EQ(due[0].epoch, 2u);
}

TEST_P(JournalLeaseTest, ALeaseThatReplacesAClosedOneHasTheReplicasNameToo) {
  Share();
  Replace("a");
  ASSERT_OK(process_->journal().Open());
  process_->Execute("UPDATE leases SET closed = 1");
  MustStart("key");
  Replace("a");
  ASSERT_OK(process_->journal().Open());
  EXPECT_EQ(*process_->Sweep(), 1);
}

// On SQLite alone: a server is never one process's own.
class JournalOwnFileTest : public JournalLeaseTest {};

TEST_P(JournalOwnFileTest, WhereOneProcessHasTheDatabaseToItselfAHeartbeatWritesNothing) {
  Expire();
  const int connects = process_->database().connects();
  ASSERT_OK(process_->Heartbeat());
  EXPECT_EQ(process_->database().connects(), connects);
  EXPECT_FALSE(Renewed());
}

INSTANTIATE_TEST_SUITE_P(Engines, JournalLeaseTest, ::testing::Values(SqliteEngine(), SimulatedEngine()), EngineName);
INSTANTIATE_TEST_SUITE_P(Servers, JournalLeaseTest, ::testing::ValuesIn(ServerEngines()), EngineName);
INSTANTIATE_TEST_SUITE_P(Engines, JournalOwnFileTest, ::testing::Values(SqliteEngine()), EngineName);

}  // namespace
}  // namespace sagamesh::journal
