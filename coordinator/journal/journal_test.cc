#include "coordinator/journal/journal.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <future>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/exec/mutex.h"
#include "common/exec/threads.h"
#include "common/sql/open.h"
#include "common/testing/status_matchers.h"
#include "common/uuid/uuid.h"

namespace sagamesh::journal {
namespace {

using testing::IsError;

// Real time, moved by the test.
class ShiftedClock final : public Clock {
 public:
  absl::Time Now() const override { return system_.Now() + absl::Nanoseconds(shift_ns_.load()); }
  void SleepFor(absl::Duration duration) override { system_.SleepFor(duration); }
  void Advance(absl::Duration duration) { shift_ns_ += absl::ToInt64Nanoseconds(duration); }

 private:
  SystemClock system_;
  std::atomic<int64_t> shift_ns_{0};
};

// A database whose next COMMITs may have an unknown outcome: made or not made, told as UNKNOWN.
struct CommitFaults {
  std::atomic<int> unknown_but_made{0};
  std::atomic<int> unknown_and_lost{0};
  std::atomic<bool> away{false};
};

class FaultyConnection final : public sql::Connection {
 public:
  FaultyConnection(CommitFaults& faults, std::unique_ptr<sql::Connection> inner)
      : faults_(faults), inner_(std::move(inner)) {}

  sql::Dialect dialect() const override { return inner_->dialect(); }
  bool alive() const override { return alive_ && inner_->alive(); }
  absl::Status Begin() override { return alive() ? inner_->Begin() : absl::UnavailableError("dead"); }
  absl::Status Rollback() override { return inner_->Rollback(); }
  absl::Status Commit() override {
    if (faults_.unknown_but_made > 0) {
      faults_.unknown_but_made--;
      inner_->Commit().IgnoreError();
      alive_ = false;
      return absl::UnknownError("lost at COMMIT");
    }
    if (faults_.unknown_and_lost > 0) {
      faults_.unknown_and_lost--;
      inner_->Rollback().IgnoreError();
      alive_ = false;
      return absl::UnknownError("lost at COMMIT");
    }
    return inner_->Commit();
  }
  absl::StatusOr<int64_t> Execute(absl::string_view statement, absl::Span<const sql::Value> parameters) override {
    return inner_->Execute(statement, parameters);
  }
  absl::StatusOr<std::vector<sql::Row>> Query(absl::string_view statement,
                                              absl::Span<const sql::Value> parameters) override {
    return inner_->Query(statement, parameters);
  }

 private:
  CommitFaults& faults_;
  std::unique_ptr<sql::Connection> inner_;
  bool alive_ = true;
};

class FaultyDatabase final : public sql::Database {
 public:
  FaultyDatabase(CommitFaults& faults, std::unique_ptr<sql::Database> inner)
      : faults_(faults), inner_(std::move(inner)) {}

  sql::Dialect dialect() const override { return inner_->dialect(); }
  int max_writers() const override { return inner_->max_writers(); }
  absl::StatusOr<std::unique_ptr<sql::Connection>> Connect(sql::Access access) override {
    if (faults_.away) return absl::UnavailableError("away");
    absl::StatusOr<std::unique_ptr<sql::Connection>> connection = inner_->Connect(access);
    if (!connection.ok()) return connection.status();
    return std::make_unique<FaultyConnection>(faults_, *std::move(connection));
  }

 private:
  CommitFaults& faults_;
  std::unique_ptr<sql::Database> inner_;
};

// One process's journal.
class Process {
 public:
  Process(const std::string& path, Clock& clock, CommitFaults& faults, JournalOptions options)
      : random_(MakeSystemRandom()),
        database_(faults, std::move(*sql::OpenDatabase("sqlite:" + path))),
        pool_(MakeThreadPool("worker", 4)),
        journal_(options, database_, *pool_, clock, *random_, registry_, [this](absl::Span<const SagaRecord> changed) {
          MutexLock lock(mutex_);
          published_.insert(published_.end(), changed.begin(), changed.end());
        }) {}
  ~Process() { pool_->Shutdown(); }

