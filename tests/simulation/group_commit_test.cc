#include "common/batch/group_commit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"
#include "spdlog/spdlog.h"
#include "tests/simulation/process.h"
#include "tests/simulation/scheduler.h"
#include "tests/simulation/storage.h"

namespace sagamesh::simulation {
namespace {

// The production batch executor alone, over a database that fails in every way, in a process that crashes: each
// operation that was answered OK is there, and none is there twice.

// Adds `amount` to the sum once, guarded by the row of its id.
struct Add {
  int64_t id;
  int64_t amount;
};

absl::StatusOr<BatchEffect> RunAdds(sql::Connection& connection, absl::Span<Add* const> adds, bool) {
  BatchEffect effect = BatchEffect::kNothing;
  for (Add* add : adds) {
    SAGAMESH_ASSIGN_OR_RETURN(const auto seen,
                              connection.Query("SELECT 1 FROM done WHERE id=?", {sql::Value(add->id)}));
    if (!seen.empty()) continue;
    SAGAMESH_RETURN_IF_ERROR(connection.Execute("INSERT INTO done VALUES (?)", {sql::Value(add->id)}).status());
    SAGAMESH_RETURN_IF_ERROR(connection.Execute("UPDATE total SET value=value+?", {sql::Value(add->amount)}).status());
    effect = BatchEffect::kWrote;
  }
  return effect;
}

class GroupCommitSimulation : public ::testing::TestWithParam<uint64_t> {
 protected:
  GroupCommitSimulation() { spdlog::set_level(spdlog::level::off); }

  void Boot(Life& life) {
    database_ = storage_.Open(life);
    life.Own(database_);
    auto executor = std::make_shared<GroupCommit<Add>>(GroupCommitOptions{.name = "adds"}, *database_, life.MakePool(2),
                                                       life.clock(), life.random(), life.registry(), RunAdds);
    executor_ = executor.get();
    life.Own(std::move(executor));
  }

  // Until it is answered OK, as a client would.
  void Submit(int64_t id) {
    if (!process_.up()) return Again(id);
    Life* const life = process_.life();
    executor_->Submit({id, id}, absl::InfiniteFuture(), Priority::kNew, [this, id, life](absl::Status status, Add&) {
      if (!life->alive() || !status.ok()) return;
      answered_.insert(id);
    });
    Again(id);
  }

  void Again(int64_t id) {
    scheduler_.After(scheduler_.rng().Between(absl::Milliseconds(1), absl::Seconds(20)), [this, id] {
      if (!answered_.contains(id)) Submit(id);
    });
  }

  Scheduler scheduler_{GetParam()};
  Storage storage_{scheduler_, "db", GetParam()};
  std::shared_ptr<sql::Database> database_;
  GroupCommit<Add>* executor_ = nullptr;  // of the latest life, which owns it
  std::set<int64_t> answered_;
  Process process_{scheduler_, "p", [this](Life& life) { Boot(life); }};
};

TEST_P(GroupCommitSimulation, EveryAnsweredOperationIsThereOnce) {
  constexpr int64_t kOperations = 60;
  process_.Start();
  process_.life()->MakePool(1).Post([this] {
    auto connection = database_->Connect(sql::Access::kWrite);
    ASSERT_OK(connection);
    ASSERT_OK((*connection)->Execute("CREATE TABLE done (id INTEGER PRIMARY KEY)"));
    ASSERT_OK((*connection)->Execute("CREATE TABLE total (value INTEGER NOT NULL)"));
    ASSERT_OK((*connection)->Execute("INSERT INTO total VALUES (0)"));
  });
  scheduler_.RunUntil([] { return false; }, absl::Seconds(1));
  storage_.faults = {.connect_unavailable = 0.1,
                     .unavailable = 0.01,
                     .aborted = 0.02,
                     .commit_aborted = 0.05,
                     .unknown_done = 0.1,
                     .unknown_lost = 0.1,
                     .unknown_late = 0.1,
                     .slow = 0.05};
  for (int64_t id = 1; id <= kOperations; id++) Submit(id);
  const bool ended = scheduler_.RunUntil(
      [this] {
        if (process_.up() && scheduler_.rng().Below(300) == 0) {
          process_.Crash();
          scheduler_.After(absl::Milliseconds(500), [this] { process_.Start(); });
        }
        process_.BuryDead();
        return answered_.size() == kOperations;
      },
      absl::Hours(1));
  EXPECT_TRUE(ended) << answered_.size() << " of " << kOperations << " were answered";
  // What was sent twice may still be under way: it must change nothing either.
  scheduler_.RunUntil([] { return false; }, absl::Minutes(1));
  auto look = storage_.Look();
  ASSERT_OK(look);
  EXPECT_EQ((*look)->Query("SELECT COUNT(*) FROM done")->at(0).Int(0), kOperations);
  EXPECT_EQ((*look)->Query("SELECT value FROM total")->at(0).Int(0), kOperations * (kOperations + 1) / 2);
}

INSTANTIATE_TEST_SUITE_P(Seeds, GroupCommitSimulation, ::testing::Range<uint64_t>(1, 11));

}  // namespace
}  // namespace sagamesh::simulation
