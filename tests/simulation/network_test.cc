#include "tests/simulation/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/simulation/process.h"
#include "tests/simulation/scheduler.h"

namespace sagamesh::simulation {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

void RunAll(Scheduler& scheduler) {
  while (scheduler.Step()) {
  }
}

class NetworkTest : public ::testing::Test {
 protected:
  // Answers "<request>!" after `takes`.
  Process::Boot Echo(absl::Duration takes) {
    return [this, takes](Life& life) {
      EventLoop& loop = life.MakeLoop();
      network_.Listen(life, [this, &loop, takes](Exchange& exchange, Network::Reply reply) {
        handled_++;
        loop.PostAfter(takes,
                       [request = exchange.request, reply = std::move(reply)]() mutable { reply(request + "!", {}); });
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
    network_.Listen(life, [&](Exchange& exchange, Network::Reply reply) {
      deadline = exchange.context.deadline;
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

// Two replicas of a service; each answers with its own name.
class ReplicasTest : public ::testing::Test {
 protected:
  ReplicasTest() {
    for (const std::string name : {"echo/1", "echo/2"}) {
      network_.AddReplica(name);
      replicas_.push_back(std::make_unique<Process>(scheduler_, name, [this](Life& life) {
        network_.Listen(life, [&life](Exchange&, Network::Reply reply) { reply(life.name(), {}); });
      }));
      replicas_.back()->Start();
    }
  }

  void Call(const std::string& to, Life* from = nullptr) {
    CallContext context;
    context.deadline = scheduler_.now() + absl::Seconds(1);
    network_.Call(from, to, "m", "hello", context, [this](absl::StatusOr<std::string> reply, ReplyInfo) {
      replies_[reply.ok() ? *reply : absl::StatusCodeToString(reply.status().code())]++;
    });
  }

  Scheduler scheduler_{7};
  Network network_{scheduler_, 8};
  std::vector<std::unique_ptr<Process>> replicas_;
  std::map<std::string, int> replies_;
};

TEST_F(ReplicasTest, CallsOfAServiceReachEachOfItsReplicasAndThoseOfAReplicaOnlyIt) {
  for (int i = 0; i < 20; i++) Call("echo");
  RunAll(scheduler_);
  EXPECT_GT(replies_["echo/1"], 0);
  EXPECT_EQ(replies_["echo/1"] + replies_["echo/2"], 20);
  replies_.clear();
  for (int i = 0; i < 20; i++) Call("echo/2");
  RunAll(scheduler_);
  EXPECT_THAT(replies_, ElementsAre(Pair("echo/2", 20)));
}

TEST_F(ReplicasTest, AReplicaThatIsDownIsMostlyNoticed) {
  replicas_[0]->Crash();
  for (int i = 0; i < 200; i++) Call("echo");
  RunAll(scheduler_);
  EXPECT_GT(replies_["UNAVAILABLE"], 0);
  EXPECT_LT(replies_["UNAVAILABLE"], 40);
  EXPECT_EQ(replies_["echo/2"] + replies_["UNAVAILABLE"], 200);
  EXPECT_EQ(network_.counts().to_the_dead, replies_["UNAVAILABLE"]);
}

TEST_F(ReplicasTest, AnotherReplicaThanTheLastIsChosenWhereThereIsOne) {
  for (int i = 0; i < 20; i++) EXPECT_EQ(network_.Choose("echo", "echo/1"), "echo/2");
  network_.AddReplica("lone/1");
  EXPECT_EQ(network_.Choose("lone", "lone/1"), "lone/1");
}

TEST_F(ReplicasTest, WhatIsSentToAFrozenOneArrivesWhenItGoesOn) {
  replicas_[0]->FreezeFor(absl::Seconds(5));
  Call("echo/1");
  RunAll(scheduler_);
  EXPECT_THAT(replies_, ElementsAre(Pair("DEADLINE_EXCEEDED", 1)));
  ASSERT_EQ(network_.exchanges().size(), 1u);
  EXPECT_GE(network_.exchanges()[0].arrived, scheduler_.now() - absl::Seconds(2));
  EXPECT_EQ(network_.exchanges()[0].callee, "echo/1");
  EXPECT_EQ(network_.counts().frozen, 1);
}

TEST_F(ReplicasTest, AFrozenCallerHearsOfItsReplyWhenItGoesOn) {
  Call("echo/2", replicas_[0]->life());
  replicas_[0]->FreezeFor(absl::Seconds(5));
  scheduler_.RunUntil([] { return false; }, absl::Seconds(4));
  EXPECT_THAT(replies_, IsEmpty());
  RunAll(scheduler_);
  EXPECT_EQ(replies_.size(), 1u);
  EXPECT_EQ(network_.exchanges()[0].caller, "echo/1#1");
}

}  // namespace
}  // namespace sagamesh::simulation