  absl::StatusOr<Claimed> Start(SagaRecord saga) {
    return Await<absl::StatusOr<Claimed>>(
        [&](auto done) { journal_.Start(std::move(saga), absl::InfiniteFuture(), std::move(done)); });
  }
  // What was written, or what fenced it.
  std::pair<absl::StatusOr<WriteOutcome>, SagaRecord> Write(SagaRecord saga, std::optional<absl::Time> due = {}) {
    std::promise<std::pair<absl::StatusOr<WriteOutcome>, SagaRecord>> promise;
    journal_.Write(std::move(saga), due, [&](absl::StatusOr<WriteOutcome> outcome, SagaRecord record) {
      promise.set_value({std::move(outcome), std::move(record)});
    });
    return promise.get_future().get();
  }
  SagaRecord MustWrite(SagaRecord saga, std::optional<absl::Time> due = {}) {
    auto [outcome, record] = Write(std::move(saga), due);
    EXPECT_OK(outcome);
    EXPECT_EQ(*outcome, WriteOutcome::kWritten);
    return record;
  }
  std::vector<SagaRecord> LoadDue(int limit = 1000) {
    auto loaded =
        Await<absl::StatusOr<std::vector<SagaRecord>>>([&](auto done) { journal_.LoadDue(limit, std::move(done)); });
    EXPECT_OK(loaded);
    return *std::move(loaded);
  }
  absl::Status Heartbeat() {
    return Await<absl::Status>([&](auto done) { journal_.Heartbeat(std::move(done)); });
  }
  absl::Status ReleaseLease() {
    return Await<absl::Status>([&](auto done) { journal_.ReleaseLease(std::move(done)); });
  }
  SagaRecord Get(const std::string& id) {
    auto record =
        Await<absl::StatusOr<std::optional<SagaRecord>>>([&](auto done) { journal_.Get(id, std::move(done)); });
    EXPECT_OK(record);
    return **record;
  }
  std::vector<SagaRecord> List(ListFilter filter) {
    auto records = Await<absl::StatusOr<std::vector<SagaRecord>>>(
        [&](auto done) { journal_.List(std::move(filter), std::move(done)); });
    EXPECT_OK(records);
    return *std::move(records);
  }
  std::vector<SagaRecord> ChangedSince(int64_t updated_ms, const std::string& id, int limit) {
    auto records = Await<absl::StatusOr<std::vector<SagaRecord>>>(
        [&](auto done) { journal_.ListChangedSince(updated_ms, id, limit, std::move(done)); });
    EXPECT_OK(records);
    return *std::move(records);
  }
  // Behind the journal's back.
  void Execute(const std::string& statement) {
    auto connection = database_.Connect(sql::Access::kWrite);
    ASSERT_OK(connection);
    EXPECT_OK((*connection)->Execute(statement));
  }
  std::vector<SagaRecord> published() {
    MutexLock lock(mutex_);
    return published_;
  }

  Journal& journal() { return journal_; }
  Random& random() { return *random_; }

  template <typename Result, typename Call>
  static Result Await(Call call) {
    std::promise<Result> promise;
    call([&](Result result) { promise.set_value(std::move(result)); });
    return promise.get_future().get();
  }

