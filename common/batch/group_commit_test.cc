#include "common/batch/group_commit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/exec/in_flight.h"
#include "common/exec/mutex.h"
#include "common/exec/threads.h"
#include "common/testing/engines.h"
#include "common/testing/fake_clock.h"
#include "common/testing/manual_pool.h"
#include "common/testing/scripted_database.h"
#include "common/testing/status_matchers.h"
#include "tests/simulation/mysql/threaded_database.h"

namespace sagamesh {
namespace {

using ::absl::StatusCode;
using ::sagamesh::simulation::mysql::SimulatedEngine;
using ::sagamesh::testing::Engine;
using ::sagamesh::testing::EngineName;
using ::sagamesh::testing::FakeClock;
using ::sagamesh::testing::IsError;
using ::sagamesh::testing::ManualPool;
using ::sagamesh::testing::ScriptedDatabase;
using ::sagamesh::testing::ServerEngines;
using ::sagamesh::testing::SqliteEngine;
using ::testing::ElementsAre;

// Adds 1 to a counter once, guarded by the row of its id.
struct Add {
  int64_t id = 0;
  bool refuse = false;  // by a business rule
  bool poison = false;  // breaks the batch that it is in
  bool refused = false;
};

class GroupCommitTest : public ::testing::TestWithParam<Engine> {
 protected:
  GroupCommitTest() {
    spdlog::set_level(spdlog::level::off);
    auto connection = *database_.Connect(sql::Access::kWrite);
    EXPECT_OK(connection->Execute("CREATE TABLE done (id INTEGER PRIMARY KEY)"));
    EXPECT_OK(connection->Execute("CREATE TABLE total (value INTEGER NOT NULL)"));
    EXPECT_OK(connection->Execute("INSERT INTO total VALUES (0)"));
  }

  void Make(GroupCommitOptions options = {}) {
    options.name = "adds";
    options.domain = "test";
    commit_ = std::make_unique<GroupCommit<Add>>(
        options, database_, pool_, clock_, *random_, registry_,
        [this](sql::Connection& connection, absl::Span<Add* const> adds, bool in_doubt) {
          in_doubt_ = in_doubt;
          return Run(connection, adds);
        });
  }

  absl::StatusOr<BatchEffect> Run(sql::Connection& connection, absl::Span<Add* const> adds) {
    {
      MutexLock lock(mutex_);
      batches_.push_back({});
      for (const Add* add : adds) batches_.back().push_back(add->id);
    }
    if (on_run_) SAGAMESH_RETURN_IF_ERROR(on_run_());
    BatchEffect effect = BatchEffect::kNothing;
    for (Add* add : adds) {
      add->refused = add->refuse;
      if (add->poison) return absl::InternalError("poison");
      if (add->refuse) continue;
      SAGAMESH_ASSIGN_OR_RETURN(const auto seen,
                                connection.Query("SELECT 1 FROM done WHERE id=?", {sql::Value(add->id)}));
      if (!seen.empty()) continue;
      SAGAMESH_RETURN_IF_ERROR(sql::Insert(connection, "done", {"id"}, {add->id}));
      SAGAMESH_RETURN_IF_ERROR(connection.Execute("UPDATE total SET value=value+1").status());
      effect = BatchEffect::kWrote;
    }
    return effect;
  }

  void Submit(Add add, Priority priority = Priority::kNew, absl::Time deadline = absl::InfiniteFuture()) {
    commit_->Submit(add, deadline, priority, [this](absl::Status status, Add& done) {
      finished_.push_back(done.id);
      results_.push_back(std::move(status));
      refused_.push_back(done.refused);
    });
  }

  int64_t Total() { return (*database_.Connect(sql::Access::kRead))->Query("SELECT value FROM total")->at(0).Int(0); }

  double Counter(const std::string& name) {
    return registry_.Counter("sagamesh_batch_" + name, "", {{"queue", "adds"}}).Value();
  }

