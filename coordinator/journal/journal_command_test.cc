// Operators' commands. What a command makes of a record is coordinator/engine/command_test.cc's.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "coordinator/engine/history.h"
#include "coordinator/journal/journal_fixture_test.h"
#include "tests/simulation/mysql/threaded_database.h"

namespace sagamesh::journal {
namespace {

using ::sagamesh::simulation::mysql::SimulatedEngine;
using ::sagamesh::testing::EngineName;
using ::sagamesh::testing::ServerEngines;
using ::sagamesh::testing::SqliteEngine;

constexpr engine::Command::Kind kRetry = engine::Command::Kind::kRetry;
constexpr engine::Command::Kind kCompensate = engine::Command::Kind::kCompensate;

class JournalCommandTest : public testing::JournalTest {
 protected:
  SagaRecord MustPark(const std::string& key) {
    SagaRecord saga = MustStart(key);
    engine::Park(saga, "EPOCH_AHEAD", clock_.Now());
    return process_->MustWrite(saga);
  }
};

TEST_P(JournalCommandTest, AParkedSagaThatIsRetriedIsOursAndDueAtOnceUnderAHigherEpoch) {
  const SagaRecord parked = MustPark("key");
  const Commanded commanded = process_->Command(parked.saga_id, kRetry);
  ASSERT_EQ(commanded.outcome, engine::CommandOutcome::kDone);
  EXPECT_EQ(commanded.saga->version, parked.version + 1);
  const std::vector<SagaRecord> due = process_->LoadDue();
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due[0].phase, Phase::kRunning);
  EXPECT_EQ(due[0].epoch, 2u);
  ASSERT_EQ(due[0].history.size(), 2u);
  EXPECT_EQ(due[0].history[1].reason, "because");
  EXPECT_EQ(process_->Start(NewSaga("key"))->outcome, ClaimOutcome::kAttached) << "the key was freed";
}

TEST_P(JournalCommandTest, WhatIsStillDoneForASagaInMemoryIsFencedByACommand) {
  SagaRecord running = MustStart("key");
  EXPECT_EQ(process_->Command(running.saga_id, kCompensate).outcome, engine::CommandOutcome::kDone);
  running.phase = Phase::kSucceeded;
  EXPECT_EQ(*process_->Write(running).first, WriteOutcome::kFenced);
  const std::vector<SagaRecord> due = process_->LoadDue();
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due[0].phase, Phase::kCompensating);
}

TEST_P(JournalCommandTest, ASagaOfAnotherReplicaIsTakenFromIt) {
  const SagaRecord parked = MustPark("parked");
  const SagaRecord running = MustStart("running");
  process_->Execute("UPDATE sagas SET owner = 'another'");
  process_->Execute("UPDATE sagas SET open_owner = 'another' WHERE open_owner IS NOT NULL");
  EXPECT_EQ(process_->Command(parked.saga_id, kRetry).saga->owner, process_->journal().incarnation());
  EXPECT_EQ(process_->Command(running.saga_id, kCompensate).saga->owner, process_->journal().incarnation());
  EXPECT_EQ(process_->LoadDue().size(), 2u);
}

TEST_P(JournalCommandTest, ACompensationThatWaitsInItsRowIsDueAtOnce) {
  SagaRecord saga = MustStart("key");
  saga.phase = Phase::kCompensating;
  saga.error = "cause";
  process_->MustWrite(saga, clock_.Now() + absl::Hours(1));
  EXPECT_TRUE(process_->LoadDue().empty());
  EXPECT_EQ(process_->Command(saga.saga_id, kRetry).outcome, engine::CommandOutcome::kDone);
  EXPECT_EQ(process_->LoadDue().size(), 1u);
}

TEST_P(JournalCommandTest, ACommandWhoseCommitWasUnknownIsDoneOnce) {
  for (const bool happens : {true, false}) {
    const SagaRecord parked = MustPark(absl::StrCat("key", happens));
    const size_t published = process_->published().size();
    process_->database().ScriptCommit(absl::UnknownError("lost"), happens);
    const Commanded commanded = process_->Command(parked.saga_id, kRetry);
    EXPECT_EQ(commanded.outcome, engine::CommandOutcome::kDone);
    EXPECT_EQ(commanded.saga->epoch, 2u);
    EXPECT_EQ(commanded.saga->version, parked.version + 1);
    EXPECT_EQ(commanded.saga->history.size(), 2u);
    EXPECT_EQ(process_->published().size(), published + 1);
  }
  EXPECT_EQ(process_->LoadDue().size(), 2u);
}