 private:
  metrics::Registry registry_;
  std::unique_ptr<Random> random_;
  Mutex mutex_;
  std::vector<SagaRecord> published_;
  FaultyDatabase database_;
  std::unique_ptr<WorkerPool> pool_;
  Journal journal_;
};

class JournalTest : public ::testing::Test {
 protected:
  JournalTest() {
    directory_ = absl::StrCat(::testing::TempDir(), "/journal_test.", getpid(), ".",
                              ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(directory_);
    Restart();
  }
  ~JournalTest() override {
    process_.reset();
    std::filesystem::remove_all(directory_);
  }
  void Restart() {
    process_.reset();
    process_ = std::make_unique<Process>(directory_ + "/journal.db", clock_, faults_, options_);
    ASSERT_OK(process_->journal().Open());
  }

  SagaRecord NewSaga(const std::string& key, KeyKind kind = KeyKind::kExplicit,
                     const std::string& payload = "payload") {
    SagaRecord saga;
    saga.saga_id = MakeUuidV7(clock_.Now(), process_->random());
    saga.definition = "process_order";
    saga.key_kind = kind;
    saga.key = key;
    saga.fingerprint = kind == KeyKind::kContent ? key : payload;
    saga.input = "input";
    return saga;
  }
  SagaRecord MustStart(const std::string& key, KeyKind kind = KeyKind::kExplicit) {
    absl::StatusOr<Claimed> claimed = process_->Start(NewSaga(key, kind));
    EXPECT_OK(claimed);
    EXPECT_EQ(claimed->outcome, ClaimOutcome::kStarted);
    return claimed->saga;
  }
  SagaRecord End(SagaRecord saga, Phase phase, bool definite = false) {
    saga.phase = phase;
    if (phase == Phase::kSucceeded) saga.result = "result";
    if (phase == Phase::kCompensated) saga.error = "error";
    saga.error_definite = definite;
    return process_->MustWrite(saga);
  }

  std::string directory_;
  ShiftedClock clock_;
  CommitFaults faults_;
  JournalOptions options_;
  std::unique_ptr<Process> process_;
};

TEST_F(JournalTest, AStartedSagaIsDurableAndItsOwners) {
  const SagaRecord saga = MustStart("key");
  EXPECT_EQ(saga.epoch, 1u);
  EXPECT_EQ(saga.version, 1u);
  EXPECT_FALSE(saga.owner.empty());
  const SagaRecord read = process_->Get(saga.saga_id);
  EXPECT_EQ(read.input, "input");
  EXPECT_EQ(read.owner, saga.owner);
  EXPECT_EQ(read.phase, Phase::kRunning);
}

TEST_F(JournalTest, OfConcurrentStartsWithOneKeyOneStartsAndTheOthersAttach) {
  std::vector<std::future<absl::StatusOr<Claimed>>> claims;
  for (int i = 0; i < 100; i++) {
    auto promise = std::make_shared<std::promise<absl::StatusOr<Claimed>>>();
    claims.push_back(promise->get_future());
    process_->journal().Start(NewSaga("key"), absl::InfiniteFuture(),
                              [promise](absl::StatusOr<Claimed> claimed) { promise->set_value(std::move(claimed)); });
  }
  int started = 0;
  int attached = 0;
  std::set<std::string> ids;
  for (auto& claim : claims) {
    const absl::StatusOr<Claimed> claimed = claim.get();
    ASSERT_OK(claimed);
    started += claimed->outcome == ClaimOutcome::kStarted;
    attached += claimed->outcome == ClaimOutcome::kAttached;
    ids.insert(claimed->saga.saga_id);
  }
  EXPECT_EQ(started, 1);
  EXPECT_EQ(attached, 99);
  EXPECT_EQ(ids.size(), 1u);
  EXPECT_EQ(process_->List({}).size(), 1u);
}

TEST_F(JournalTest, AFinishedSagaIsReplayed) {
  const SagaRecord done = End(MustStart("key"), Phase::kSucceeded);
  const absl::StatusOr<Claimed> again = process_->Start(NewSaga("key"));
  ASSERT_OK(again);
  EXPECT_EQ(again->outcome, ClaimOutcome::kReplayed);
  EXPECT_EQ(again->saga.saga_id, done.saga_id);
  EXPECT_EQ(again->saga.result, "result");
}

TEST_F(JournalTest, AnExplicitKeyWithAnotherPayloadIsReusedAndStartsNothing) {
  MustStart("key");
  const absl::StatusOr<Claimed> other = process_->Start(NewSaga("key", KeyKind::kExplicit, "another"));
  ASSERT_OK(other);
  EXPECT_EQ(other->outcome, ClaimOutcome::kReused);
  EXPECT_EQ(process_->List({}).size(), 1u);
}

TEST_F(JournalTest, ADefiniteFailureOfAnExplicitKeyIsReplayed) {
  End(MustStart("key"), Phase::kCompensated, /*definite=*/true);
  EXPECT_EQ(process_->Start(NewSaga("key"))->outcome, ClaimOutcome::kReplayed);
}

TEST_F(JournalTest, ATransientFailureFreesAnExplicitKeyForTheSamePayloadOnly) {
  End(MustStart("key"), Phase::kCompensated);
  EXPECT_EQ(process_->Start(NewSaga("key", KeyKind::kExplicit, "another"))->outcome, ClaimOutcome::kReused);
  EXPECT_EQ(process_->Start(NewSaga("key"))->outcome, ClaimOutcome::kStarted);
  EXPECT_EQ(process_->Start(NewSaga("key"))->outcome, ClaimOutcome::kAttached);
}

TEST_F(JournalTest, AFailureFreesAContentKey) {
  End(MustStart("content", KeyKind::kContent), Phase::kCompensated, /*definite=*/true);
  MustStart("content", KeyKind::kContent);
}

TEST_F(JournalTest, AContentKeyIsFreeAfterItsWindowAndAnExplicitOneIsNot) {
  End(MustStart("content", KeyKind::kContent), Phase::kSucceeded);
  End(MustStart("key"), Phase::kSucceeded);
  EXPECT_EQ(process_->Start(NewSaga("content", KeyKind::kContent))->outcome, ClaimOutcome::kReplayed);
  clock_.Advance(absl::Hours(24));
  EXPECT_EQ(process_->Start(NewSaga("content", KeyKind::kContent))->outcome, ClaimOutcome::kStarted);
  EXPECT_EQ(process_->Start(NewSaga("key"))->outcome, ClaimOutcome::kReplayed);
}

TEST_F(JournalTest, ExplicitAndContentKeysOfTheSameTextDoNotMeet) {
  MustStart("same", KeyKind::kContent);
  MustStart("same", KeyKind::kExplicit);
}

TEST_F(JournalTest, AParkedSagaHoldsItsKeyAndIsNotTakenUp) {
  SagaRecord saga = MustStart("key");
  saga.phase = Phase::kParked;
  saga.park_reason = "COMPENSATION_REFUSED: no";
  process_->MustWrite(saga);
  EXPECT_EQ(process_->Start(NewSaga("key"))->outcome, ClaimOutcome::kAttached);
  Restart();
  EXPECT_TRUE(process_->LoadDue().empty());
  EXPECT_EQ(process_->Get(saga.saga_id).phase, Phase::kParked);
}

TEST_F(JournalTest, AWriteWithAnOldVersionIsFenced) {
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

TEST_F(JournalTest, AWriteOfAnEarlierOwnerIsFenced) {
  SagaRecord saga = MustStart("key");
  Restart();
  saga.phase = Phase::kSucceeded;
  EXPECT_EQ(*process_->Write(saga).first, WriteOutcome::kFenced);
}

TEST_F(JournalTest, AWriteThatIsRepeatedIsWrittenOnce) {
  SagaRecord saga = MustStart("key");
  saga.phase = Phase::kCompensating;
  const SagaRecord once = process_->MustWrite(saga);
  const SagaRecord twice = process_->MustWrite(saga);
  EXPECT_EQ(once.version, twice.version);
}

TEST_F(JournalTest, ARestartTakesUnfinishedSagasInPagesWithAHigherEpoch) {
  std::vector<std::future<absl::StatusOr<Claimed>>> claims;
  for (int i = 0; i < 600; i++) {
    auto promise = std::make_shared<std::promise<absl::StatusOr<Claimed>>>();
    claims.push_back(promise->get_future());
    process_->journal().Start(NewSaga(absl::StrCat("key", i)), absl::InfiniteFuture(),
                              [promise](absl::StatusOr<Claimed> claimed) { promise->set_value(std::move(claimed)); });
  }
  std::vector<SagaRecord> sagas;
  for (auto& claim : claims) sagas.push_back(claim.get()->saga);
  End(sagas[0], Phase::kSucceeded);
  const std::string old_owner = sagas[1].owner;
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
  EXPECT_FALSE(ids.contains(sagas[0].saga_id));
  EXPECT_TRUE(process_->LoadDue().empty());
}

TEST_F(JournalTest, ADeferredSagaIsLoadedWhenItIsDueAndNotBefore) {
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

TEST_F(JournalTest, ASagaThatNobodyMakesProgressWithIsParked) {
  const SagaRecord saga = MustStart("key");
  for (int i = 0; i < 3; i++) {
    Restart();
    EXPECT_EQ(process_->Get(saga.saga_id).phase, Phase::kRunning);
  }
  Restart();
  const SagaRecord parked = process_->Get(saga.saga_id);
  EXPECT_EQ(parked.phase, Phase::kParked);
  EXPECT_EQ(parked.park_reason.rfind("TAKEN_OVER_WITHOUT_PROGRESS", 0), 0u);
  EXPECT_TRUE(process_->LoadDue().empty());
}

TEST_F(JournalTest, ProgressStartsTheCountOfTakeoversAgain) {
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

TEST_F(JournalTest, ARowThatCannotBeReadIsParkedAndStopsNoStart) {
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

TEST_F(JournalTest, AFinishedRowThatCannotBeReadIsNeverReplayedAsASuccess) {
  const SagaRecord saga = End(MustStart("key"), Phase::kSucceeded);
  process_->Execute(absl::StrCat("UPDATE sagas SET record = x'ffff' WHERE saga_id = '", saga.saga_id, "'"));
  EXPECT_EQ(process_->Start(NewSaga("key"))->outcome, ClaimOutcome::kAttached);
}

TEST_F(JournalTest, AStartWhoseCommitWasUnknownButMadeHasStartedOnce) {
  faults_.unknown_but_made = 1;
  const SagaRecord saga = MustStart("key");
  EXPECT_EQ(saga.version, 1u);
  EXPECT_EQ(process_->List({}).size(), 1u);
  EXPECT_EQ(process_->published().size(), 1u);
}

TEST_F(JournalTest, AStartWhoseCommitWasUnknownAndLostHasStartedOnce) {
  faults_.unknown_and_lost = 1;
  MustStart("key");
  EXPECT_EQ(process_->List({}).size(), 1u);
}

TEST_F(JournalTest, AWriteWhoseCommitWasUnknownIsWrittenOnce) {
  SagaRecord saga = MustStart("key");
  faults_.unknown_but_made = 1;
  saga = End(saga, Phase::kSucceeded);
  EXPECT_EQ(saga.version, 2u);
  EXPECT_EQ(process_->Start(NewSaga("key"))->outcome, ClaimOutcome::kReplayed);
}

TEST_F(JournalTest, ALoadWhoseCommitWasUnknownStillReturnsItsSagas) {
  MustStart("key");
  Restart();
  faults_.unknown_but_made = 1;
  EXPECT_EQ(process_->LoadDue().size(), 1u);
  EXPECT_TRUE(process_->LoadDue().empty());
}

TEST_F(JournalTest, ALoadThatFailedWithoutEffectAndIsRepeatedGivesItsSagasOutOnce) {
  MustStart("key");
  Restart();
  ASSERT_OK(process_->Heartbeat());  // the writer is connected
  faults_.unknown_and_lost = 1;
  faults_.away = true;  // nobody can find out
  std::promise<absl::Status> promise;
  process_->journal().LoadDue(10,
                              [&](absl::StatusOr<std::vector<SagaRecord>> due) { promise.set_value(due.status()); });
  auto answer = promise.get_future();
  while (answer.wait_for(std::chrono::milliseconds(20)) != std::future_status::ready) clock_.Advance(absl::Seconds(1));
  EXPECT_THAT(answer.get(), IsError(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE"));
  faults_.away = false;
  EXPECT_EQ(process_->LoadDue().size(), 1u);
  ASSERT_OK(process_->Heartbeat());
  EXPECT_TRUE(process_->LoadDue().empty());
}

TEST_F(JournalTest, ASagaWhoseStarterWasToldUnavailableThoughItWasCommittedIsMadeDue) {
  ASSERT_OK(process_->Heartbeat());  // the writer is connected
  faults_.unknown_but_made = 1;
  faults_.away = true;  // nobody can find out
  std::promise<absl::StatusOr<Claimed>> promise;
  const SagaRecord saga = NewSaga("key");
  process_->journal().Start(saga, absl::InfiniteFuture(),
                            [&](absl::StatusOr<Claimed> claimed) { promise.set_value(std::move(claimed)); });
  auto answer = promise.get_future();
  while (answer.wait_for(std::chrono::milliseconds(20)) != std::future_status::ready) clock_.Advance(absl::Seconds(1));
  EXPECT_THAT(answer.get(), IsError(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE"));
  faults_.away = false;
  EXPECT_TRUE(process_->LoadDue().empty());
  ASSERT_OK(process_->Heartbeat());
  const std::vector<SagaRecord> due = process_->LoadDue();
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due[0].saga_id, saga.saga_id);
  ASSERT_OK(process_->Heartbeat());
  EXPECT_TRUE(process_->LoadDue().empty());
}

TEST_F(JournalTest, EachCommittedChangeIsPublishedOnceInOrder) {
  const SagaRecord saga = MustStart("key");
  End(saga, Phase::kSucceeded);
  process_->Start(NewSaga("key")).IgnoreError();
  const std::vector<SagaRecord> published = process_->published();
  ASSERT_EQ(published.size(), 2u);
  EXPECT_EQ(published[0].version, 1u);
  EXPECT_EQ(published[1].version, 2u);
  EXPECT_EQ(published[1].phase, Phase::kSucceeded);
}

TEST_F(JournalTest, AProcessWhoseLeaseWasClosedGoesOnAsANewIncarnation) {
  SagaRecord saga = MustStart("key");
  process_->Execute("UPDATE leases SET closed = 1");
  const SagaRecord other = MustStart("other");
  EXPECT_NE(other.owner, saga.owner);
  saga.phase = Phase::kSucceeded;
  EXPECT_EQ(*process_->Write(saga).first, WriteOutcome::kFenced);
  // What the old incarnation had is swept up by the next heartbeat.
  ASSERT_OK(process_->Heartbeat());
  const std::vector<SagaRecord> due = process_->LoadDue();
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due[0].saga_id, saga.saga_id);
  EXPECT_EQ(due[0].epoch, 2u);
}

TEST_F(JournalTest, AfterItGaveItsLeaseUpAProcessWritesNothing) {
  SagaRecord saga = MustStart("key");
  ASSERT_OK(process_->ReleaseLease());
  EXPECT_THAT(process_->Start(NewSaga("other")), IsError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN"));
  saga.phase = Phase::kSucceeded;
  EXPECT_FALSE(process_->Write(saga).first.ok());
  EXPECT_OK(process_->ReleaseLease());
  EXPECT_EQ(process_->Get(saga.saga_id).phase, Phase::kRunning);
}

TEST_F(JournalTest, BeforeItIsOpenTheJournalIsUnavailable) {
  process_.reset();
  process_ = std::make_unique<Process>(directory_ + "/journal.db", clock_, faults_, options_);
  EXPECT_THAT(process_->Start(NewSaga("key")), IsError(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE"));
  EXPECT_THAT(process_->Heartbeat(), IsError(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE"));
  faults_.away = true;
  EXPECT_EQ(process_->journal().Open().code(), absl::StatusCode::kUnavailable);
  faults_.away = false;
  EXPECT_OK(process_->journal().Open());
  MustStart("key");
}

TEST_F(JournalTest, AnOpenThatIsRunAgainTakesOverOnce) {
  const SagaRecord saga = MustStart("key");
  process_.reset();
  process_ = std::make_unique<Process>(directory_ + "/journal.db", clock_, faults_, options_);
  faults_.unknown_but_made = 1;
  EXPECT_EQ(process_->journal().Open().code(), absl::StatusCode::kUnavailable);
  EXPECT_OK(process_->journal().Open());
  EXPECT_EQ(process_->Get(saga.saga_id).epoch, 2u);
}

TEST_F(JournalTest, SagasAreListedNewestFirstInPagesAndByFilter) {
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
  const std::vector<SagaRecord> by_key = process_->List({.key = "key2"});
  ASSERT_EQ(by_key.size(), 1u);
  EXPECT_EQ(by_key[0].saga_id, ids[2]);
  EXPECT_TRUE(process_->List({.definition = "another"}).empty());
  EXPECT_TRUE(process_->List({.phase = Phase::kSucceeded}).empty());
  SagaRecord stuck = by_key[0];
  stuck.phase = Phase::kCompensating;
  stuck.stuck = true;
  process_->MustWrite(stuck);
  ASSERT_EQ(process_->List({.stuck = true}).size(), 1u);
}

TEST_F(JournalTest, ChangesAreReadFromAPositionOn) {
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

}  // namespace
}  // namespace sagamesh::journal