  FakeClock clock_;
  ScriptedDatabase database_{GetParam().open(clock_)};
  std::unique_ptr<Random> random_ = MakeSystemRandom();
  metrics::Registry registry_;
  ManualPool pool_;
  std::function<absl::Status()> on_run_;
  bool in_doubt_ = false;  // as the last run was told
  Mutex mutex_;            // for workers on threads; the tests look when these have ended
  std::vector<std::vector<int64_t>> batches_;
  std::vector<int64_t> finished_;
  std::vector<absl::Status> results_;
  std::vector<bool> refused_;
  std::unique_ptr<GroupCommit<Add>> commit_;
};

TEST_P(GroupCommitTest, ALoneCallerGetsOneCommitForEachWrite) {
  Make();
  for (int id = 1; id <= 5; id++) {
    Submit({id});
    pool_.RunAll();
    ASSERT_EQ(results_.size(), id);
    EXPECT_OK(results_.back());
  }
  EXPECT_EQ(database_.commits(), 5);
  EXPECT_EQ(Counter("commits_total"), 5);
  EXPECT_EQ(Counter("operations_total"), 5);
  EXPECT_EQ(Total(), 5);
}

TEST_P(GroupCommitTest, WhatWaitsIsCommittedTogetherUpToTheLargestBatch) {
  Make({.max_batch_operations = 128});
  for (int id = 1; id <= 256; id++) Submit({id});
  pool_.RunAll();
  EXPECT_EQ(database_.commits(), 2);
  EXPECT_EQ(Counter("operations_total"), 256);
  EXPECT_EQ(Total(), 256);
  ASSERT_EQ(results_.size(), 256u);
  for (const absl::Status& status : results_) EXPECT_OK(status);
}

TEST_P(GroupCommitTest, ManyCallersOnThreadsAreAppliedOnceEachWithFewCommits) {
  constexpr int kCallers = 8;
  constexpr int kEach = 64;
  SystemClock clock;
  const auto pool = MakeThreadPool("worker", 4);
  metrics::Registry registry;
  auto run = [this](sql::Connection& connection, absl::Span<Add* const> adds, bool) { return Run(connection, adds); };
  GroupCommit<Add> commit({.name = "adds"}, database_, *pool, clock, *random_, registry, run);
  InFlight waiting;
  std::vector<std::thread> callers;
  for (int caller = 0; caller < kCallers; caller++) {
    for (int i = 0; i < kEach; i++) waiting.Begin();
    callers.emplace_back([&, caller] {
      for (int i = 0; i < kEach; i++) {
        commit.Submit({caller * kEach + i}, absl::InfiniteFuture(), Priority::kNew, [&](absl::Status status, Add&) {
          EXPECT_OK(status);
          waiting.End();
        });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  waiting.WaitForNone();
  pool->Shutdown();
  EXPECT_EQ(Total(), kCallers * kEach);
  EXPECT_LT(batches_.size(), kCallers * kEach / 2);
}

TEST_P(GroupCommitTest, AnotherWorkerJoinsWhenEnoughWaits) {
  database_.SetMaxWriters(2);
  Make({.join_at_operations = 3});
  Submit({1});
  Submit({2});
  EXPECT_EQ(pool_.size(), 1u) << "one worker keeps up so far";
  Submit({3});
  EXPECT_EQ(pool_.size(), 2u);
  pool_.RunAll();
  EXPECT_EQ(results_.size(), 3u);
}

TEST_P(GroupCommitTest, AnotherWorkerJoinsWhenTheFirstStandsStill) {
  database_.SetMaxWriters(2);
  Make({.join_after = absl::Milliseconds(20)});
  Submit({1});
  clock_.Advance(absl::Milliseconds(19));
  Submit({2});
  EXPECT_EQ(pool_.size(), 1u);
  clock_.Advance(absl::Milliseconds(1));
  Submit({3});
  EXPECT_EQ(pool_.size(), 2u);
}

TEST_P(GroupCommitTest, WhereBatchesAreSmallNobodyWaitsForAnothersLocks) {
  database_.SetMaxWriters(2);
  Make();
  int runs = 0;
  on_run_ = [&] {
    if (runs++ == 0) {  // the first one is in its transaction
      Submit({2});
      EXPECT_EQ(pool_.size(), 1u);
    }
    return absl::OkStatus();
  };
  Submit({1});
  pool_.RunAll();
  EXPECT_EQ(results_.size(), 2u);
}

TEST_P(GroupCommitTest, AWorkerThatMustTryAgainHandsOnWhatWaits) {
  database_.SetMaxWriters(2);
  Make();
  int runs = 0;
  on_run_ = [&] {
    if (runs++ > 0) return absl::OkStatus();
    Submit({6});
    EXPECT_EQ(pool_.size(), 0u) << "one worker keeps up so far";
    return absl::AbortedError("deadlock");
  };
  for (int id = 1; id <= 5; id++) Submit({id});
  pool_.RunOne();
  EXPECT_EQ(pool_.size(), 1u) << "nobody else was woken for the last one";
  EXPECT_THAT(finished_, ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST_P(GroupCommitTest, ARefusalByTheRuleHarmsNoOther) {
  Make();
  Submit({1});
  Submit({.id = 2, .refuse = true});
  Submit({3});
  pool_.RunAll();
  EXPECT_THAT(refused_, ElementsAre(false, true, false));
  for (const absl::Status& status : results_) EXPECT_OK(status);
  EXPECT_EQ(Total(), 2);
}

TEST_P(GroupCommitTest, ABatchThatWroteNothingIsNotCommitted) {
  Make();
  Submit({.id = 1, .refuse = true});
  pool_.RunAll();
  EXPECT_OK(results_.at(0));
  EXPECT_EQ(database_.commits(), 0);
  EXPECT_EQ(database_.rollbacks(), 1);
  EXPECT_EQ(Counter("commits_total"), 0);
}

TEST_P(GroupCommitTest, AcceptedWorkGoesBeforeNewWork) {
  Make({.max_batch_operations = 2});
  Submit({1});
  Submit({2});
  Submit({3}, Priority::kAccepted);
  Submit({4});
  Submit({5}, Priority::kAccepted);
  pool_.RunAll();
  EXPECT_THAT(batches_, ElementsAre(ElementsAre(3, 5), ElementsAre(1, 2), ElementsAre(4)));
}

TEST_P(GroupCommitTest, AFullQueueRefusesAtOnceWithWhenToComeBack) {
  Make({.max_queued_operations = 2});
  for (int id = 1; id <= 3; id++) Submit({id});
  ASSERT_THAT(finished_, ElementsAre(3));
  EXPECT_THAT(results_[0], IsError(StatusCode::kResourceExhausted, "QUEUE_FULL"));
  EXPECT_TRUE(results_[0].GetPayload("type.googleapis.com/google.rpc.RetryInfo").has_value());
  EXPECT_EQ(Counter("rejected_total"), 1);
}

TEST_P(GroupCommitTest, AcceptedWorkHasAReserveThatIsBoundedToo) {
  Make({.max_queued_operations = 2});
  for (int id = 1; id <= 2; id++) Submit({id});
  for (int id = 3; id <= 5; id++) Submit({id}, Priority::kAccepted);
  EXPECT_THAT(finished_, ElementsAre(5));
  pool_.RunAll();
  EXPECT_EQ(Total(), 4);
}

TEST_P(GroupCommitTest, WhatWaitedPastItsDeadlineIsNotRun) {
  Make();
  Submit({1}, Priority::kNew, clock_.Now() + absl::Seconds(1));
  Submit({2}, Priority::kNew, clock_.Now() + absl::Seconds(3));
  clock_.Advance(absl::Seconds(2));
  pool_.RunAll();
  EXPECT_THAT(finished_, ElementsAre(1, 2));
  EXPECT_EQ(results_[0].code(), StatusCode::kDeadlineExceeded);
  EXPECT_OK(results_[1]);
  EXPECT_THAT(batches_, ElementsAre(ElementsAre(2)));
}

TEST_P(GroupCommitTest, ADeadlockIsRunAgainAsAWhole) {
  Make();
  database_.ScriptBegin(absl::AbortedError("busy"));
  database_.ScriptCommit(absl::AbortedError("deadlock"), /*happens=*/false);
  Submit({1});
  Submit({2});
  pool_.RunAll();
  EXPECT_THAT(batches_, ElementsAre(ElementsAre(1, 2), ElementsAre(1, 2)));
  EXPECT_EQ(Counter("retries_total"), 2);
  for (const absl::Status& status : results_) EXPECT_OK(status);
  EXPECT_EQ(Total(), 2);
}

TEST_P(GroupCommitTest, ABatchThatMetARowOfAnotherWriterIsRunAgain) {
  Make();
  on_run_ = [this] { return batches_.size() == 1 ? absl::AlreadyExistsError("a key is taken") : absl::OkStatus(); };
  Submit({1});
  pool_.RunAll();
  EXPECT_THAT(batches_, ElementsAre(ElementsAre(1), ElementsAre(1)));
  EXPECT_OK(results_.at(0));
  EXPECT_FALSE(in_doubt_);
  EXPECT_EQ(Total(), 1);
}

TEST_P(GroupCommitTest, ARowThatIsInTheWayForEverIsADefect) {
  Make();
  on_run_ = [] { return absl::AlreadyExistsError("a key is taken"); };
  Submit({1});
  pool_.RunAll();
  EXPECT_EQ(results_.at(0).code(), StatusCode::kInternal);
}

TEST_P(GroupCommitTest, ABatchThatKeepsDeadlockingIsSplit) {
  Make({.max_attempts = 3});
  on_run_ = [this] { return batches_.back().size() > 1 ? absl::AbortedError("deadlock") : absl::OkStatus(); };
  Submit({1});
  Submit({2});
  pool_.RunAll();
  EXPECT_THAT(batches_,
              ElementsAre(ElementsAre(1, 2), ElementsAre(1, 2), ElementsAre(1, 2), ElementsAre(1), ElementsAre(2)));
  for (const absl::Status& status : results_) EXPECT_OK(status);
}

TEST_P(GroupCommitTest, AnOperationThatDeadlocksAloneTooIsAborted) {
  Make({.max_attempts = 3});
  on_run_ = [] { return absl::AbortedError("deadlock"); };
  Submit({1});
  pool_.RunAll();
  EXPECT_EQ(batches_.size(), 3u);
  EXPECT_THAT(results_.at(0), IsError(StatusCode::kAborted, "CONTENTION"));
}

TEST_P(GroupCommitTest, ThePoisonOfABatchIsFoundAndTheOthersGoOn) {
  Make();
  for (int id = 1; id <= 8; id++) Submit({.id = id, .poison = id == 3});
  pool_.RunAll();
  ASSERT_EQ(finished_.size(), 8u);
  for (size_t i = 0; i < finished_.size(); i++) {
    if (finished_[i] == 3) {
      EXPECT_THAT(results_[i], IsError(StatusCode::kInternal, "INTERNAL"));
      EXPECT_EQ(results_[i].message().find("poison"), std::string::npos) << "inner details were told";
    } else {
      EXPECT_OK(results_[i]);
    }
  }
  EXPECT_EQ(Total(), 7);
}

TEST_P(GroupCommitTest, ADatabaseThatIsAwayIsToldToAll) {
  Make();
  database_.ScriptConnect(absl::UnavailableError("away"));
  Submit({1});
  Submit({2});
  pool_.RunAll();
  ASSERT_EQ(results_.size(), 2u);
  for (const absl::Status& status : results_) {
    EXPECT_THAT(status, IsError(StatusCode::kUnavailable, "DATABASE_UNAVAILABLE"));
  }
  Submit({3});
  pool_.RunAll();
  EXPECT_OK(results_.back());
}

TEST_P(GroupCommitTest, AConnectionThatWasLostSinceItsLastBatchIsNoFailure) {
  Make();
  Submit({1});
  pool_.RunAll();
  database_.ScriptBegin(absl::UnavailableError("gone away"));
  Submit({2});
  pool_.RunAll();
  EXPECT_OK(results_.back());
  EXPECT_EQ(Total(), 2);
}

TEST_P(GroupCommitTest, ANewConnectionThatIsLostAtOnceIsADatabaseThatIsAway) {
  Make();
  database_.ScriptBegin(absl::UnavailableError("gone away"));
  Submit({1});
  pool_.RunAll();
  EXPECT_THAT(results_.at(0), IsError(StatusCode::kUnavailable, "DATABASE_UNAVAILABLE"));
}

TEST_P(GroupCommitTest, AnUnknownCommitThatHappenedIsAppliedOnce) {
  Make();
  database_.ScriptCommit(absl::UnknownError("lost"), /*happens=*/true);
  Submit({1});
  Submit({2});
  pool_.RunAll();
  ASSERT_EQ(results_.size(), 2u);
  for (const absl::Status& status : results_) EXPECT_OK(status);
  EXPECT_EQ(Total(), 2);
  EXPECT_EQ(batches_.size(), 2u);
}

TEST_P(GroupCommitTest, AnUnknownCommitThatDidNotHappenIsAppliedOnce) {
  Make();
  const int connects = database_.connects();
  database_.ScriptCommit(absl::UnknownError("lost"), /*happens=*/false);
  Submit({1});
  Submit({2});
  pool_.RunAll();
  ASSERT_EQ(results_.size(), 2u);
  for (const absl::Status& status : results_) EXPECT_OK(status);
  EXPECT_EQ(database_.connects(), connects + 2) << "the connection whose COMMIT was lost was used again";
  EXPECT_EQ(Total(), 2);
}

TEST_P(GroupCommitTest, AnUnknownOutcomeIsLookedForWhileTheDatabaseIsAway) {
  Make();
  database_.ScriptCommit(absl::UnknownError("lost"), /*happens=*/true);
  Submit({1});
  database_.ScriptConnect(absl::OkStatus());
  for (int i = 0; i < 2; i++) database_.ScriptConnect(absl::UnavailableError("away"));
  pool_.RunAll();
  EXPECT_OK(results_.at(0));
  EXPECT_EQ(Total(), 1);
}

TEST_P(GroupCommitTest, AnOutcomeThatStaysUnknownEndsAsUnavailable) {
  Make({.unknown_outcome_max = absl::Seconds(1)});
  database_.ScriptCommit(absl::UnknownError("lost"), /*happens=*/true);
  Submit({1});
  database_.ScriptConnect(absl::OkStatus());
  for (int i = 0; i < 10'000; i++) database_.ScriptConnect(absl::UnavailableError("away"));
  const absl::Time start = clock_.Now();
  pool_.RunAll();
  EXPECT_THAT(results_.at(0), IsError(StatusCode::kUnavailable, "DATABASE_UNAVAILABLE"));
  EXPECT_LT(clock_.Now(), start + absl::Seconds(2));
}

TEST_P(GroupCommitTest, WhatWaitsBehindAnOutcomeThatStaysUnknownIsToldWithIt) {
  Make({.max_batch_operations = 1, .unknown_outcome_max = absl::Seconds(1)});
  for (int i = 0; i < 10'000; i++) database_.ScriptCommit(absl::UnknownError("lost"), /*happens=*/false);
  const absl::Time start = clock_.Now();
  Submit({1});
  Submit({2}, Priority::kAccepted);
  Submit({3});
  pool_.RunAll();
  ASSERT_EQ(results_.size(), 3u);
  for (const absl::Status& status : results_) {
    EXPECT_THAT(status, IsError(StatusCode::kUnavailable, "DATABASE_UNAVAILABLE"));
  }
  EXPECT_LT(clock_.Now(), start + absl::Seconds(2));
}

TEST_P(GroupCommitTest, WhatIsSubmittedWhenOneFinishesIsNotLost) {
  Make();
  commit_->Submit({1}, absl::InfiniteFuture(), Priority::kNew, [this](absl::Status, Add&) { Submit({2}); });
  pool_.RunAll();
  EXPECT_THAT(finished_, ElementsAre(2));
  EXPECT_EQ(Total(), 2);
}

TEST_P(GroupCommitTest, WhatWaitsWhenItEndsIsToldAndNotRun) {
  Make();
  Submit({1});
  Submit({2});
  commit_ = nullptr;
  EXPECT_THAT(finished_, ElementsAre(1, 2));
  for (const absl::Status& status : results_) EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  pool_.RunAll();  // the drain that was posted
  EXPECT_EQ(Total(), 0);
}

TEST_P(GroupCommitTest, WhatWaitsWhenThePoolEndsIsTold) {
  Make();
  Submit({1});
  pool_.Shutdown();
  Submit({2});
  commit_ = nullptr;
  EXPECT_THAT(finished_, ElementsAre(1, 2));
}

INSTANTIATE_TEST_SUITE_P(Engines, GroupCommitTest, ::testing::Values(SqliteEngine(), SimulatedEngine()), EngineName);
INSTANTIATE_TEST_SUITE_P(Servers, GroupCommitTest, ::testing::ValuesIn(ServerEngines()), EngineName);

}  // namespace
}  // namespace sagamesh
