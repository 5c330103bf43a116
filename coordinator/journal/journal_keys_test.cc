// Layer 1 of idempotency: who has a key, and what another caller of it gets.

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/journal/journal_fixture_test.h"
#include "tests/simulation/mysql/threaded_database.h"

namespace sagamesh::journal {
namespace {

using ::sagamesh::simulation::mysql::SimulatedEngine;
using ::sagamesh::testing::EngineName;
using ::sagamesh::testing::ServerEngines;
using ::sagamesh::testing::SqliteEngine;

using JournalKeysTest = testing::JournalTest;

TEST_P(JournalKeysTest, OfConcurrentStartsWithOneKeyOneStartsAndTheOthersAttach) {
  std::vector<SagaRecord> sagas;
  for (int i = 0; i < 100; i++) sagas.push_back(NewSaga("key"));
  std::map<ClaimOutcome, int> outcomes;
  std::set<std::string> ids;
  for (const Claimed& claimed : MustClaim(std::move(sagas))) {
    outcomes[claimed.outcome]++;
    ids.insert(claimed.saga.saga_id);
  }
  EXPECT_EQ(outcomes, (std::map<ClaimOutcome, int>{{ClaimOutcome::kStarted, 1}, {ClaimOutcome::kAttached, 99}}));
  EXPECT_EQ(ids.size(), 1u);
  EXPECT_EQ(process_->List({}).size(), 1u);
}

TEST_P(JournalKeysTest, AFinishedSagaIsReplayed) {
  const SagaRecord done = End(MustStart("key"), Phase::kSucceeded);
  const absl::StatusOr<Claimed> again = process_->Start(NewSaga("key"));
  ASSERT_OK(again);
  EXPECT_EQ(again->outcome, ClaimOutcome::kReplayed);
  EXPECT_EQ(again->saga.saga_id, done.saga_id);
  EXPECT_EQ(again->saga.result, "result");
  // And from then on without the database.
  const int rolled_back = database_.rollbacks();
  const absl::StatusOr<Claimed> third = process_->Start(NewSaga("key"));
  ASSERT_OK(third);
  EXPECT_EQ(third->outcome, ClaimOutcome::kReplayed);
  EXPECT_EQ(third->saga.saga_id, done.saga_id);
  EXPECT_EQ(third->saga.result, "result");
  EXPECT_EQ(third->saga.input, again->saga.input);
  EXPECT_EQ(third->saga.version, again->saga.version);
  EXPECT_EQ(database_.rollbacks(), rolled_back);
}

TEST_P(JournalKeysTest, AnExplicitKeyWithAnotherPayloadIsReusedAndStartsNothing) {
  MustStart("key");
  const absl::StatusOr<Claimed> other = process_->Start(NewSaga("key", KeyKind::kExplicit, "another"));
  ASSERT_OK(other);
  EXPECT_EQ(other->outcome, ClaimOutcome::kReused);
  EXPECT_EQ(process_->List({}).size(), 1u);
}

TEST_P(JournalKeysTest, ADefiniteFailureOfAnExplicitKeyIsReplayed) {
  End(MustStart("key"), Phase::kCompensated, /*definite=*/true);
  EXPECT_EQ(process_->Start(NewSaga("key"))->outcome, ClaimOutcome::kReplayed);
}

TEST_P(JournalKeysTest, ATransientFailureFreesAnExplicitKeyForTheSamePayloadOnly) {
  End(MustStart("key"), Phase::kCompensated);
  EXPECT_EQ(process_->Start(NewSaga("key", KeyKind::kExplicit, "another"))->outcome, ClaimOutcome::kReused);
  EXPECT_EQ(process_->Start(NewSaga("key"))->outcome, ClaimOutcome::kStarted);
  EXPECT_EQ(process_->Start(NewSaga("key"))->outcome, ClaimOutcome::kAttached);
}

TEST_P(JournalKeysTest, AFailureFreesAContentKey) {
  End(MustStart("content", KeyKind::kContent), Phase::kCompensated, /*definite=*/true);
  MustStart("content", KeyKind::kContent);
}

TEST_P(JournalKeysTest, AContentKeyIsFreeAfterItsWindowAndAnExplicitOneIsNot) {
  End(MustStart("content", KeyKind::kContent), Phase::kSucceeded);
  End(MustStart("key"), Phase::kSucceeded);
  EXPECT_EQ(process_->Start(NewSaga("content", KeyKind::kContent))->outcome, ClaimOutcome::kReplayed);
  clock_.Advance(absl::Hours(24));
  EXPECT_EQ(process_->Start(NewSaga("content", KeyKind::kContent))->outcome, ClaimOutcome::kStarted);
  EXPECT_EQ(process_->Start(NewSaga("key"))->outcome, ClaimOutcome::kReplayed);
}

TEST_P(JournalKeysTest, ExplicitAndContentKeysOfTheSameTextDoNotMeet) {
  MustStart("same", KeyKind::kContent);
  MustStart("same", KeyKind::kExplicit);
}

TEST_P(JournalKeysTest, AFinishedRowThatCannotBeReadIsNeverReplayedAsASuccess) {
  const SagaRecord saga = End(MustStart("key"), Phase::kSucceeded);
  process_->Execute(absl::StrCat("UPDATE sagas SET record = x'ffff' WHERE saga_id = '", saga.saga_id, "'"));
  EXPECT_EQ(process_->Start(NewSaga("key"))->outcome, ClaimOutcome::kAttached);
}

INSTANTIATE_TEST_SUITE_P(Engines, JournalKeysTest, ::testing::Values(SqliteEngine(), SimulatedEngine()), EngineName);
INSTANTIATE_TEST_SUITE_P(Servers, JournalKeysTest, ::testing::ValuesIn(ServerEngines()), EngineName);

}  // namespace
}  // namespace sagamesh::journal
