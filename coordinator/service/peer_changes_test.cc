#include "coordinator/service/peer_changes.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"

namespace sagamesh::coordinator {
namespace {

using engine::SagaRecord;

// A loop whose tasks and timers run when the test says so.
class ManualLoop final : public EventLoop {
 public:
  void Post(Task task) override { PostAfter(absl::ZeroDuration(), std::move(task)); }
  void PostAfter(absl::Duration, Task task) override { tasks_.push_back(std::move(task)); }
  void Shutdown() override { tasks_.clear(); }

  // What is there now, not what that posts.
  void Turn() {
    std::deque<Task> tasks = std::move(tasks_);
    tasks_.clear();
    for (Task& task : tasks) std::move(task)();
  }

 private:
  std::deque<Task> tasks_;
};

// Answers from its rows at once.
struct FakeJournal {
  std::vector<SagaRecord> rows;  // by time
  int64_t oldest_untold_ms = 0;
  bool peers = true;
  bool away = false;
  int questions = 0;

  ChangeSource Source() {
    return {.peers = peers,
            .find_oldest_untold_ms =
                [this](auto done) {
                  questions++;
                  if (away) return done(absl::UnavailableError("away"));
                  done(oldest_untold_ms);
                },
            .read =
                [this](int64_t updated_ms, const std::string& saga_id, int limit, auto done) {
                  std::vector<SagaRecord> page;
                  for (const SagaRecord& row : rows) {
                    const int64_t row_ms = absl::ToUnixMillis(row.updated);
                    const bool after = row_ms > updated_ms || (row_ms == updated_ms && row.saga_id >= saga_id);
                    if (after && page.size() < static_cast<size_t>(limit)) page.push_back(row);
                  }
                  done(std::move(page));
                }};
  }
  void Change(const std::string& id, int64_t updated_ms) {
    SagaRecord record;
    record.saga_id = id;
    record.version = 1;
    record.updated = absl::FromUnixMillis(updated_ms);
    rows.push_back(std::move(record));
  }
};

class PeerChangesTest : public ::testing::Test {
 protected:
  void Begin() {
    changes_.emplace(hub_, journal_.Source(), loop_);
    changes_->Begin();
  }
  std::shared_ptr<Watcher> Watch() {
    auto watcher = hub_.Watch({}, std::nullopt, journal_.Source());
    EXPECT_OK(watcher);
    Pull(*watcher);
    return *watcher;
  }
  void Pull(const std::shared_ptr<Watcher>& watcher) {
    watcher->Next([this, watcher](absl::StatusOr<WatchedChange> change) {
      if (!change.ok()) return;
      told_.push_back(change->saga.saga_id);
      position_ms_ = change->position.updated_ms;
      Pull(watcher);
    });
  }

  WatchHub hub_;
  FakeJournal journal_;
  ManualLoop loop_;
  std::optional<PeerChanges> changes_;
  std::vector<std::string> told_;
  int64_t position_ms_ = 0;
};

TEST_F(PeerChangesTest, WhatAPeerCommitsIsToldOnce) {
  journal_.oldest_untold_ms = 1000;
  Begin();
  const auto watcher = Watch();
  journal_.Change("a", 1500);
  for (int i = 0; i < 3; i++) loop_.Turn();
  EXPECT_EQ(told_, std::vector<std::string>{"a"});
  watcher->Cancel();
}

TEST_F(PeerChangesTest, WhatIsCommittedLateIsToldThoughItWasStampedBeforeWhatIsTold) {
  journal_.oldest_untold_ms = 1000;
  Begin();
  const auto watcher = Watch();
  journal_.Change("later", 3000);
  loop_.Turn();
  EXPECT_EQ(position_ms_, 1000) << "a peer has not told what it stamped at 1000";
  journal_.rows.clear();
  journal_.Change("late", 1200);
  journal_.Change("later", 3000);
  journal_.oldest_untold_ms = 4000;
  loop_.Turn();
  EXPECT_EQ(told_, (std::vector<std::string>{"later", "late"}));
  journal_.Change("last", 5000);
  loop_.Turn();
  EXPECT_EQ(position_ms_, 4000);
  watcher->Cancel();
}

TEST_F(PeerChangesTest, MoreThanAPageIsReadAtOnce) {
  Begin();
  const auto watcher = Watch();
  for (int i = 0; i < 700; i++) journal_.Change(absl::StrCat("saga-", 1000 + i), 2000 + i / 300);
  loop_.Turn();
  EXPECT_EQ(told_.size(), 700u);
  watcher->Cancel();
}

TEST_F(PeerChangesTest, WhileNobodyWatchesTheDatabaseIsLeftAlone) {
  Begin();
  for (int i = 0; i < 3; i++) loop_.Turn();
  EXPECT_EQ(journal_.questions, 0);
  Watch()->Cancel();
  journal_.questions = 0;
  for (int i = 0; i < 3; i++) loop_.Turn();
  EXPECT_EQ(journal_.questions, 0);
}

TEST_F(PeerChangesTest, ADatabaseThatIsAwayIsAskedAgain) {
  Begin();
  const auto watcher = Watch();
  journal_.Change("a", 10);
  journal_.away = true;
  loop_.Turn();
  EXPECT_TRUE(told_.empty());
  journal_.away = false;
  loop_.Turn();
  EXPECT_EQ(told_, std::vector<std::string>{"a"});
  watcher->Cancel();
}

}  // namespace
}  // namespace sagamesh::coordinator
