#include "common/rpc/database_monitor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "common/status/error.h"
#include "common/testing/status_matchers.h"

namespace sagamesh::rpc {
namespace {

using ::sagamesh::testing::IsError;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A pool and a loop that run when the test says so, on its thread; time passes at once.
class ManualExecutor final : public EventLoop {
 public:
  void Post(Task task) override { ready_.push_back(std::move(task)); }
  void PostAfter(absl::Duration delay, Task task) override { timers_.emplace_back(delay, std::move(task)); }
  void Shutdown() override {
    ready_.clear();
    timers_.clear();
  }

  void RunReady() {
    while (!ready_.empty()) {
      Task task = std::move(ready_.front());
      ready_.pop_front();
      std::move(task)();
    }
  }

  // Runs the only timer there is, and what follows from it; returns how long it was to wait.
  absl::Duration RunTimer() {
    const absl::Duration delay = RunTimerAlone();
    RunReady();
    return delay;
  }

  // What follows from it hangs until RunReady.
  absl::Duration RunTimerAlone() {
    EXPECT_EQ(timers_.size(), 1u);
    auto [delay, task] = std::move(timers_.front());
    timers_.clear();
    std::move(task)();
    return delay;
  }

  bool idle() const { return ready_.empty() && timers_.empty(); }

 private:
  std::deque<Task> ready_;
  std::vector<std::pair<absl::Duration, Task>> timers_;
};

// A database that is there or away.
class SwitchedDatabase final : public sql::Database {
 public:
  bool away = false;
  int queries = 0;
  bool moves = false;
  absl::Status check;

  sql::Dialect dialect() const override { return sql::Dialect::kSqlite; }
  int max_writers() const override { return 1; }
  bool exclusive() const override { return true; }
  absl::StatusOr<std::unique_ptr<sql::Connection>> Connect(sql::Access) override {
    if (away) return absl::UnavailableError("away");
    return std::make_unique<Connection>(*this);
  }
  bool may_move() const override { return moves; }
  absl::StatusOr<bool> Check() override {
    SAGAMESH_RETURN_IF_ERROR(check);
    return true;
  }

 private:
  class Connection final : public sql::Connection {
   public:
    explicit Connection(SwitchedDatabase& database) : database_(database) {}

    sql::Dialect dialect() const override { return sql::Dialect::kSqlite; }
    bool alive() const override { return !dead_; }
    absl::Status Begin() override { return Touch(); }
    absl::Status Commit() override { return Touch(); }
    absl::Status Rollback() override { return Touch(); }
    absl::StatusOr<int64_t> Execute(absl::string_view, absl::Span<const sql::Value>) override {
      SAGAMESH_RETURN_IF_ERROR(Touch());
      return 0;
    }
    absl::StatusOr<std::vector<sql::Row>> Query(absl::string_view, absl::Span<const sql::Value>) override {
      database_.queries++;
      SAGAMESH_RETURN_IF_ERROR(Touch());
      return std::vector<sql::Row>{sql::Row({sql::Value(int64_t{1})})};
    }

   private:
    absl::Status Touch() {
      dead_ = dead_ || database_.away;
      return dead_ ? absl::UnavailableError("lost") : absl::OkStatus();
    }

    SwitchedDatabase& database_;
    bool dead_ = false;
  };
};

class DatabaseMonitorTest : public ::testing::Test {
 protected:
  DatabaseMonitorTest() {
    monitor_.Start();
    executor_.RunReady();
  }

  void OpenIt() {
    open_ = absl::OkStatus();
    executor_.RunTimer();
  }

  // Somebody else's question to the database.
  void Ask() {
    auto connection = counted_.Connect(sql::Access::kWrite);
    if (connection.ok()) (*connection)->Begin().IgnoreError();
  }

  // What the monitor opens the database by.
  absl::Status Open() {
    opens_++;
    return open_;
  }

