#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"
#include "tests/simulation/network.h"
#include "tests/simulation/process.h"
#include "tests/simulation/scheduler.h"
#include "tests/simulation/storage.h"
#include "tests/simulation/temp_dir.h"

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

class StorageTest : public ::testing::Test {
 protected:
  // Runs `body` on a worker of a new life of `process`.
  void Run(Process& process, std::function<void(Life&)> body) {
    process.Start();
    process.life()->MakePool(1).Post([life = process.life(), body = std::move(body)] { body(*life); });
  }

  TempDir directory_;
  Scheduler scheduler_{5};
  Storage storage_{scheduler_, "db", directory_.path(), 6};
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

TEST_F(StorageTest, ReadersSeeCommittedRowsOnlyAndOneWriterWritesAtATime) {
  Process process(scheduler_, "p", [](Life&) {});
  process.Start();
  Life& life = *process.life();
  const std::unique_ptr<sql::Database> database = storage_.Open(life);
  WorkerPool& pool = life.MakePool(4);
  int writing = 0;
  bool seen_uncommitted = false;
  pool.Post([&] {
    ASSERT_OK((*database->Connect(sql::Access::kWrite))->Execute("CREATE TABLE t (a INTEGER)"));
    for (int i = 0; i < 2; i++) {
      pool.Post([&] {
        auto connection = *database->Connect(sql::Access::kWrite);
        ASSERT_OK(connection->Begin());
        EXPECT_EQ(++writing, 1);
        ASSERT_OK(connection->Execute("INSERT INTO t VALUES (1)"));
        ASSERT_OK(connection->Execute("INSERT INTO t VALUES (1)"));
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
  EXPECT_EQ(storage_.counts().commits, 2);
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
        const bool there = !connection->Query("SELECT 1 FROM t WHERE a=?", {sql::Value(int64_t{i})})->empty();
        if (there) break;
        ASSERT_OK(connection->Execute("INSERT INTO t VALUES (?)", {sql::Value(int64_t{i})}));
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

class NetworkTest : public ::testing::Test {
 protected:
  // Answers "<request>!" after `takes`.
  Process::Boot Echo(absl::Duration takes) {
    return [this, takes](Life& life) {
      EventLoop& loop = life.MakeLoop();
      network_.Listen(
          life, [this, &loop, takes](const std::string&, std::string request, CallContext, Network::Reply reply) {
            handled_++;
            loop.PostAfter(takes, [request, reply = std::move(reply)]() mutable { reply(request + "!", {}); });
          });
    };
  }
  void Call(absl::Duration timeout) {
    CallContext context;
    context.deadline = scheduler_.now() + timeout;
    network_.Call(nullptr, "echo", "m", "hello", context, [this](absl::StatusOr<std::string> reply, ReplyInfo) {
      replies_.push_back(reply.ok() ? *reply : absl::StatusCodeToString(reply.status().code()));
    });
  }

  Scheduler scheduler_{7};
  Network network_{scheduler_, 8};
  int handled_ = 0;
  std::vector<std::string> replies_;
};

TEST_F(NetworkTest, ACallGetsItsReply) {
  Process echo(scheduler_, "echo", Echo(absl::Milliseconds(1)));
  echo.Start();
  Call(absl::Seconds(1));
  RunAll(scheduler_);
  EXPECT_THAT(replies_, ElementsAre("hello!"));
}

TEST_F(NetworkTest, ALostRequestEndsByItsDeadlineUnhandled) {
  Process echo(scheduler_, "echo", Echo(absl::Milliseconds(1)));
  echo.Start();
  network_.faults.lose_request = 1;
  Call(absl::Seconds(1));
  RunAll(scheduler_);
  EXPECT_THAT(replies_, ElementsAre("DEADLINE_EXCEEDED"));
  EXPECT_EQ(handled_, 0);
}

TEST_F(NetworkTest, ADuplicateIsHandledTwiceAndAnsweredOnce) {
  Process echo(scheduler_, "echo", Echo(absl::Milliseconds(1)));
  echo.Start();
  network_.faults.duplicate = 1;
  Call(absl::Seconds(1));
  RunAll(scheduler_);
  EXPECT_THAT(replies_, ElementsAre("hello!"));
  EXPECT_EQ(handled_, 2);
}

TEST_F(NetworkTest, EndsThatAreCutOffDoNotReachEachOtherForAWhile) {
  Process echo(scheduler_, "echo", Echo(absl::Milliseconds(1)));
  echo.Start();
  network_.CutFor("", "echo", absl::Seconds(2));
  Call(absl::Seconds(1));
  RunAll(scheduler_);
  EXPECT_THAT(replies_, ElementsAre("DEADLINE_EXCEEDED"));
  EXPECT_EQ(handled_, 0);
  scheduler_.After(absl::Seconds(2), [] {});
  RunAll(scheduler_);
  Call(absl::Seconds(1));
  RunAll(scheduler_);
  EXPECT_EQ(replies_.back(), "hello!");
  EXPECT_EQ(network_.counts().cut, 1);
}

TEST_F(NetworkTest, AReplyThatFindsItsCallerCutOffIsLost) {
  Process echo(scheduler_, "echo", Echo(absl::Milliseconds(500)));
  echo.Start();
  Call(absl::Seconds(1));
  scheduler_.RunUntil([this] { return handled_ == 1; }, absl::Seconds(1));
  network_.CutFor("echo", "", absl::Seconds(5));
  RunAll(scheduler_);
  EXPECT_THAT(replies_, ElementsAre("DEADLINE_EXCEEDED"));
}

TEST_F(NetworkTest, WhatArrivedIsKeptWithItsAnswerAlsoIfItIsLost) {
  Process echo(scheduler_, "echo", Echo(absl::Milliseconds(1)));
  echo.Start();
  network_.faults.lose_reply = 1;
  Call(absl::Seconds(1));
  RunAll(scheduler_);
  ASSERT_EQ(network_.exchanges().size(), 1u);
  const Exchange& exchange = network_.exchanges()[0];
  EXPECT_EQ(exchange.request, "hello");
  ASSERT_TRUE(exchange.reply.has_value());
  EXPECT_EQ(**exchange.reply, "hello!");
  EXPECT_GT(exchange.answered, exchange.arrived);
}

TEST_F(NetworkTest, ADeadlineIsByTheClockOfWhoReadsIt) {
  absl::Time deadline;
  absl::Time now;
  Process echo(scheduler_, "echo", [&](Life& life) {
    network_.Listen(life, [&](const std::string&, std::string, CallContext context, Network::Reply reply) {
      deadline = context.deadline;
      now = life.clock().Now();
      reply("", {});
    });
  });
  echo.SetClockError(absl::Hours(1));
  echo.Start();
  Call(absl::Seconds(1));
  RunAll(scheduler_);
  EXPECT_EQ(deadline, now + absl::Seconds(1));
  EXPECT_GT(now, scheduler_.now() + absl::Minutes(59));
}

TEST_F(NetworkTest, ACallToAProcessThatIsDownOrDiesIsUnavailable) {
  Process echo(scheduler_, "echo", Echo(absl::Seconds(5)));
  Call(absl::Seconds(10));
  RunAll(scheduler_);
  echo.Start();
  Call(absl::Seconds(10));
  scheduler_.RunUntil([] { return false; }, absl::Seconds(1));
  echo.Crash();
  RunAll(scheduler_);
  EXPECT_THAT(replies_, ElementsAre("UNAVAILABLE", "UNAVAILABLE"));
  EXPECT_EQ(handled_, 1);
}

}  // namespace
}  // namespace sagamesh::simulation
