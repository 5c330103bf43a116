// COMMITs whose outcome the journal was not told.

#include <chrono>
#include <future>
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

class JournalUnknownCommitTest : public testing::JournalTest {
 protected:
  // The answer to a call that goes on looking for its outcome.
  template <typename Answer>
  Answer AwaitAsTimePasses(std::future<Answer> answer) {
    while (answer.wait_for(std::chrono::milliseconds(20)) != std::future_status::ready) {
      clock_.Advance(absl::Seconds(1));
    }
    return answer.get();
  }
};

TEST_P(JournalUnknownCommitTest, AStartWhoseCommitWasUnknownButMadeHasStartedOnce) {
  process_->database().ScriptCommit(absl::UnknownError("lost"), /*happens=*/true);
  const SagaRecord saga = MustStart("key");
  EXPECT_EQ(saga.version, 1u);
  EXPECT_EQ(process_->List({}).size(), 1u);
  EXPECT_EQ(process_->published().size(), 1u);
}

TEST_P(JournalUnknownCommitTest, AStartWhoseCommitWasUnknownAndLostHasStartedOnce) {
  process_->database().ScriptCommit(absl::UnknownError("lost"), /*happens=*/false);
  MustStart("key");
  EXPECT_EQ(process_->List({}).size(), 1u);
}

TEST_P(JournalUnknownCommitTest, AWriteWhoseCommitWasUnknownIsWrittenOnce) {
  SagaRecord saga = MustStart("key");
  process_->database().ScriptCommit(absl::UnknownError("lost"), /*happens=*/true);
  saga = End(saga, Phase::kSucceeded);
  EXPECT_EQ(saga.version, 2u);
  EXPECT_EQ(process_->Start(NewSaga("key"))->outcome, ClaimOutcome::kReplayed);
}

TEST_P(JournalUnknownCommitTest, ALoadWhoseCommitWasUnknownStillReturnsItsSagas) {
  MustStart("key");
  Restart();
  process_->database().ScriptCommit(absl::UnknownError("lost"), /*happens=*/true);
  EXPECT_EQ(process_->LoadDue().size(), 1u);
  EXPECT_TRUE(process_->LoadDue().empty());
}

// Where a process has the database to itself: elsewhere Open takes nothing over.
class JournalUnknownOpenTest : public JournalUnknownCommitTest {};

TEST_P(JournalUnknownOpenTest, AnOpenThatIsRunAgainTakesOverOnce) {
  const SagaRecord saga = MustStart("key");
  Replace();
  process_->database().ScriptCommit(absl::UnknownError("lost"), /*happens=*/true);
  EXPECT_EQ(process_->journal().Open().code(), absl::StatusCode::kUnavailable);
  EXPECT_OK(process_->journal().Open());
  EXPECT_EQ(process_->Get(saga.saga_id).epoch, 2u);
}

TEST_P(JournalUnknownCommitTest, ALoadThatFailedWithoutEffectAndIsRepeatedGivesItsSagasOutOnce) {
  MustStart("key");
  Restart();
  process_->database().ScriptCommit(absl::UnknownError("lost"), /*happens=*/false, /*then_away=*/true);
  EXPECT_THAT(AwaitAsTimePasses(process_->LoadDueAsync(10)),
              IsError(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE"));
  process_->database().SetAway(false);
  EXPECT_EQ(process_->LoadDue().size(), 1u);
  ASSERT_OK(process_->Sweep());
  EXPECT_TRUE(process_->LoadDue().empty());
}

TEST_P(JournalUnknownCommitTest, ASagaWhoseStarterWasToldUnavailableThoughItWasCommittedIsMadeDue) {
  process_->database().ScriptCommit(absl::UnknownError("lost"), /*happens=*/true, /*then_away=*/true);
  const SagaRecord saga = NewSaga("key");
  EXPECT_THAT(AwaitAsTimePasses(process_->StartAsync(saga)),
              IsError(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE"));
  process_->database().SetAway(false);
  EXPECT_TRUE(process_->LoadDue().empty());
  ASSERT_OK(process_->Sweep());
  const std::vector<SagaRecord> due = process_->LoadDue();
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due[0].saga_id, saga.saga_id);
  ASSERT_OK(process_->Sweep());
  EXPECT_TRUE(process_->LoadDue().empty());
}

TEST_P(JournalUnknownCommitTest, AWriteThatWasMadeButNotToldIsPublishedBeforeWhatComesAfterIt) {
  const SagaRecord saga = MustStart("key");
  process_->database().ScriptCommit(absl::UnknownError("lost"), /*happens=*/true, /*then_away=*/true);
  SagaRecord end = saga;
  end.phase = Phase::kSucceeded;
  const auto told = AwaitAsTimePasses(std::async(std::launch::async, [&] { return process_->Write(end); }));
  EXPECT_EQ(told.first.status().code(), absl::StatusCode::kUnavailable);
  process_->database().SetAway(false);
  const SagaRecord later = MustStart("another key");
  const std::vector<SagaRecord> published = process_->published();
  ASSERT_EQ(published.size(), 3u);
  EXPECT_EQ(published[1].saga_id, saga.saga_id);
  EXPECT_EQ(published[1].phase, Phase::kSucceeded);
  EXPECT_EQ(published[2].saga_id, later.saga_id);
  MustStart("one more");  // and it is published once
  EXPECT_EQ(process_->published().size(), 4u);
}

TEST_P(JournalUnknownCommitTest, ATakeoverWhoseCommitWasUnknownIsPublished) {
  const SagaRecord saga = MustStart("key");
  process_->Execute("UPDATE leases SET closed = 1");
  MustStart("another key");  // under a new incarnation; the next sweep takes what the old one had
  process_->database().ScriptCommit(absl::UnknownError("lost"), /*happens=*/true);
  ASSERT_OK(process_->Sweep());
  const std::vector<SagaRecord> published = process_->published();
  ASSERT_EQ(published.size(), 3u);
  EXPECT_EQ(published[2].saga_id, saga.saga_id);
  EXPECT_EQ(published[2].epoch, 2u);
}

INSTANTIATE_TEST_SUITE_P(Engines, JournalUnknownOpenTest, ::testing::Values(SqliteEngine()), EngineName);
INSTANTIATE_TEST_SUITE_P(Engines, JournalUnknownCommitTest, ::testing::Values(SqliteEngine(), SimulatedEngine()),
                         EngineName);
INSTANTIATE_TEST_SUITE_P(Servers, JournalUnknownCommitTest, ::testing::ValuesIn(ServerEngines()), EngineName);

}  // namespace
}  // namespace sagamesh::journal
