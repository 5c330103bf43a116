#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"
#include "tests/simulation/process.h"
#include "tests/simulation/scheduler.h"
#include "tests/simulation/storage.h"

namespace sagamesh::simulation {
namespace {

using ::sagamesh::testing::HasCode;
using ::sagamesh::testing::IsOk;
using ::testing::ElementsAre;

void RunAll(Scheduler& scheduler) {
  while (scheduler.Step()) {
  }
}

TEST(Scheduler, ChoosesAnotherOrderForAnotherSeedAndTheSameForTheSame) {
  const auto order_of = [](uint64_t seed) {
    Scheduler scheduler(seed);
    std::string order;
    for (char c = 'a'; c <= 'h'; c++) scheduler.Ready([&order, c] { order += c; });
    RunAll(scheduler);
    return order;
  };
  EXPECT_EQ(order_of(1), order_of(1));
  EXPECT_NE(order_of(1), order_of(2));
}

TEST(Scheduler, RunsTimersInTheOrderOfTheirTimeWithoutWaiting) {
  Scheduler scheduler(1);
  std::vector<int> order;
  scheduler.After(absl::Hours(2), [&] { order.push_back(2); });
  scheduler.After(absl::Hours(1), [&] { order.push_back(1); });
  const absl::Time start = scheduler.now();
  RunAll(scheduler);
  EXPECT_THAT(order, ElementsAre(1, 2));
  EXPECT_GE(scheduler.now() - start, absl::Hours(2));
}

TEST(Scheduler, FibresInterleaveWhereTheyYield) {
  bool interleaved = false;
  for (uint64_t seed = 1; seed <= 5; seed++) {
    Scheduler scheduler(seed);
    std::string order;
    for (const char c : {'a', 'b'}) {
      scheduler.Spawn([&scheduler, &order, c] {
        for (int i = 0; i < 3; i++) {
          order += c;
          scheduler.Yield();
        }
      });
    }
    RunAll(scheduler);
    EXPECT_EQ(order.size(), 6u);
    interleaved = interleaved || (order != "aaabbb" && order != "bbbaaa");
  }
  EXPECT_TRUE(interleaved);
}

TEST(Scheduler, ParkEndsByWakeOrByItsLimit) {
  Scheduler scheduler(1);
  std::vector<bool> woken;
  const uint64_t first = scheduler.Spawn([&] { woken.push_back(scheduler.Park(absl::Seconds(10))); });
  scheduler.Spawn([&] { woken.push_back(scheduler.Park(absl::Seconds(20))); });
  scheduler.After(absl::Seconds(1), [&] { scheduler.Wake(first); });
  RunAll(scheduler);
  EXPECT_THAT(woken, ElementsAre(true, false));
}

TEST(EventLoop, RunsItsTasksInTheOrderTheyCame) {
  Scheduler scheduler(3);
  std::string order;
  Process process(scheduler, "p", [&](Life& life) {
    EventLoop& loop = life.MakeLoop();
    for (char c = 'a'; c <= 'f'; c++) loop.Post([&order, c] { order += c; });
  });
  process.Start();
  RunAll(scheduler);
  EXPECT_EQ(order, "abcdef");
}

TEST(WorkerPool, RunsAtMostAsManyTasksAsItHasThreads) {
  Scheduler scheduler(3);
  int running = 0;
  int most = 0;
  int done = 0;
  Process process(scheduler, "p", [&](Life& life) {
    WorkerPool& pool = life.MakePool(2);
    for (int i = 0; i < 6; i++) {
      pool.Post([&] {
        most = std::max(most, ++running);
        life.clock().SleepFor(absl::Seconds(1));
        running--;
        done++;
      });
    }
  });
  process.Start();
  RunAll(scheduler);
  EXPECT_EQ(most, 2);
  EXPECT_EQ(done, 6);
}

TEST(Process, AfterACrashNothingOfItRuns) {
  Scheduler scheduler(4);
  int effects = 0;
  Process process(scheduler, "p", [&](Life& life) {
    EventLoop& loop = life.MakeLoop();
    loop.PostAfter(absl::Seconds(5), [&effects] { effects++; });
    life.MakePool(1).Post([&effects, &life, &loop] {
      life.clock().SleepFor(absl::Seconds(5));
      loop.Post([&effects] { effects++; });
    });
  });
  process.Start();
  scheduler.RunUntil([] { return false; }, absl::Seconds(1));
  process.Crash();
  RunAll(scheduler);
  process.BuryDead();
  EXPECT_TRUE(process.all_buried());
  EXPECT_EQ(effects, 0);
}

TEST(Process, ItsObjectsLiveUntilItsFibresHaveEnded) {
  Scheduler scheduler(4);
  auto object = std::make_shared<int>(7);
  std::weak_ptr<int> watched = object;
  int seen = 0;
  Process process(scheduler, "p", [&](Life& life) {
    life.MakePool(1).Post([&, pointer = object.get()] {
      life.clock().SleepFor(absl::Seconds(5));
      seen = *pointer;
    });
    life.Own(std::move(object));
  });
  process.Start();
  scheduler.Step();
  process.Crash();
  process.BuryDead();
  EXPECT_FALSE(watched.expired());
  RunAll(scheduler);
  process.BuryDead();
  EXPECT_EQ(seen, 7);
  EXPECT_TRUE(watched.expired());
}

TEST(Scheduler, AFibreThatIsHeldGoesOnAfterItsReleaseIfSomethingWokeIt) {
  Scheduler scheduler(1);
  int done = 0;
  const uint64_t held = scheduler.Spawn([&] {
    scheduler.Park(absl::Seconds(1));
    done++;
  });
  scheduler.Step();
  scheduler.Hold(held);
  RunAll(scheduler);
  EXPECT_EQ(done, 0);
  scheduler.Release(held);
  RunAll(scheduler);
  EXPECT_EQ(done, 1);
}

TEST(Process, WhileItIsFrozenNothingOfItRunsAndAfterwardsEverythingDoes) {
  Scheduler scheduler(4);
  int effects = 0;
  Process process(scheduler, "p", [&](Life& life) {
    EventLoop& loop = life.MakeLoop();
    loop.PostAfter(absl::Seconds(2), [&effects] { effects++; });
    WorkerPool& pool = life.MakePool(1);
    pool.Post([&effects, &life, &pool] {
      life.clock().SleepFor(absl::Seconds(2));
      effects++;
      pool.Post([&effects] { effects++; });
    });
  });
  process.Start();
  scheduler.RunUntil([] { return false; }, absl::Seconds(1));
  process.FreezeFor(absl::Seconds(10));
  process.life()->WhenAwake([&effects] { effects++; });
  scheduler.RunUntil([] { return false; }, absl::Seconds(8));
  EXPECT_EQ(effects, 0);
  RunAll(scheduler);
  EXPECT_EQ(effects, 4);
}

TEST(Process, ACrashEndsAFrozenOneToo) {
  Scheduler scheduler(4);
  int effects = 0;
  Process process(scheduler, "p",
                  [&](Life& life) { life.MakePool(1).Post([&life] { life.clock().SleepFor(absl::Seconds(2)); }); });
  process.Start();
  scheduler.RunUntil([] { return false; }, absl::Seconds(1));
  process.FreezeFor(absl::Seconds(10));
  process.life()->WhenAwake([&effects] { effects++; });
  process.Crash();
  process.Start();
  RunAll(scheduler);
  process.BuryDead();
  EXPECT_TRUE(process.all_buried());
  EXPECT_FALSE(process.frozen());
  EXPECT_EQ(effects, 0);
}

TEST(TraceLog, TellsTwoRunsApartByAllThatIsComparedAndNotByWhatIsShown) {
  const auto hash_of = [](absl::string_view what, absl::string_view compared, const std::string& shown) {
    TraceLog log(false);
    log.Line(absl::Seconds(1), "who", what, 7, Compared{compared}, Shown{[&] { return shown; }});
    return log.hash();
  };
  EXPECT_EQ(hash_of("a", "b", "c"), hash_of("a", "b", "d"));
  EXPECT_NE(hash_of("a", "b", "c"), hash_of("x", "b", "c"));
  EXPECT_NE(hash_of("a", "b", "c"), hash_of("a", "x", "c"));
  EXPECT_NE(hash_of("ab", "c", ""), hash_of("a", "bc", ""));
}

TEST(TraceLog, GivesEachUuidAShortName) {
  TraceLog log(false);
  const std::string saga = "01902c5e-1111-7abc-8def-0123456789ab";
  const std::string order = "01902c5e-1111-8abc-8def-0123456789ab";
  EXPECT_EQ(log.Shorten(absl::StrCat("saga ", saga, " made ", order)), "saga s1 made o2");
  EXPECT_EQ(log.Shorten(absl::StrCat(order, "/", saga, "!")), "o2/s1!");
}

class StorageTest : public ::testing::Test {
 protected:
  // Runs `body` on a worker of a new life of `process`.
  void Run(Process& process, std::function<void(Life&)> body) {
    process.Start();
    process.life()->MakePool(1).Post([life = process.life(), body = std::move(body)] { body(*life); });
  }

