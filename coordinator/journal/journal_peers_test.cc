// Two replicas over one database.

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "coordinator/journal/batch.h"
#include "coordinator/journal/claim.h"
#include "coordinator/journal/journal_fixture_test.h"
#include "coordinator/journal/lease.h"
#include "tests/simulation/mysql/threaded_database.h"

namespace sagamesh::journal {
namespace {

using ::sagamesh::simulation::mysql::SimulatedEngine;
using ::sagamesh::testing::EngineName;
using ::sagamesh::testing::IsError;
using ::sagamesh::testing::ServerEngines;
using ::sagamesh::testing::SqliteEngine;

class JournalPeersTest : public testing::JournalTest {
 protected:
  JournalPeersTest() {
    Share();
    Restart();
    peer_ = std::make_unique<testing::Process>(database_, clock_);
    EXPECT_OK(peer_->journal().Open());
  }

  // The peer is not heard of in time.
  void PeerRunsOut() {
    process_->Execute("UPDATE leases SET expires_ms = 0 WHERE incarnation = '" + peer_->journal().incarnation() + "'");
  }
  SagaRecord PeerStarts(const std::string& key) {
    absl::StatusOr<Claimed> claimed = peer_->Start(NewSaga(key));
    EXPECT_OK(claimed);
    return claimed->saga;
  }
  int64_t Number(const std::string& query) {
    auto connection = database_.Connect(sql::Access::kRead);
    EXPECT_OK(connection);
    return (*(*connection)->Query(query))[0].Int(0);
  }
  static int64_t OldestUntoldMs(testing::Process& process) {
    std::promise<int64_t> found;
    process.journal().FindOldestUntoldMs([&found](absl::StatusOr<int64_t> ms) { found.set_value(*ms); });
    return found.get_future().get();
  }