  absl::Status open_ = absl::UnavailableError("not yet");
  int opens_ = 0;
  std::vector<bool> told_;
  std::vector<absl::Status> fatal_;
  SwitchedDatabase& database_ = *new SwitchedDatabase;
  metrics::Registry registry_;
  sql::CountedDatabase counted_{std::unique_ptr<sql::Database>(&database_), registry_};
  ManualExecutor executor_;
  DatabaseMonitor monitor_{{.domain = "orders",
                            .open = [this] { return Open(); },
                            .on_change = [this](bool healthy) { told_.push_back(healthy); },
                            .on_fatal = [this](const absl::Status& status) { fatal_.push_back(status); }},
                           counted_,
                           executor_,
                           executor_};
};

TEST_F(DatabaseMonitorTest, ADatabaseThatIsAwayIsOpenedAgainAndAgainUntilItIsThere) {
  EXPECT_THAT(told_, ElementsAre(false));
  EXPECT_THAT(monitor_.Ready(), IsError(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE"));
  EXPECT_EQ(executor_.RunTimer(), absl::Milliseconds(500));
  EXPECT_EQ(opens_, 2);
  open_ = absl::OkStatus();
  executor_.RunTimer();
  EXPECT_EQ(opens_, 3);
  EXPECT_OK(monitor_.Ready());
  EXPECT_THAT(told_, ElementsAre(false, true));
}

TEST_F(DatabaseMonitorTest, AnOpenedDatabaseIsAskedOnceASecondAndOnlyChangesAreTold) {
  OpenIt();
  EXPECT_EQ(executor_.RunTimer(), absl::Seconds(1));
  EXPECT_EQ(executor_.RunTimer(), absl::Seconds(1));
  EXPECT_THAT(told_, ElementsAre(false, true));
  database_.away = true;
  executor_.RunTimer();
  executor_.RunTimer();
  EXPECT_THAT(told_, ElementsAre(false, true, false));
  database_.away = false;
  executor_.RunTimer();
  EXPECT_THAT(told_, ElementsAre(false, true, false, true));
  EXPECT_EQ(opens_, 2);
}

TEST_F(DatabaseMonitorTest, ADatabaseThatAnsweredOthersSinceTheLastLookIsNotAsked) {
  OpenIt();
  const int before = database_.queries;
  for (int second = 0; second < 3; second++) {
    Ask();
    EXPECT_EQ(executor_.RunTimer(), absl::Seconds(1));
  }
  EXPECT_EQ(database_.queries, before);
  executor_.RunTimer();
  executor_.RunTimer();
  EXPECT_EQ(database_.queries, before + 2) << "nobody else asked";
  EXPECT_THAT(told_, ElementsAre(false, true));
}

TEST_F(DatabaseMonitorTest, AFailureOfOthersIsADoubtThatTheNextLookSettles) {
  OpenIt();
  database_.away = true;
  Ask();
  database_.away = false;
  Ask();
  const int before = database_.queries;
  executor_.RunTimer();
  EXPECT_EQ(database_.queries, before + 1);
  EXPECT_THAT(told_, ElementsAre(false, true));
}

TEST_F(DatabaseMonitorTest, ADatabaseThatGoesAwayRightAfterAnAnswerIsNoticedByTheSecondLook) {
  OpenIt();
  Ask();
  database_.away = true;
  executor_.RunTimer();
  EXPECT_THAT(told_, ElementsAre(false, true));
  executor_.RunTimer();
  EXPECT_THAT(told_, ElementsAre(false, true, false));
}

TEST_F(DatabaseMonitorTest, ADatabaseThatSaysNothingIsAwayFromTheThirdLookOnUntilItAnswers) {
  OpenIt();
  for (int look = 0; look < 2; look++) {
    executor_.RunTimerAlone();
    EXPECT_THAT(told_, ElementsAre(false, true));
  }
  executor_.RunTimerAlone();
  EXPECT_THAT(told_, ElementsAre(false, true, false));
  executor_.RunTimerAlone();
  const int before = database_.queries;
  executor_.RunReady();
  EXPECT_EQ(database_.queries, before + 1) << "one question is under way at a time";
  EXPECT_THAT(told_, ElementsAre(false, true, false, true));
}

TEST_F(DatabaseMonitorTest, AQuestionOfItsOwnThatWaitsForAWorkerIsNoSilenceWhileOthersAreAnswered) {
  OpenIt();
  for (int look = 0; look < 5; look++) {
    executor_.RunTimerAlone();
    Ask();
  }
  EXPECT_THAT(told_, ElementsAre(false, true));
}

TEST_F(DatabaseMonitorTest, ADatabaseThatMayMoveIsCheckedAtEachLookWhateverOthersWereAnswered) {
  database_.moves = true;
  OpenIt();
  Ask();
  executor_.RunTimer();
  EXPECT_THAT(told_, ElementsAre(false, true));
  database_.check = absl::UnavailableError("two are writable");
  for (int look = 0; look < 3; look++) {
    Ask();
    executor_.RunTimer();
    EXPECT_THAT(told_, ElementsAre(false, true, false));
  }
  database_.check = absl::OkStatus();
  executor_.RunTimer();
  EXPECT_THAT(told_, ElementsAre(false, true, false, true));
  EXPECT_EQ(database_.queries, 0) << "a check is question enough";
}

TEST_F(DatabaseMonitorTest, ErrorsThatPassAreTriedAgain) {
  for (const absl::Status& passing : {absl::AbortedError("busy"), absl::UnknownError("commit lost")}) {
    open_ = passing;
    EXPECT_EQ(executor_.RunTimer(), absl::Milliseconds(500));
  }
  EXPECT_EQ(opens_, 3);
  EXPECT_THAT(fatal_, IsEmpty());
}

TEST_F(DatabaseMonitorTest, AnyOtherErrorOfOpenIsFatalAndEndsTheWatch) {
  open_ = absl::FailedPreconditionError("newer schema");
  executor_.RunTimer();
  EXPECT_THAT(fatal_, ElementsAre(absl::FailedPreconditionError("newer schema")));
  EXPECT_TRUE(executor_.idle());
  EXPECT_THAT(monitor_.Ready(), IsError(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE"));
}

}  // namespace
}  // namespace sagamesh::rpc
