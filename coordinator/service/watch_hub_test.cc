#include "coordinator/service/watch_hub.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/testing/status_matchers.h"

namespace sagamesh::coordinator {
namespace {

using engine::SagaRecord;
using testing::HasCode;
using testing::IsError;

SagaRecord Change(const std::string& id, uint64_t version, int64_t updated_ms = 100'000) {
  SagaRecord record;
  record.saga_id = id;
  record.definition = "process_order";
  record.version = version;
  record.updated = absl::FromUnixMillis(updated_ms);
  return record;
}

// Answers pages when the test says so.
struct FakeJournal {
  struct Read {
    int64_t updated_ms;
    std::string saga_id;
    absl::AnyInvocable<void(absl::StatusOr<std::vector<SagaRecord>>)> done;
  };
  std::vector<Read> reads;

  bool peers = false;
  int64_t oldest_untold_ms = 1'000'000;

  ChangeSource Source() {
    return {.peers = peers,
            .find_oldest_untold_ms = [this](auto done) { done(oldest_untold_ms); },
            .read = [this](int64_t updated_ms, std::string saga_id, int limit,
                           auto done) { reads.push_back({updated_ms, std::move(saga_id), std::move(done)}); }};
  }
  void Answer(std::vector<SagaRecord> page) {
    auto done = std::move(reads.back().done);
    done(std::move(page));
  }
};

// One Next: empty until it is done.
struct Pull {
  std::optional<absl::StatusOr<WatchedChange>> result;
  void From(Watcher& watcher) {
    result.reset();
    watcher.Next([this](absl::StatusOr<WatchedChange> change) { result = std::move(change); });
  }
};

class WatchHubTest : public ::testing::Test {
 protected:
  WatchHubTest() : hub_({.max_watchers = 2, .max_buffered_changes = 4, .page_sagas = 3}) {}

  std::shared_ptr<Watcher> Watch(WatchFilter filter = {}, std::optional<WatchPosition> from = std::nullopt) {
    auto watcher = hub_.Watch(std::move(filter), std::move(from), journal_.Source());
    EXPECT_OK(watcher);
    return *watcher;
  }
  void Publish(SagaRecord record) { hub_.Publish({&record, 1}, journal_.oldest_untold_ms); }
  // "id/version" of what comes next, "" if it must be waited for.
  std::string Next(Watcher& watcher) {
    pull_.From(watcher);
    return Result();
  }
  std::string Result() const {
    if (!pull_.result.has_value()) return "";
    if (!pull_.result->ok()) return std::string(pull_.result->status().message());
    return (*pull_.result)->saga.saga_id + "/" + std::to_string((*pull_.result)->saga.version);
  }

  int64_t Position() const { return pull_.result.value()->position.updated_ms; }