  std::unique_ptr<testing::Process> peer_;
};

TEST_P(JournalPeersTest, APeerThatIsHeardOfKeepsItsSagas) {
  PeerStarts("key");
  EXPECT_EQ(*process_->Sweep(), 0);
  PeerRunsOut();
  ASSERT_OK(peer_->Heartbeat());
  EXPECT_EQ(*process_->Sweep(), 0);
  EXPECT_TRUE(process_->LoadDue().empty());
}

TEST_P(JournalPeersTest, APeerThatIsNotHeardOfLosesItsSagasAndWhatItWritesIsFenced) {
  SagaRecord saga = PeerStarts("key");
  PeerRunsOut();
  EXPECT_EQ(*process_->Sweep(), 1);
  const std::vector<SagaRecord> due = process_->LoadDue();
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due[0].saga_id, saga.saga_id);
  EXPECT_EQ(due[0].epoch, 2u);
  EXPECT_EQ(due[0].owner, process_->journal().incarnation());
  saga.phase = Phase::kSucceeded;
  EXPECT_EQ(*peer_->Write(saga).first, WriteOutcome::kFenced);
  EXPECT_EQ(process_->Get(saga.saga_id).phase, Phase::kRunning);
}

TEST_P(JournalPeersTest, OfWritesAtOnceThatOfASagaWhichAPeerTookIsFencedAndTheOthersAreWritten) {
  std::vector<SagaRecord> sagas;
  for (int i = 0; i < 20; i++) sagas.push_back(PeerStarts(absl::StrCat("key", i)));
  const SagaRecord& taken = sagas[7];
  ASSERT_EQ(process_->Command(taken.saga_id, engine::Command::Kind::kCompensate).outcome,
            engine::CommandOutcome::kDone);
  std::vector<std::future<testing::Process::Written>> writes;
  for (SagaRecord& saga : sagas) {
    saga.phase = Phase::kSucceeded;
    writes.push_back(peer_->WriteAsync(saga));
  }
  for (size_t i = 0; i < sagas.size(); i++) {
    const auto [outcome, record] = writes[i].get();
    ASSERT_OK(outcome);
    EXPECT_EQ(*outcome, i == 7 ? WriteOutcome::kFenced : WriteOutcome::kWritten);
    const SagaRecord now = process_->Get(sagas[i].saga_id);
    EXPECT_EQ(record.owner, now.owner);
    EXPECT_EQ(record.version, now.version);
    EXPECT_EQ(record.phase, now.phase);
  }
  EXPECT_EQ(process_->Get(taken.saga_id).phase, Phase::kCompensating);
}

TEST_P(JournalPeersTest, AnIncarnationWhoseLeaseWasClosedNeverRenewsIt) {
  const std::string before = peer_->journal().incarnation();
  PeerStarts("key");
  PeerRunsOut();
  ASSERT_OK(process_->Sweep());
  ASSERT_OK(peer_->Heartbeat());
  EXPECT_NE(peer_->journal().incarnation(), before);
  EXPECT_EQ(Number("SELECT COUNT(*) FROM leases WHERE closed = 0"), 2);
}

TEST_P(JournalPeersTest, WhatAZombieStartsAfterItWasSweptIsItsNewIncarnations) {
  const std::string before = peer_->journal().incarnation();
  PeerStarts("key");
  PeerRunsOut();
  ASSERT_OK(process_->Sweep());
  const SagaRecord late = PeerStarts("late");
  EXPECT_NE(late.owner, before);
  EXPECT_EQ(late.owner, peer_->journal().incarnation());
  EXPECT_EQ(*process_->Sweep(), 0);
  EXPECT_EQ(process_->Get(late.saga_id).epoch, 1u);
}

TEST_P(JournalPeersTest, ManySagasAreTakenByOneSweep) {
  std::vector<std::future<absl::StatusOr<Claimed>>> claims;
  for (int i = 0; i < 600; i++) claims.push_back(peer_->StartAsync(NewSaga(absl::StrCat("key", i))));
  for (auto& claim : claims) ASSERT_OK(claim.get());
  PeerRunsOut();
  EXPECT_EQ(*process_->Sweep(), 600);
  EXPECT_EQ(*process_->Sweep(), 0);
}

TEST_P(JournalPeersTest, AClosedLeaseThatOwnsNothingIsForgotten) {
  PeerStarts("key");
  PeerRunsOut();
  ASSERT_OK(process_->Sweep());
  EXPECT_EQ(Number("SELECT COUNT(*) FROM leases WHERE closed <> 0"), 0);
}

TEST_P(JournalPeersTest, WhoGivesItsLeaseUpLeavesItsSagasAtOnceAndIsNoDeath) {
  const SagaRecord saga = PeerStarts("key");
  ASSERT_OK(peer_->ReleaseLease());
  EXPECT_EQ(*process_->Sweep(), 1);
  EXPECT_EQ(process_->Get(saga.saga_id).takeovers, 0u);
}

TEST_P(JournalPeersTest, ASagaThatWaitsInItsRowIsNotBlamedForItsOwnersDeath) {
  SagaRecord waits = PeerStarts("waits");
  waits.phase = Phase::kCompensating;
  peer_->MustWrite(waits, clock_.Now() + absl::Hours(1));
  const SagaRecord runs = PeerStarts("runs");
  PeerRunsOut();
  EXPECT_EQ(*process_->Sweep(), 2);
  EXPECT_EQ(process_->Get(waits.saga_id).takeovers, 0u);
  EXPECT_EQ(process_->Get(runs.saga_id).takeovers, 1u);
}

TEST_P(JournalPeersTest, ADuplicateAtTheOtherReplicaAttachesAndIsAnsweredFromTheRow) {
  SagaRecord saga = PeerStarts("key");
  absl::StatusOr<Claimed> other = process_->Start(NewSaga("key"));
  ASSERT_OK(other);
  EXPECT_EQ(other->outcome, ClaimOutcome::kAttached);
  EXPECT_EQ(other->saga.saga_id, saga.saga_id);
  saga.phase = Phase::kSucceeded;
  saga.result = "result";
  peer_->MustWrite(saga);
  other = process_->Start(NewSaga("key"));
  EXPECT_EQ(other->outcome, ClaimOutcome::kReplayed);
  EXPECT_EQ(other->saga.result, "result");
}

TEST_P(JournalPeersTest, AWatchStandsBeforeWhatAPeerMayStillStamp) {
  // As a lease is before its holder has read what the others say.
  process_->Execute("UPDATE leases SET untold_ms = 0 WHERE incarnation = '" + peer_->journal().incarnation() + "'");
  ASSERT_OK(process_->Heartbeat());
  EXPECT_EQ(OldestUntoldMs(*process_), 0);
  ASSERT_OK(peer_->Heartbeat());
  const int64_t untold_ms = OldestUntoldMs(*process_);
  EXPECT_GT(untold_ms, 0);
  const SagaRecord saga = PeerStarts("key");
  EXPECT_GE(absl::ToUnixMillis(saga.updated), untold_ms);
  PeerRunsOut();
  ASSERT_OK(process_->Sweep());
  EXPECT_EQ(OldestUntoldMs(*process_), untold_ms) << "a peer that comes now does not know better";
  clock_.Advance(absl::Seconds(1));
  ASSERT_OK(process_->Heartbeat());
  EXPECT_GT(OldestUntoldMs(*process_), untold_ms) << "a closed lease holds nobody up";
}

TEST_P(JournalPeersTest, WhoseClockIsBehindStampsAfterWhatItsPeersHaveTold) {
  clock_.Advance(absl::Hours(1));
  MustStart("key");
  ASSERT_OK(process_->Heartbeat());
  const int64_t told_ms = Number("SELECT MAX(untold_ms) FROM leases");
  clock_.Advance(-absl::Hours(1));
  testing::Process late(database_, clock_);
  ASSERT_OK(late.journal().Open());
  EXPECT_GE(late.journal().OldestUntoldMs(), told_ms);
  absl::StatusOr<Claimed> claimed = late.Start(NewSaga("late"));
  ASSERT_OK(claimed);
  EXPECT_GE(absl::ToUnixMillis(claimed->saga.updated), told_ms);
}

TEST_P(JournalPeersTest, WhoseClockIsSetBackStampsAfterWhatItHasTold) {
  const int64_t told_ms = process_->journal().OldestUntoldMs();
  clock_.Advance(-absl::Minutes(1));
  EXPECT_GE(absl::ToUnixMillis(MustStart("key").updated), told_ms);
}

TEST_P(JournalPeersTest, WhoHasNoLeaseDoesNotSayWhatIsTold) {
  process_->Execute("DELETE FROM leases WHERE incarnation = '" + process_->journal().incarnation() + "'");
  std::promise<absl::StatusOr<int64_t>> found;
  process_->journal().FindOldestUntoldMs([&found](absl::StatusOr<int64_t> ms) { found.set_value(ms); });
  EXPECT_EQ(found.get_future().get().status().code(), absl::StatusCode::kUnavailable);
}

// A start whose COMMIT was unknown, while its process stood still past its lease.
TEST_P(JournalPeersTest, AStartThatIsRunAgainAfterItsSagaWasTakenOverIsNotItsOwner) {
  Replica replica(clock_, process_->random(), absl::Seconds(3));
  const auto connection = database_.Connect(sql::Access::kWrite);
  ASSERT_OK(connection);
  ASSERT_OK(TakeFirstLease(**connection, replica));
  const SagaRecord saga = NewSaga("key");
  Operation operation{.what = StartOperation{.saga = saga, .key_hash = KeyHash(saga)}};
  const auto& start = std::get<StartOperation>(operation.what);
  Operation* const operations[] = {&operation};
  const auto run = [&] {
    EXPECT_OK((*connection)->Begin());
    EXPECT_OK(Batch(JournalOptions(), replica, **connection, operations).Run());
    EXPECT_OK((*connection)->Commit());
    return start.claimed->outcome;
  };
  EXPECT_EQ(run(), ClaimOutcome::kStarted);
  EXPECT_EQ(run(), ClaimOutcome::kStarted);
  process_->Execute("UPDATE sagas SET owner = 'peer', open_owner = 'peer', epoch = 2, version = 2");
  EXPECT_EQ(run(), ClaimOutcome::kAttached);
  // It ended and its key is free.
  process_->Execute("UPDATE sagas SET phase = 5, open_owner = NULL, version = 3");
  process_->Execute("DELETE FROM saga_keys");
  EXPECT_EQ(run(), ClaimOutcome::kAttached);
  EXPECT_EQ(process_->Get(start.saga.saga_id).version, 3u);
}

INSTANTIATE_TEST_SUITE_P(Engines, JournalPeersTest, ::testing::Values(SqliteEngine(), SimulatedEngine()), EngineName);
INSTANTIATE_TEST_SUITE_P(Servers, JournalPeersTest, ::testing::ValuesIn(ServerEngines()), EngineName);

}  // namespace
}  // namespace sagamesh::journal
