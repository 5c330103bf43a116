#include "coordinator/journal/journal.h"

#include <map>
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
using ::sagamesh::testing::ServerEngines;
using ::sagamesh::testing::SqliteEngine;
using testing::JournalTest;

TEST_P(JournalTest, AStartedSagaIsDurableAndItsOwners) {
  const SagaRecord saga = MustStart("key");
  EXPECT_EQ(saga.epoch, 1u);
  EXPECT_EQ(saga.version, 1u);
  EXPECT_FALSE(saga.owner.empty());
  const SagaRecord read = process_->Get(saga.saga_id);
  EXPECT_EQ(read.input, "input");
  EXPECT_EQ(read.owner, saga.owner);
  EXPECT_EQ(read.phase, Phase::kRunning);
}

TEST_P(JournalTest, AWriteWithAnOldVersionIsFenced) {
  const SagaRecord first = MustStart("key");
  SagaRecord next = first;
  next.phase = Phase::kCompensating;
  next = process_->MustWrite(next);
  EXPECT_EQ(next.version, 2u);
  SagaRecord stale = first;
  stale.phase = Phase::kSucceeded;
  EXPECT_EQ(*process_->Write(stale).first, WriteOutcome::kFenced);
  EXPECT_EQ(process_->Get(first.saga_id).phase, Phase::kCompensating);
}

TEST_P(JournalTest, AWriteOfASagaThatIsGoneIsFencedAndBringsNothingBack) {
  SagaRecord saga = MustStart("key");
  process_->Execute("DELETE FROM sagas");
  saga.phase = Phase::kSucceeded;
  EXPECT_EQ(*process_->Write(saga).first, WriteOutcome::kFenced);
  EXPECT_TRUE(process_->List({}).empty());
}

TEST_P(JournalTest, AWriteThatIsRepeatedIsWrittenOnce) {
  SagaRecord saga = MustStart("key");
  saga.phase = Phase::kCompensating;
  const SagaRecord once = process_->MustWrite(saga);
  const SagaRecord twice = process_->MustWrite(saga);
  EXPECT_EQ(once.version, twice.version);
}

TEST_P(JournalTest, EachCommittedChangeIsPublishedOnceInOrder) {
  const SagaRecord saga = MustStart("key");
  End(saga, Phase::kSucceeded);
  process_->Start(NewSaga("key")).IgnoreError();
  const std::vector<SagaRecord> published = process_->published();
  ASSERT_EQ(published.size(), 2u);
  EXPECT_EQ(published[0].version, 1u);
  EXPECT_EQ(published[1].version, 2u);
  EXPECT_EQ(published[1].phase, Phase::kSucceeded);
}

TEST_P(JournalTest, SagasAreListedNewestFirstInPagesAndByFilter) {
  std::vector<std::string> ids;
  for (int i = 0; i < 5; i++) {
    clock_.Advance(absl::Milliseconds(2));
    ids.push_back(MustStart(absl::StrCat("key", i)).saga_id);
  }
  const std::vector<SagaRecord> first = process_->List({.limit = 3});
  ASSERT_EQ(first.size(), 3u);
  EXPECT_EQ(first[0].saga_id, ids[4]);
  const std::vector<SagaRecord> second = process_->List({.before_saga_id = first[2].saga_id, .limit = 3});
  ASSERT_EQ(second.size(), 2u);
  EXPECT_EQ(second[1].saga_id, ids[0]);
  const auto by_key = [this](const std::string& key, const std::string& principal, std::vector<std::string> of) {
    return process_->List({.key = ListFilter::Key{key, principal, std::move(of)}});
  };
  const std::vector<SagaRecord> found = by_key("key2", "", {"another", "process_order"});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].saga_id, ids[2]);
  EXPECT_TRUE(by_key("key2", "", {"another"}).empty());
  EXPECT_TRUE(by_key("key2", "somebody else", {"process_order"}).empty());
  EXPECT_TRUE(by_key("key9", "", {"process_order"}).empty());
  EXPECT_TRUE(process_->List({.definition = "another"}).empty());
}

TEST_P(JournalTest, SagasAreListedByTheirPhaseAndTheStuckAmongThem) {
  constexpr Phase kPhases[] = {Phase::kRunning, Phase::kCompensating, Phase::kParked, Phase::kSucceeded,
                               Phase::kCompensated};
  std::map<Phase, std::vector<std::string>> ids;
  for (int i = 0; i < 10; i++) {
    clock_.Advance(absl::Milliseconds(2));
    SagaRecord saga = MustStart(absl::StrCat("key", i));
    saga.phase = kPhases[i % 5];
    saga.stuck = i == 1 || i == 2;  // one of two that compensate, one of two that are parked
    if (saga.phase != Phase::kRunning) process_->MustWrite(saga);
    ids[saga.phase].insert(ids[saga.phase].begin(), saga.saga_id);
  }
  const auto listed = [this](ListFilter filter) {
    std::vector<std::string> found;
    for (const SagaRecord& saga : process_->List(std::move(filter))) found.push_back(saga.saga_id);
    return found;
  };
  for (const Phase phase : kPhases) {
    EXPECT_EQ(listed({.phase = phase}), ids[phase]);
    EXPECT_EQ(listed({.phase = phase, .before_saga_id = ids[phase][0]}), std::vector{ids[phase][1]});
  }
  EXPECT_EQ(listed({.stuck = true}), (std::vector{ids[Phase::kParked][1], ids[Phase::kCompensating][1]}));
  EXPECT_EQ(listed({.phase = Phase::kParked, .stuck = true}), std::vector{ids[Phase::kParked][1]});
}

TEST_P(JournalTest, ChangesAreReadFromAPositionOn) {
  const SagaRecord a = MustStart("a");
  clock_.Advance(absl::Seconds(1));
  const SagaRecord b = MustStart("b");
  clock_.Advance(absl::Seconds(1));
  End(a, Phase::kSucceeded);
  const std::vector<SagaRecord> changed = process_->ChangedSince(absl::ToUnixMillis(b.updated), b.saga_id, 10);
  ASSERT_EQ(changed.size(), 2u);
  EXPECT_EQ(changed[0].saga_id, b.saga_id);
  EXPECT_EQ(changed[1].saga_id, a.saga_id);
  EXPECT_EQ(process_->ChangedSince(0, "", 1).size(), 1u);
}

INSTANTIATE_TEST_SUITE_P(Engines, JournalTest, ::testing::Values(SqliteEngine(), SimulatedEngine()), EngineName);
INSTANTIATE_TEST_SUITE_P(Servers, JournalTest, ::testing::ValuesIn(ServerEngines()), EngineName);

}  // namespace
}  // namespace sagamesh::journal