  FakeJournal journal_;
  WatchHub hub_;
  Pull pull_;
};

TEST_F(WatchHubTest, AWatcherIsToldWhatIsCommittedFromNowOn) {
  Publish(Change("a", 1));
  auto watcher = Watch();
  EXPECT_EQ(Next(*watcher), "");
  Publish(Change("a", 2));
  EXPECT_EQ(Result(), "a/2");
  Publish(Change("a", 3));
  Publish(Change("b", 1));
  EXPECT_EQ(Next(*watcher), "a/3");
  EXPECT_EQ(Next(*watcher), "b/1");
  watcher->Cancel();
}

TEST_F(WatchHubTest, AFilterHidesOtherSagasAndDefinitions) {
  auto one = Watch({.saga_id = "b"});
  auto other = Watch({.definition = "another"});
  Publish(Change("a", 1));
  Publish(Change("b", 1));
  EXPECT_EQ(Next(*one), "b/1");
  EXPECT_EQ(Next(*other), "");
  other->Cancel();
  one->Cancel();
}

TEST_F(WatchHubTest, AWatcherThatDoesNotReadIsEndedAndOthersAreNot) {
  auto slow = Watch();
  auto quick = Watch();
  for (uint64_t i = 1; i <= 5; i++) {
    Publish(Change("a", i));
    EXPECT_EQ(Next(*quick), "a/" + std::to_string(i));
  }
  pull_.From(*slow);
  EXPECT_THAT(*pull_.result, IsError(absl::StatusCode::kResourceExhausted, "WATCHER_TOO_SLOW"));
  quick->Cancel();
}

TEST_F(WatchHubTest, AResumedWatchReadsPagesFromALittleBeforeItsPositionThenGoesOnLive) {
  auto watcher = Watch({}, WatchPosition{100'000});
  EXPECT_EQ(Next(*watcher), "");
  ASSERT_EQ(journal_.reads.size(), 1u);
  EXPECT_LT(journal_.reads[0].updated_ms, 100'000);
  journal_.Answer({Change("a", 1, 99'000), Change("b", 1, 100'000), Change("c", 4, 100'500)});
  EXPECT_EQ(Result(), "a/1");
  EXPECT_EQ(Next(*watcher), "b/1");
  EXPECT_EQ(Next(*watcher), "c/4");
  EXPECT_EQ(Next(*watcher), "");
  EXPECT_EQ(journal_.reads[1].updated_ms, 100'500);
  EXPECT_EQ(journal_.reads[1].saga_id, "c");
  journal_.Answer({Change("c", 4, 100'500)});
  EXPECT_EQ(Result(), "");
  Publish(Change("d", 1, 101'000));
  EXPECT_EQ(Result(), "d/1");
  watcher->Cancel();
}

TEST_F(WatchHubTest, WhatWasReadFromTheJournalIsNotToldAgainByALateCommit) {
  auto watcher = Watch({}, WatchPosition{100'000});
  EXPECT_EQ(Next(*watcher), "");
  Publish(Change("a", 2));
  journal_.Answer({Change("a", 3)});
  EXPECT_EQ(Result(), "a/3");
  Publish(Change("a", 3));
  Publish(Change("a", 4));
  EXPECT_EQ(Next(*watcher), "a/4");
  watcher->Cancel();
}

TEST_F(WatchHubTest, ChangesThatOverflowWhileItCatchesUpAreReadFromTheJournal) {
  auto watcher = Watch({}, WatchPosition{100'000});
  EXPECT_EQ(Next(*watcher), "");
  for (uint64_t i = 1; i <= 6; i++) Publish(Change("a", i));
  journal_.Answer({});
  EXPECT_EQ(Result(), "");
  ASSERT_EQ(journal_.reads.size(), 2u);
  journal_.Answer({Change("a", 6)});
  EXPECT_EQ(Result(), "a/6");
  Publish(Change("b", 1));
  EXPECT_EQ(Next(*watcher), "b/1");
  watcher->Cancel();
}

TEST_F(WatchHubTest, AWatchStandsBeforeWhatIsCommittedButNotToldYet) {
  auto watcher = Watch();
  EXPECT_EQ(Next(*watcher), "");
  journal_.oldest_untold_ms = 93'000;
  Publish(Change("a", 1, 100'000));
  EXPECT_EQ(Position(), 93'000);
  journal_.oldest_untold_ms = 200'000;
  EXPECT_EQ(Next(*watcher), "");
  Publish(Change("b", 1, 100'001));
  EXPECT_EQ(Position(), 100'001);
  watcher->Cancel();
}

TEST_F(WatchHubTest, WhileItCatchesUpAWatchStandsBeforeWhatWasNotToldWhenItBegan) {
  journal_.oldest_untold_ms = 99'500;
  auto watcher = Watch({}, WatchPosition{100'000});
  EXPECT_EQ(Next(*watcher), "");
  journal_.oldest_untold_ms = 200'000;
  journal_.Answer({Change("a", 1, 99'000), Change("b", 1, 100'000)});
  EXPECT_EQ(Position(), 99'000);
  EXPECT_EQ(Next(*watcher), "b/1");
  EXPECT_EQ(Position(), 99'500);
  watcher->Cancel();
}

TEST_F(WatchHubTest, AfterAnOverflowItReadsAgainWhatWasNotToldWhenItBegan) {
  journal_.oldest_untold_ms = 50'000;
  auto watcher = Watch({}, WatchPosition{100'000});
  EXPECT_EQ(Next(*watcher), "");
  for (uint64_t i = 1; i <= 6; i++) Publish(Change("a", i));
  journal_.Answer({});
  ASSERT_EQ(journal_.reads.size(), 2u);
  EXPECT_LT(journal_.reads[1].updated_ms, 50'000);
  watcher->Cancel();
}

TEST_F(WatchHubTest, WithPeersAWatchFromNowOnBeginsWhereTheyMayStillStamp) {
  journal_.peers = true;
  journal_.oldest_untold_ms = 99'000;
  auto watcher = Watch();
  EXPECT_EQ(Next(*watcher), "");
  ASSERT_EQ(journal_.reads.size(), 1u);
  EXPECT_EQ(journal_.reads[0].updated_ms, 99'000);
  EXPECT_EQ(hub_.floor_ms(), 99'000);
  journal_.Answer({});
  // One of ours, and a peer's that is found later though it was stamped before.
  Publish(Change("ours", 1, 100'000));
  EXPECT_EQ(Result(), "ours/1");
  EXPECT_EQ(Position(), 99'000);
  EXPECT_EQ(Next(*watcher), "");
  Publish(Change("peers", 1, 99'500));
  EXPECT_EQ(Result(), "peers/1");
  watcher->Cancel();
}

TEST_F(WatchHubTest, WithPeersAVersionIsToldOnceWhoeverFindsIt) {
  journal_.peers = true;
  journal_.oldest_untold_ms = 99'000;
  auto watcher = Watch();
  EXPECT_EQ(Next(*watcher), "");
  journal_.Answer({});
  Publish(Change("a", 1, 99'500));
  EXPECT_EQ(Result(), "a/1");
  Publish(Change("a", 1, 99'500));
  Publish(Change("b", 1, 99'600));
  EXPECT_EQ(Next(*watcher), "b/1");
  watcher->Cancel();
}

TEST_F(WatchHubTest, TheFloorRisesFromWhereItIsAloneAndGoesWithTheLastWatcher) {
  journal_.peers = true;
  journal_.oldest_untold_ms = 99'000;
  auto watcher = Watch();
  EXPECT_EQ(Next(*watcher), "");
  journal_.oldest_untold_ms = 98'000;
  auto other = Watch();
  Pull pull;
  pull.From(*other);
  EXPECT_EQ(hub_.floor_ms(), 98'000);
  hub_.RaiseFloor(99'000, 120'000);
  EXPECT_EQ(hub_.floor_ms(), 98'000) << "what lies between is not told yet";
  hub_.RaiseFloor(98'000, 120'000);
  EXPECT_EQ(hub_.floor_ms(), 120'000);
  watcher->Cancel();
  EXPECT_EQ(hub_.floor_ms(), 120'000);
  other->Cancel();
  EXPECT_EQ(hub_.floor_ms(), std::nullopt);
}

TEST_F(WatchHubTest, AJournalThatIsAwayEndsAWatchThatCatchesUp) {
  auto watcher = Watch({}, WatchPosition{100'000});
  pull_.From(*watcher);
  auto done = std::move(journal_.reads.back().done);
  done(absl::UnavailableError("away"));
  EXPECT_THAT(*pull_.result, HasCode(absl::StatusCode::kUnavailable));
}

TEST_F(WatchHubTest, CancelEndsTheOneWhoWaitsAndMakesRoom) {
  auto watcher = Watch();
  auto other = Watch();
  EXPECT_THAT(hub_.Watch({}, std::nullopt, journal_.Source()),
              IsError(absl::StatusCode::kResourceExhausted, "TOO_MANY_WATCHERS"));
  pull_.From(*watcher);
  watcher->Cancel();
  EXPECT_THAT(*pull_.result, HasCode(absl::StatusCode::kCancelled));
  auto third = Watch();
  other->Cancel();
  third->Cancel();
}

TEST_F(WatchHubTest, ACloseEndsEveryWatchAndThoseToCome) {
  auto watcher = Watch();
  pull_.From(*watcher);
  hub_.Close();
  EXPECT_THAT(*pull_.result, IsError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN"));
  EXPECT_THAT(hub_.Watch({}, std::nullopt, journal_.Source()),
              IsError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN"));
}

}  // namespace
}  // namespace sagamesh::coordinator
