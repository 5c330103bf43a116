// Leases, and the sagas that the next owner takes up.

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "coordinator/journal/journal_fixture_test.h"
#include "tests/simulation/mysql/threaded_database.h"

namespace sagamesh::journal {
namespace {

using ::sagamesh::simulation::mysql::SimulatedEngine;
using ::sagamesh::testing::EngineName;
using ::sagamesh::testing::IsError;
using ::sagamesh::testing::ServerEngines;
using ::sagamesh::testing::SqliteEngine;

using JournalTakeoverTest = testing::JournalTest;

TEST_P(JournalTakeoverTest, BeforeItIsOpenTheJournalIsUnavailable) {
  Replace();
  EXPECT_THAT(process_->Start(NewSaga("key")), IsError(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE"));
  EXPECT_THAT(process_->Heartbeat(), IsError(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE"));
  process_->database().SetAway(true);
  EXPECT_EQ(process_->journal().Open().code(), absl::StatusCode::kUnavailable);
  process_->database().SetAway(false);
  EXPECT_OK(process_->journal().Open());
  MustStart("key");
}

TEST_P(JournalTakeoverTest, AWriteOfAnEarlierOwnerIsFenced) {
  SagaRecord saga = MustStart("key");
  Restart();
  saga.phase = Phase::kSucceeded;
  EXPECT_EQ(*process_->Write(saga).first, WriteOutcome::kFenced);
}

TEST_P(JournalTakeoverTest, ARestartTakesUnfinishedSagasInPagesWithAHigherEpoch) {
  std::vector<SagaRecord> wanted;
  for (int i = 0; i < 600; i++) wanted.push_back(NewSaga(absl::StrCat("key", i)));
  const std::vector<Claimed> started = MustClaim(std::move(wanted));
  const SagaRecord ended = End(started[0].saga, Phase::kSucceeded);
  const std::string old_owner = started[1].saga.owner;
  Restart();
  std::set<std::string> ids;
  while (true) {
    const std::vector<SagaRecord> page = process_->LoadDue(256);
    for (const SagaRecord& saga : page) {
      ids.insert(saga.saga_id);
      EXPECT_EQ(saga.epoch, 2u);
      EXPECT_NE(saga.owner, old_owner);
    }
    if (page.size() < 256) break;
  }
  EXPECT_EQ(ids.size(), 599u);
  EXPECT_FALSE(ids.contains(ended.saga_id));
  EXPECT_TRUE(process_->LoadDue().empty());
}

TEST_P(JournalTakeoverTest, AParkedSagaHoldsItsKeyAndIsNotTakenUp) {
  SagaRecord saga = MustStart("key");
  saga.phase = Phase::kParked;
  saga.park_reason = "COMPENSATION_REFUSED: no";
  process_->MustWrite(saga);
  EXPECT_EQ(process_->Start(NewSaga("key"))->outcome, ClaimOutcome::kAttached);
  Restart();
  EXPECT_TRUE(process_->LoadDue().empty());
  EXPECT_EQ(process_->Get(saga.saga_id).phase, Phase::kParked);
}

TEST_P(JournalTakeoverTest, ADeferredSagaIsLoadedWhenItIsDueAndNotBefore) {
  SagaRecord saga = MustStart("key");
  saga.phase = Phase::kCompensating;
  saga.compensation_attempts = 3;
  process_->MustWrite(saga, clock_.Now() + absl::Minutes(1));
  EXPECT_TRUE(process_->LoadDue().empty());
  clock_.Advance(absl::Minutes(2));
  const std::vector<SagaRecord> due = process_->LoadDue();
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due[0].version, 3u);
  EXPECT_EQ(due[0].compensation_attempts, 3u);
  EXPECT_EQ(due[0].epoch, 1u);
}

TEST_P(JournalTakeoverTest, ASagaThatNobodyMakesProgressWithIsParked) {
  const SagaRecord saga = MustStart("key");
  for (int i = 0; i < 3; i++) {
    Restart();
    EXPECT_EQ(process_->Get(saga.saga_id).phase, Phase::kRunning);
    EXPECT_EQ(process_->LoadDue().size(), 1u);
  }
  Restart();
  const SagaRecord parked = process_->Get(saga.saga_id);
  EXPECT_EQ(parked.phase, Phase::kParked);
  EXPECT_EQ(parked.park_reason.rfind("TAKEN_OVER_WITHOUT_PROGRESS", 0), 0u);
  EXPECT_TRUE(process_->LoadDue().empty());
}

TEST_P(JournalTakeoverTest, ProgressStartsTheCountOfTakeoversAgain) {
  const SagaRecord saga = MustStart("key");
  for (int i = 0; i < 6; i++) {
    Restart();
    std::vector<SagaRecord> due = process_->LoadDue();
    ASSERT_EQ(due.size(), 1u);
    due[0].phase = Phase::kCompensating;
    due[0].compensation_attempts = static_cast<uint32_t>(i);
    process_->MustWrite(due[0]);
  }
  EXPECT_EQ(process_->Get(saga.saga_id).epoch, 7u);
}

TEST_P(JournalTakeoverTest, ARowThatCannotBeReadIsParkedAndStopsNoStart) {
  const SagaRecord bad = MustStart("bad");
  const SagaRecord good = MustStart("good");
  process_->Execute(absl::StrCat("UPDATE sagas SET record = x'ffff' WHERE saga_id = '", bad.saga_id, "'"));
  Restart();
  const std::vector<SagaRecord> due = process_->LoadDue();
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due[0].saga_id, good.saga_id);
  const SagaRecord read = process_->Get(bad.saga_id);
  EXPECT_EQ(read.phase, Phase::kParked);
  EXPECT_EQ(read.definition, "process_order");
  EXPECT_EQ(read.park_reason.rfind("RECORD_UNREADABLE", 0), 0u);
  EXPECT_EQ(process_->List({.phase = Phase::kParked}).size(), 1u);
}

TEST_P(JournalTakeoverTest, AProcessWhoseLeaseWasClosedGoesOnAsANewIncarnation) {
  SagaRecord saga = MustStart("key");
  process_->Execute("UPDATE leases SET closed = 1");
  const SagaRecord other = MustStart("other");
  EXPECT_NE(other.owner, saga.owner);
  saga.phase = Phase::kSucceeded;
  EXPECT_EQ(*process_->Write(saga).first, WriteOutcome::kFenced);
  // What the old incarnation had is swept up by the next sweep.
  EXPECT_EQ(*process_->Sweep(), 1);
  const std::vector<SagaRecord> due = process_->LoadDue();
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due[0].saga_id, saga.saga_id);
  EXPECT_EQ(due[0].epoch, 2u);
}

TEST_P(JournalTakeoverTest, AfterItGaveItsLeaseUpAProcessWritesNothing) {
  SagaRecord saga = MustStart("key");
  ASSERT_OK(process_->ReleaseLease());
  EXPECT_THAT(process_->Start(NewSaga("other")), IsError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN"));
  saga.phase = Phase::kSucceeded;
  EXPECT_FALSE(process_->Write(saga).first.ok());
  EXPECT_OK(process_->ReleaseLease());
  EXPECT_EQ(process_->Get(saga.saga_id).phase, Phase::kRunning);
}

INSTANTIATE_TEST_SUITE_P(Engines, JournalTakeoverTest, ::testing::Values(SqliteEngine(), SimulatedEngine()),
                         EngineName);
INSTANTIATE_TEST_SUITE_P(Servers, JournalTakeoverTest, ::testing::ValuesIn(ServerEngines()), EngineName);

}  // namespace
}  // namespace sagamesh::journal