TEST_P(JournalCommandTest, WhatIsRefusedOrUnchangedWritesNothing) {
  const SagaRecord running = MustStart("running");
  const SagaRecord ended = End(MustStart("ended"), Phase::kSucceeded);
  SagaRecord compensating = MustStart("compensating");
  compensating.phase = Phase::kCompensating;
  compensating = process_->MustWrite(compensating);
  const size_t published = process_->published().size();
  EXPECT_EQ(process_->Command(running.saga_id, kRetry).outcome, engine::CommandOutcome::kNotParked);
  EXPECT_EQ(process_->Command(ended.saga_id, kCompensate).outcome, engine::CommandOutcome::kFinal);
  const Commanded unchanged = process_->Command(compensating.saga_id, kCompensate);
  EXPECT_EQ(unchanged.outcome, engine::CommandOutcome::kUnchanged);
  EXPECT_EQ(unchanged.saga->version, compensating.version);
  const Commanded unknown = process_->Command("nobody", kRetry);
  EXPECT_EQ(unknown.outcome, engine::CommandOutcome::kNotFound);
  EXPECT_FALSE(unknown.saga.has_value());
  EXPECT_EQ(process_->published().size(), published);
  EXPECT_EQ(process_->Get(compensating.saga_id).version, compensating.version);
}

TEST_P(JournalCommandTest, ARecordThatCannotBeReadIsNotOverwritten) {
  const SagaRecord parked = MustPark("key");
  process_->Execute("UPDATE sagas SET record = x'ffff'");
  EXPECT_EQ(process_->Command(parked.saga_id, kRetry).outcome, engine::CommandOutcome::kUnreadable);
  EXPECT_EQ(process_->Command(parked.saga_id, kCompensate).outcome, engine::CommandOutcome::kUnreadable);
  const SagaRecord left = process_->Get(parked.saga_id);
  EXPECT_EQ(left.park_reason.rfind("RECORD_UNREADABLE", 0), 0u);
  EXPECT_EQ(left.version, parked.version);
  EXPECT_TRUE(process_->LoadDue().empty());
}

TEST_P(JournalCommandTest, TheHighestEpochIsStoredAndTakenOverAsAnyOther) {
  SagaRecord saga = MustStart("key");
  saga.epoch_met = engine::kCommandEpochMax - 1;
  engine::Park(saga, "EPOCH_AHEAD", clock_.Now());
  process_->MustWrite(saga);
  EXPECT_EQ(process_->Command(saga.saga_id, kRetry).saga->epoch, engine::kCommandEpochMax);
  Restart();
  EXPECT_EQ(process_->Get(saga.saga_id).epoch, engine::kCommandEpochMax + 1);
  ASSERT_EQ(process_->LoadDue().size(), 1u);
}

TEST_P(JournalCommandTest, ASagaThatNobodyGotOnWithHasAsManyOwnersAheadAsANewOne) {
  const SagaRecord saga = MustStart("key");
  const auto die_with_it = [this] {
    Restart();
    process_->LoadDue();
  };
  while (process_->Get(saga.saga_id).phase != Phase::kParked) die_with_it();
  const SagaRecord parked = process_->Get(saga.saga_id);
  ASSERT_EQ(parked.history.size(), 1u);
  EXPECT_EQ(parked.history[0].event, engine::HistoryEvent::kParked);
  EXPECT_EQ(parked.history[0].reason, parked.park_reason);
  EXPECT_EQ(process_->Command(saga.saga_id, kRetry).outcome, engine::CommandOutcome::kDone);
  ASSERT_EQ(process_->LoadDue().size(), 1u);
  die_with_it();
  die_with_it();
  EXPECT_EQ(process_->Get(saga.saga_id).phase, Phase::kRunning);
}

INSTANTIATE_TEST_SUITE_P(Engines, JournalCommandTest, ::testing::Values(SqliteEngine(), SimulatedEngine()), EngineName);
INSTANTIATE_TEST_SUITE_P(Servers, JournalCommandTest, ::testing::ValuesIn(ServerEngines()), EngineName);

}  // namespace
}  // namespace sagamesh::journal