  Scheduler scheduler_{5};
  Storage storage_{scheduler_, "db", 6};
};

TEST_F(StorageTest, ADatabaseOutlivesTheProcessAndItsOpenTransactionDoesNot) {
  Process process(scheduler_, "p", [](Life&) {});
  std::unique_ptr<sql::Database> database;
  Run(process, [&](Life& life) {
    database = storage_.Open(life);
    auto connection = database->Connect(sql::Access::kWrite);
    ASSERT_OK(connection);
    ASSERT_OK((*connection)->Execute("CREATE TABLE t (a INTEGER)"));
    ASSERT_OK((*connection)->Execute("INSERT INTO t VALUES (1)"));
    ASSERT_OK((*connection)->Begin());
    ASSERT_OK((*connection)->Execute("INSERT INTO t VALUES (2)"));
    life.clock().SleepFor(absl::Seconds(10));
    EXPECT_THAT((*connection)->Commit(), HasCode(absl::StatusCode::kUnavailable));
    EXPECT_FALSE((*connection)->alive());
  });
  scheduler_.RunUntil([] { return false; }, absl::Seconds(1));
  process.Crash();
  std::unique_ptr<sql::Database> again;
  int64_t rows = -1;
  Run(process, [&](Life& life) {
    again = storage_.Open(life);
    auto connection = again->Connect(sql::Access::kWrite);
    ASSERT_OK(connection);
    ASSERT_OK((*connection)->Begin());
    rows = (*connection)->Query("SELECT COUNT(*) FROM t")->at(0).Int(0);
    ASSERT_OK((*connection)->Commit());
  });
  RunAll(scheduler_);
  EXPECT_EQ(rows, 1);
}

TEST_F(StorageTest, ReadersSeeCommittedRowsOnlyAndWritersWriteSideBySide) {
  Process process(scheduler_, "p", [](Life&) {});
  process.Start();
  Life& life = *process.life();
  const std::unique_ptr<sql::Database> database = storage_.Open(life);
  WorkerPool& pool = life.MakePool(4);
  int writing = 0;
  int most = 0;
  bool seen_uncommitted = false;
  pool.Post([&] {
    ASSERT_OK((*database->Connect(sql::Access::kWrite))->Execute("CREATE TABLE t (a INTEGER)"));
    for (int i = 0; i < 2; i++) {
      pool.Post([&] {
        auto connection = *database->Connect(sql::Access::kWrite);
        ASSERT_OK(connection->Begin());
        most = std::max(most, ++writing);
        ASSERT_OK(connection->Execute("INSERT INTO t VALUES (1)"));
        ASSERT_OK(connection->Execute("INSERT INTO t VALUES (1)"));
        life.clock().SleepFor(absl::Milliseconds(1));
        writing--;
        ASSERT_OK(connection->Commit());
      });
    }
    pool.Post([&] {
      auto connection = *database->Connect(sql::Access::kRead);
      for (int i = 0; i < 8; i++) {
        const auto rows = connection->Query("SELECT COUNT(*) FROM t");
        ASSERT_OK(rows);
        seen_uncommitted = seen_uncommitted || rows->at(0).Int(0) % 2 != 0;
      }
    });
  });
  RunAll(scheduler_);
  EXPECT_FALSE(seen_uncommitted);
  EXPECT_EQ(most, 2) << "the other was not let in";
  EXPECT_EQ(storage_.counts().commits, 2);
  EXPECT_FALSE(storage_.writing());
}

TEST_F(StorageTest, AStatementWaitsForARowsLockAndNoLongerThanItsLimit) {
  Process process(scheduler_, "p", [](Life&) {});
  process.Start();
  Life& life = *process.life();
  const std::unique_ptr<sql::Database> database = storage_.Open(life);
  WorkerPool& pool = life.MakePool(3);
  std::vector<std::string> order;
  const auto update = [&](absl::Duration holds) {
    auto connection = *database->Connect(sql::Access::kWrite);
    ASSERT_OK(connection->Begin());
    const absl::Status status = connection->Execute("UPDATE t SET a=a+1 WHERE k=1").status();
    order.push_back(absl::StatusCodeToString(status.code()));
    if (!status.ok()) return;
    life.clock().SleepFor(holds);
    ASSERT_OK(connection->Commit());
  };
  pool.Post([&] {
    auto connection = *database->Connect(sql::Access::kWrite);
    ASSERT_OK(connection->Execute("CREATE TABLE t (k INTEGER PRIMARY KEY, a INTEGER)"));
    ASSERT_OK(connection->Execute("INSERT INTO t VALUES (1, 0)"));
    pool.Post([&] { update(absl::Seconds(1)); });
    pool.Post([&] { update(absl::Seconds(1)); });
  });
  RunAll(scheduler_);
  EXPECT_THAT(order, ElementsAre("OK", "OK"));
  pool.Post([&] { update(absl::Minutes(1)); });
  pool.Post([&] { update(absl::Minutes(1)); });
  RunAll(scheduler_);
  EXPECT_THAT(order, ElementsAre("OK", "OK", "OK", "ABORTED"));
  EXPECT_EQ((*storage_.Look())->Query("SELECT a FROM t")->at(0).Int(0), 3);
  EXPECT_EQ(storage_.lock_counts().waits, 2);
  EXPECT_EQ(storage_.lock_counts().timeouts, 1);
}

TEST_F(StorageTest, AProcessThatDiesWhileItWaitsForALockLeavesNoneBehind) {
  Process holder(scheduler_, "holder", [](Life&) {});
  Process waiter(scheduler_, "waiter", [](Life&) {});
  std::unique_ptr<sql::Database> holders;
  std::unique_ptr<sql::Database> waiters;
  int64_t changed = 0;
  Run(holder, [&](Life& life) {
    holders = storage_.Open(life);
    auto connection = *holders->Connect(sql::Access::kWrite);
    ASSERT_OK(connection->Execute("CREATE TABLE t (k INTEGER PRIMARY KEY, a INTEGER)"));
    ASSERT_OK(connection->Execute("INSERT INTO t VALUES (1, 0), (2, 0)"));
    ASSERT_OK(connection->Begin());
    ASSERT_OK(connection->Execute("UPDATE t SET a=1 WHERE k=1"));
    life.clock().SleepFor(absl::Seconds(3));
    changed = *connection->Execute("UPDATE t SET a=1 WHERE k=2");
    ASSERT_OK(connection->Commit());
  });
  scheduler_.RunUntil([] { return false; }, absl::Seconds(1));
  Run(waiter, [&](Life& life) {
    waiters = storage_.Open(life);
    auto connection = *waiters->Connect(sql::Access::kWrite);
    ASSERT_OK(connection->Begin());
    ASSERT_OK(connection->Execute("UPDATE t SET a=2 WHERE k=2"));
    EXPECT_THAT(connection->Execute("UPDATE t SET a=2 WHERE k=1"), HasCode(absl::StatusCode::kUnavailable));
  });
  scheduler_.RunUntil([&] { return storage_.lock_counts().waits == 1; }, absl::Seconds(1));
  waiter.Crash();
  RunAll(scheduler_);
  EXPECT_EQ(changed, 1);
  EXPECT_EQ(storage_.lock_counts().waits, 1);
  EXPECT_EQ((*storage_.Look())->Query("SELECT SUM(a) FROM t")->at(0).Int(0), 2);
}

TEST_F(StorageTest, AnUnknownCommitIsDoneOrNotAndARepeatedTransactionFindsOut) {
  Process process(scheduler_, "p", [](Life&) {});
  process.Start();
  Life& life = *process.life();
  const std::unique_ptr<sql::Database> database = storage_.Open(life);
  int rows = 0;
  life.MakePool(1).Post([&] {
    ASSERT_OK((*database->Connect(sql::Access::kWrite))->Execute("CREATE TABLE t (a INTEGER PRIMARY KEY)"));
    storage_.faults = {.unknown_done = 0.3, .unknown_lost = 0.3, .unknown_late = 0.3};
    for (int i = 0; i < 50; i++) {
      while (true) {
        auto connection = *database->Connect(sql::Access::kWrite);
        ASSERT_OK(connection->Begin());
        // It waits for the transaction before it, which the server may still have.
        const absl::Status inserted =
            connection->Execute("INSERT INTO t VALUES (?)", {sql::Value(int64_t{i})}).status();
        if (absl::IsAlreadyExists(inserted)) break;
        ASSERT_OK(inserted);
        const absl::Status status = connection->Commit();
        if (status.ok()) break;
        EXPECT_THAT(status, HasCode(absl::StatusCode::kUnknown));
        EXPECT_FALSE(connection->alive());
      }
      rows++;
    }
  });
  RunAll(scheduler_);
  EXPECT_EQ(rows, 50);
  EXPECT_GT(storage_.counts().unknown_done, 0);
  EXPECT_GT(storage_.counts().unknown_lost, 0);
  EXPECT_GT(storage_.counts().unknown_late, 0);
  auto look = storage_.Look();
  ASSERT_OK(look);
  EXPECT_EQ((*look)->Query("SELECT COUNT(*) FROM t")->at(0).Int(0), 50);
}

TEST_F(StorageTest, AProcessThatIsCutOffReachesItAsLittleAsOneThatIsAwayAndAPeerDoes) {
  Process cut(scheduler_, "p/1", [](Life&) {});
  Process peer(scheduler_, "p/2", [](Life&) {});
  storage_.CutOffFor("p/1", absl::Seconds(10));
  std::vector<std::unique_ptr<sql::Database>> databases;
  std::vector<bool> reached;
  for (Process* process : {&cut, &peer}) {
    Run(*process, [&](Life& life) {
      databases.push_back(storage_.Open(life));
      reached.push_back(databases.back()->Connect(sql::Access::kRead).ok());
    });
    RunAll(scheduler_);
  }
  EXPECT_THAT(reached, ElementsAre(false, true));
}

TEST_F(StorageTest, ACommitToASlowDiskTakesLongAndIsLostIfTheProcessDiesMeanwhile) {
  Process process(scheduler_, "p", [](Life&) {});
  std::unique_ptr<sql::Database> database;
  int committed = 0;
  absl::Duration took;
  Run(process, [&](Life& life) {
    database = storage_.Open(life);
    auto connection = *database->Connect(sql::Access::kWrite);
    ASSERT_OK(connection->Execute("CREATE TABLE t (a INTEGER)"));
    storage_.SlowDiskFor(absl::Hours(1));
    while (life.alive()) {
      ASSERT_OK(connection->Begin());
      ASSERT_OK(connection->Execute("INSERT INTO t VALUES (1)"));
      const absl::Time began = scheduler_.now();
      const absl::Status status = connection->Commit();
      if (!status.ok()) break;
      took = scheduler_.now() - began;
      committed++;
    }
  });
  scheduler_.RunUntil([&] { return committed == 3; }, absl::Minutes(1));
  scheduler_.RunUntil([&] { return storage_.counts().slow_commits == 4; }, absl::Minutes(1));
  process.Crash();
  RunAll(scheduler_);
  EXPECT_GE(took, Storage::kSlowDiskMin);
  EXPECT_EQ((*storage_.Look())->Query("SELECT COUNT(*) FROM t")->at(0).Int(0), 3);
}

}  // namespace
}  // namespace sagamesh::simulation
