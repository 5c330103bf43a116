#include "coordinator/runtime/runtime.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <map>

#include "common/exec/mutex.h"
#include "common/exec/threads.h"
#include "common/sql/open.h"
#include "common/status/error.h"
#include "common/testing/status_matchers.h"

namespace sagamesh::runtime {
namespace {

using ::sagamesh::testing::IsError;
using ::testing::HasSubstr;

// Participants that answer as a test says. Thread-safe.
class FakeSteps final : public rpc::StepCaller {
 public:
  using Reply = absl::AnyInvocable<void(absl::StatusOr<std::string>)>;

  void Call(const std::string& method, std::string, const CallContext& context, Reply done) override {
    absl::StatusOr<std::string> answer = "ok";
    {
      MutexLock lock(mutex_);
      calls_.push_back(method);
      epochs_.push_back(context.saga->epoch);
      if (held_.contains(method)) {
        held_[method].push_back(std::move(done));
        return;
      }
      if (answers_.contains(method)) answer = answers_.at(method);
    }
    done(std::move(answer));
  }

  void Answer(const std::string& method, absl::StatusOr<std::string> answer) {
    MutexLock lock(mutex_);
    answers_.insert_or_assign(method, std::move(answer));
  }
  // Keeps the replies of `method` until Release.
  void Hold(const std::string& method) {
    MutexLock lock(mutex_);
    held_[method];
  }
  void Release(const std::string& method, const absl::StatusOr<std::string>& answer) {
    std::vector<Reply> replies;
    {
      MutexLock lock(mutex_);
      replies = std::move(held_[method]);
      held_.erase(method);
    }
    for (Reply& reply : replies) reply(answer);
  }
  // The replies that were kept are lost with the coordinator that waited for them; later calls are held again.
  void LoseHeld() {
    MutexLock lock(mutex_);
    for (auto& [method, replies] : held_) replies.clear();
  }
  int Count(const std::string& method) {
    MutexLock lock(mutex_);
    return static_cast<int>(std::count(calls_.begin(), calls_.end(), method));
  }
  uint64_t LastEpoch() {
    MutexLock lock(mutex_);
    return epochs_.back();
  }

 private:
  Mutex mutex_;
  std::vector<std::string> calls_;
  std::vector<uint64_t> epochs_;
  std::map<std::string, absl::StatusOr<std::string>> answers_;
  std::map<std::string, std::vector<Reply>> held_;
};

engine::DefinitionSet TestDefinitions(const std::string& name, uint32_t version) {
  engine::Definition definition;
  definition.name = name;
  definition.version = version;
  definition.input_type = "test.Input";
  definition.canonicalize = [](const std::string& input) -> absl::StatusOr<std::string> { return input; };
  definition.output = [](const engine::MappingInput& from) -> absl::StatusOr<std::string> {
    return "made for " + from.saga_id;
  };
  for (const std::string name : {"a", "b"}) {
    engine::Step step;
    step.name = name;
    step.method = "S/" + name;
    step.compensation_method = "S/undo";
    step.request = step.compensation_request = [](const engine::MappingInput& from) -> absl::StatusOr<std::string> {
      return from.input;
    };
    step.step_timeout = absl::Milliseconds(200);
    step.backoff_initial = absl::Milliseconds(5);
    definition.steps.push_back(step);
  }
  engine::DefinitionSet definitions;
  definitions.Add(std::move(definition));
  return definitions;
}

// A coordinator without its gRPC edge, on a database file.
class Coordinator {
 public:
  Coordinator(const std::string& path, FakeSteps& steps, RuntimeOptions options, const std::string& definition,
              uint32_t version)
      : database_(*sql::OpenDatabase("sqlite:" + path)),
        pool_(MakeThreadPool("workers", 3)),
        loop_a_(MakeThreadEventLoop("loop-a")),
        loop_b_(MakeThreadEventLoop("loop-b")),
        random_(MakeSystemRandom()),
        definitions_(TestDefinitions(definition, version)),
        journal_({}, *database_, *pool_, clock_, *random_, registry_, [](auto, int64_t) {}),
        runtime_(options, definitions_, journal_, steps, {loop_a_.get(), loop_b_.get()}, clock_, *random_, registry_) {
    EXPECT_OK(journal_.Open());
    runtime_.Recover();
  }
  ~Coordinator() {
    loop_a_->Shutdown();
    loop_b_->Shutdown();
    pool_->Shutdown();
  }

  Runtime::Request Request(const std::string& input, std::optional<std::string> key = std::nullopt) {
    Runtime::Request request;
    request.definition = definitions_.Find("test");
    request.input = input;
    request.fingerprint = "fingerprint of " + input;
    request.call.idempotency_key = std::move(key);
    request.call.deadline = clock_.Now() + absl::Seconds(20);
    return request;
  }
  std::future<absl::StatusOr<Answer>> Begin(Runtime::Request request) {
    auto promise = std::make_shared<std::promise<absl::StatusOr<Answer>>>();
    runtime_.Run(std::move(request),
                 [promise](absl::StatusOr<Answer> answer) { promise->set_value(std::move(answer)); });
    return promise->get_future();
  }
  absl::StatusOr<Answer> Run(Runtime::Request request) { return Begin(std::move(request)).get(); }

  absl::StatusOr<journal::Commanded> Command(const std::string& saga_id, engine::Command::Kind kind) {
    std::promise<absl::StatusOr<journal::Commanded>> promise;
    runtime_.Command(
        saga_id, {.kind = kind, .reason = "because"}, absl::InfiniteFuture(),
        [&promise](absl::StatusOr<journal::Commanded> commanded) { promise.set_value(std::move(commanded)); });
    return promise.get_future().get();
  }
  engine::SagaRecord Get(const std::string& saga_id) {
    std::promise<engine::SagaRecord> promise;
    journal_.Get(saga_id, [&promise](auto record) { promise.set_value(**record); });
    return promise.get_future().get();
  }
  std::optional<std::string> FindByKey(const std::string& key) {
    std::promise<std::optional<std::string>> promise;
    journal_.List({.key = journal::ListFilter::Key{key, "", {"test"}}}, [&promise](auto sagas) {
      promise.set_value(sagas->empty() ? std::nullopt : std::optional((*sagas)[0].saga_id));
    });
    return promise.get_future().get();
  }
  double Commands(const std::string& command, const std::string& outcome) {
    return registry_.Counter("sagamesh_saga_commands_total", "", {{"command", command}, {"outcome", outcome}}).Value();
  }

  Runtime& runtime() { return runtime_; }
  Clock& clock() { return clock_; }
  double InflightGauge() { return registry_.Gauge("sagamesh_sagas_inflight", "").Value(); }

 private:
  SystemClock clock_;
  metrics::Registry registry_;
  std::unique_ptr<sql::Database> database_;
  std::unique_ptr<WorkerPool> pool_;
  std::unique_ptr<EventLoop> loop_a_;
  std::unique_ptr<EventLoop> loop_b_;
  std::unique_ptr<Random> random_;
  engine::DefinitionSet definitions_;
  journal::Journal journal_;
  Runtime runtime_;
};

class RuntimeTest : public ::testing::Test {
 protected:
  RuntimeTest() {
    directory_ = ::testing::TempDir() + "/runtime_test." + std::to_string(getpid()) + "." +
                 ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(directory_);
    options_.due_poll_interval = absl::Milliseconds(50);
    options_.compensation_wait = absl::Seconds(10);
    Restart();
  }
  ~RuntimeTest() override {
    coordinator_.reset();
    steps_.LoseHeld();
    std::filesystem::remove_all(directory_);
  }
  void Restart() {
    coordinator_.reset();
    steps_.LoseHeld();
    coordinator_ = std::make_unique<Coordinator>(directory_ + "/journal.db", steps_, options_, definition_, version_);
  }
  template <typename Condition>
  bool Eventually(Condition condition) {
    for (int i = 0; i < 500; i++) {
      if (condition()) return true;
      coordinator_->clock().SleepFor(absl::Milliseconds(20));
    }
    return false;
  }
  void WaitBrieflyForCompensations() {
    options_.compensation_wait = absl::Milliseconds(300);
    Restart();
  }
  static absl::Status Refusal() {
    return MakeError(absl::StatusCode::kFailedPrecondition, {"orders", "NO"}, "refused");
  }

  std::string directory_;
  std::string definition_ = "test";
  uint32_t version_ = 1;
  RuntimeOptions options_;
  FakeSteps steps_;
  std::unique_ptr<Coordinator> coordinator_;
};

TEST_F(RuntimeTest, ASagaRunsItsStepsAndAnswers) {
  const auto answer = coordinator_->Run(coordinator_->Request("x"));
  ASSERT_OK(answer);
  EXPECT_TRUE(answer->succeeded);
  EXPECT_EQ(answer->bytes, "made for " + answer->saga_id);
  EXPECT_FALSE(answer->replayed);
}

TEST_F(RuntimeTest, TheSameRequestIsReplayedWithTheSameBytesAndNoStep) {
  const auto first = coordinator_->Run(coordinator_->Request("x"));
  const auto second = coordinator_->Run(coordinator_->Request("x"));
  ASSERT_OK(second);
  EXPECT_TRUE(second->replayed);
  EXPECT_EQ(second->bytes, first->bytes);
  EXPECT_EQ(steps_.Count("S/a"), 1);
}

TEST_F(RuntimeTest, ConcurrentDuplicatesAttachAndAllGetTheSameBytes) {
  steps_.Hold("S/a");
  std::vector<std::future<absl::StatusOr<Answer>>> answers;
  for (int i = 0; i < 100; i++) answers.push_back(coordinator_->Begin(coordinator_->Request("x")));
  ASSERT_TRUE(Eventually([&] { return steps_.Count("S/a") == 1; }));
  steps_.Release("S/a", std::string("ok"));
  const std::string bytes = answers[0].get()->bytes;
  for (size_t i = 1; i < answers.size(); i++) EXPECT_EQ(answers[i].get()->bytes, bytes);
  EXPECT_EQ(steps_.Count("S/a"), 1);
}

TEST_F(RuntimeTest, CallersBeyondTheCapOfASagaAreRefusedAndToldItsId) {
  options_.max_waiters_per_saga = 1;
  Restart();
  steps_.Hold("S/a");
  auto first = coordinator_->Begin(coordinator_->Request("x"));
  ASSERT_TRUE(Eventually([&] { return steps_.Count("S/a") == 1; }));
  const auto second = coordinator_->Run(coordinator_->Request("x"));
  EXPECT_THAT(second, IsError(absl::StatusCode::kResourceExhausted, "TOO_MANY_WAITERS"));
  steps_.Release("S/a", "ok");
  const auto answer = first.get();
  ASSERT_OK(answer);
  EXPECT_EQ(GetErrorInfo(second.status())->metadata().at("saga_id"), answer->saga_id);
}

TEST_F(RuntimeTest, AFailedSagaAnswersAfterItsCompensation) {
  steps_.Answer("S/b", Refusal());
  const auto answer = coordinator_->Run(coordinator_->Request("x"));
  ASSERT_OK(answer);
  EXPECT_FALSE(answer->succeeded);
  EXPECT_FALSE(answer->compensating);
  EXPECT_EQ(steps_.Count("S/undo"), 1);
}

TEST_F(RuntimeTest, ACallerIsToldTheCauseWhenTheCompensationTakesLong) {
  WaitBrieflyForCompensations();
  steps_.Answer("S/b", Refusal());
  steps_.Hold("S/undo");
  const auto answer = coordinator_->Run(coordinator_->Request("x"));
  ASSERT_OK(answer);
  EXPECT_TRUE(answer->compensating);
  steps_.Release("S/undo", std::string());
  ASSERT_TRUE(Eventually([&] { return coordinator_->runtime().inflight() == 0; }));
}

TEST_F(RuntimeTest, AContentKeyIsFreeAgainAfterAFailure) {
  steps_.Answer("S/b", Refusal());
  const auto failed = coordinator_->Run(coordinator_->Request("x"));
  steps_.Answer("S/b", std::string("ok"));
  const auto answer = coordinator_->Run(coordinator_->Request("x"));
  ASSERT_OK(answer);
  EXPECT_TRUE(answer->succeeded);
  EXPECT_NE(answer->saga_id, failed->saga_id);
}

TEST_F(RuntimeTest, AnExplicitKeyReplaysADefiniteFailure) {
  steps_.Answer("S/b", Refusal());
  const auto failed = coordinator_->Run(coordinator_->Request("x", "key"));
  steps_.Answer("S/b", std::string("ok"));
  const auto again = coordinator_->Run(coordinator_->Request("x", "key"));
  ASSERT_OK(again);
  EXPECT_TRUE(again->replayed);
  EXPECT_EQ(again->bytes, failed->bytes);
}

TEST_F(RuntimeTest, AnExplicitKeyIsFreeAgainAfterATransientFailureButNotForAnotherPayload) {
  steps_.Answer("S/b", absl::UnavailableError("away"));
  const auto failed = coordinator_->Run(coordinator_->Request("x", "key"));
  ASSERT_OK(failed);
  EXPECT_FALSE(failed->succeeded);
  EXPECT_THAT(coordinator_->Run(coordinator_->Request("y", "key")),
              IsError(absl::StatusCode::kInvalidArgument, "IDEMPOTENCY_KEY_REUSED"));
  steps_.Answer("S/b", std::string("ok"));
  EXPECT_TRUE(coordinator_->Run(coordinator_->Request("x", "key"))->succeeded);
}

TEST_F(RuntimeTest, ACallerPastItsDeadlineIsToldSoAndTheSagaGoesOn) {
  steps_.Hold("S/a");
  auto request = coordinator_->Request("x");
  request.call.deadline = coordinator_->clock().Now() + absl::Milliseconds(100);
  EXPECT_THAT(coordinator_->Run(std::move(request)),
              IsError(absl::StatusCode::kDeadlineExceeded, "SAGA_STILL_RUNNING"));
  steps_.Release("S/a", std::string("ok"));
  ASSERT_TRUE(Eventually([&] { return coordinator_->runtime().inflight() == 0; }));
  EXPECT_TRUE(coordinator_->Run(coordinator_->Request("x"))->replayed);
}

TEST_F(RuntimeTest, ARestartTakesUpWhatWasInFlightWithAHigherEpoch) {
  steps_.Hold("S/a");
  auto lost = coordinator_->Begin(coordinator_->Request("x"));
  ASSERT_TRUE(Eventually([&] { return steps_.Count("S/a") == 1; }));
  Restart();
  ASSERT_TRUE(Eventually([&] { return steps_.Count("S/a") == 2; }));
  EXPECT_EQ(steps_.LastEpoch(), 2u);
  auto attached = coordinator_->Begin(coordinator_->Request("x"));
  steps_.Release("S/a", std::string("ok"));
  EXPECT_TRUE(attached.get()->succeeded);
}

TEST_F(RuntimeTest, WhatWasInFlightIsTakenUpAFewAtATime) {
  steps_.Hold("S/a");
  std::vector<std::future<absl::StatusOr<Answer>>> lost;
  for (const char* input : {"v", "w", "x", "y", "z"}) lost.push_back(coordinator_->Begin(coordinator_->Request(input)));
  ASSERT_TRUE(Eventually([&] { return steps_.Count("S/a") == 5; }));
  options_.max_recovering_sagas = 2;
  Restart();
  ASSERT_TRUE(Eventually([&] { return steps_.Count("S/a") == 7; }));
  coordinator_->clock().SleepFor(absl::Milliseconds(100));
  EXPECT_EQ(steps_.Count("S/a"), 7);
  EXPECT_EQ(coordinator_->runtime().inflight(), 2);
  steps_.Release("S/a", std::string("ok"));
  ASSERT_TRUE(Eventually([&] { return steps_.Count("S/a") == 10 && coordinator_->runtime().inflight() == 0; }));
  for (const char* input : {"v", "z"}) EXPECT_TRUE(coordinator_->Run(coordinator_->Request(input))->succeeded);
}

TEST_F(RuntimeTest, ACompensationThatFailsForLongWaitsInItsRowAndEndsWhenTheParticipantIsBack) {
  options_.engine.compensation_backoff_initial = absl::Milliseconds(10);
  options_.engine.defer_from = absl::Milliseconds(1);
  options_.engine.compensation_backoff_max = absl::Milliseconds(100);
  Restart();
  steps_.Answer("S/b", Refusal());
  steps_.Answer("S/undo", absl::UnavailableError("away"));
  auto answer = coordinator_->Begin(coordinator_->Request("x"));
  ASSERT_TRUE(Eventually([&] { return steps_.Count("S/undo") >= 4; }));
  steps_.Answer("S/undo", std::string());
  EXPECT_OK(answer.get());
  ASSERT_TRUE(Eventually([&] { return coordinator_->Run(coordinator_->Request("x"))->saga_id != ""; }));
}

TEST_F(RuntimeTest, TheGaugeOfSagasInMemoryIsTheirNumberWhateverElseIsClaimedMeanwhile) {
  steps_.Hold("S/a");
  std::vector<std::future<absl::StatusOr<Answer>>> answers;
  for (int i = 0; i < 100; i++) answers.push_back(coordinator_->Begin(coordinator_->Request("x")));
  ASSERT_TRUE(Eventually([&] { return steps_.Count("S/a") == 1 && coordinator_->runtime().inflight() == 1; }));
  EXPECT_EQ(coordinator_->InflightGauge(), 1);
  steps_.Release("S/a", std::string("ok"));
  for (auto& answer : answers) EXPECT_OK(answer.get());
  ASSERT_TRUE(Eventually([&] { return coordinator_->runtime().inflight() == 0; }));
  EXPECT_EQ(coordinator_->InflightGauge(), 0);
}

TEST_F(RuntimeTest, SagasBeyondTheCapAreRefusedAndNothingIsStored) {
  options_.max_inflight_sagas = 1;
  Restart();
  steps_.Hold("S/a");
  auto first = coordinator_->Begin(coordinator_->Request("x"));
  ASSERT_TRUE(Eventually([&] { return steps_.Count("S/a") == 1; }));
  EXPECT_THAT(coordinator_->Run(coordinator_->Request("y")),
              IsError(absl::StatusCode::kResourceExhausted, "SAGAS_IN_FLIGHT"));
  steps_.Release("S/a", std::string("ok"));
  EXPECT_OK(first.get());
}

TEST_F(RuntimeTest, ACompensationThatWaitsInItsRowGoesOnThoughNewSagasFillTheCap) {
  options_.max_inflight_sagas = 1;
  options_.compensation_wait = absl::ZeroDuration();
  options_.engine.compensation_backoff_initial = absl::Milliseconds(10);
  options_.engine.defer_from = absl::ZeroDuration();
  options_.engine.compensation_backoff_max = absl::Milliseconds(100);
  Restart();
  steps_.Answer("S/b", Refusal());
  steps_.Answer("S/undo", absl::UnavailableError("away"));
  EXPECT_OK(coordinator_->Run(coordinator_->Request("x")));
  steps_.Hold("S/a");
  std::future<absl::StatusOr<Answer>> fills;
  ASSERT_TRUE(Eventually([&] {
    fills = coordinator_->Begin(coordinator_->Request("y"));
    return fills.wait_for(std::chrono::milliseconds(50)) == std::future_status::timeout;
  }));
  const int before = steps_.Count("S/undo");
  EXPECT_TRUE(Eventually([&] { return steps_.Count("S/undo") >= before + 3; }));
  steps_.Answer("S/undo", std::string());
  steps_.Release("S/a", std::string("ok"));
  EXPECT_OK(fills.get());
}

constexpr engine::Command::Kind kRetry = engine::Command::Kind::kRetry;
constexpr engine::Command::Kind kCompensate = engine::Command::Kind::kCompensate;

// Looks for due sagas so seldom that a test would fail by it: a command must have its saga run at once.
class CommandTest : public RuntimeTest {
 protected:
  CommandTest() {
    options_.due_poll_interval = absl::Hours(1);
    options_.due_poll_at_rest = absl::Hours(1);
    Restart();
  }
  // The id of a saga that a participant's epoch parked.
  std::string Park() {
    steps_.Answer("S/b",
                  MakeError(absl::StatusCode::kAborted, {"orders", "STALE_EPOCH"}, "x", {{"highest_epoch", "41"}}));
    const auto answer = coordinator_->Run(coordinator_->Request("x", "key"));
    EXPECT_OK(answer);
    EXPECT_EQ(coordinator_->Get(answer->saga_id).phase, engine::Phase::kParked);
    return answer->saga_id;
  }
};

TEST_F(CommandTest, AParkedSagaThatIsRetriedRunsAtOnceAboveTheEpochThatParkedIt) {
  const std::string saga_id = Park();
  steps_.Answer("S/b", std::string("ok"));
  const auto commanded = coordinator_->Command(saga_id, kRetry);
  ASSERT_OK(commanded);
  EXPECT_EQ(commanded->outcome, engine::CommandOutcome::kDone);
  const auto answer = coordinator_->Run(coordinator_->Request("x", "key"));
  ASSERT_OK(answer);
  EXPECT_TRUE(answer->succeeded);
  EXPECT_EQ(answer->saga_id, saga_id);
  EXPECT_EQ(steps_.LastEpoch(), 42u);
  EXPECT_EQ(steps_.Count("S/a"), 2);
  EXPECT_EQ(coordinator_->Commands("retry", "done"), 1);
}

TEST_F(CommandTest, ACompensatedSagaAnswersItsCallersAndLeavesItsKeyFree) {
  steps_.Hold("S/b");
  auto waiting = coordinator_->Begin(coordinator_->Request("x", "key"));
  ASSERT_TRUE(Eventually([&] { return steps_.Count("S/b") == 1; }));
  auto attached = coordinator_->Begin(coordinator_->Request("x", "key"));
  const std::string saga_id = *coordinator_->FindByKey("key");
  ASSERT_OK(coordinator_->Command(saga_id, kCompensate));
  const auto answer = waiting.get();
  ASSERT_OK(answer);
  EXPECT_FALSE(answer->succeeded);
  EXPECT_FALSE(answer->compensating);
  EXPECT_THAT(answer->bytes, HasSubstr("COMPENSATED_BY_OPERATOR"));
  EXPECT_EQ(attached.get()->bytes, answer->bytes);
  EXPECT_EQ(steps_.Count("S/undo"), 1);
  EXPECT_EQ(steps_.LastEpoch(), 2u);
  steps_.Release("S/b", std::string("ok"));  // late
  EXPECT_EQ(coordinator_->Get(saga_id).phase, engine::Phase::kCompensated);
  const auto again = coordinator_->Run(coordinator_->Request("x", "key"));
  ASSERT_OK(again);
  EXPECT_TRUE(again->succeeded);
  EXPECT_NE(again->saga_id, saga_id);
  ASSERT_TRUE(Eventually([&] { return coordinator_->runtime().inflight() == 0; }));
}

// It was this replica's, then a peer's, then this replica's again.
TEST_F(CommandTest, AReplyFromBeforeASagaWasDroppedIsNoReplyToWhatItsNextOwnerCalls) {
  steps_.Hold("S/a");
  steps_.Hold("S/undo");
  auto waiting = coordinator_->Begin(coordinator_->Request("x", "key"));
  ASSERT_TRUE(Eventually([&] { return steps_.Count("S/a") == 1; }));
  coordinator_->runtime().DropStrangers("a peer");
  ASSERT_TRUE(Eventually([&] { return coordinator_->runtime().inflight() == 0; }));
  const std::string saga_id = *coordinator_->FindByKey("key");
  ASSERT_OK(coordinator_->Command(saga_id, kCompensate));
  ASSERT_TRUE(Eventually([&] { return steps_.Count("S/undo") == 1; }));
  steps_.Release("S/a", std::string("ok"));
  coordinator_->clock().SleepFor(absl::Milliseconds(100));
  EXPECT_EQ(coordinator_->Get(saga_id).phase, engine::Phase::kCompensating);
  steps_.Release("S/undo", std::string("ok"));
  ASSERT_TRUE(Eventually([&] { return coordinator_->Get(saga_id).phase == engine::Phase::kCompensated; }));
  EXPECT_FALSE(waiting.get()->succeeded);
}

TEST_F(CommandTest, CallersOfASagaThatAnOperatorHasCompensatedAreToldTheCauseWhenThatTakesLong) {
  WaitBrieflyForCompensations();
  steps_.Hold("S/b");
  steps_.Hold("S/undo");
  auto waiting = coordinator_->Begin(coordinator_->Request("x", "key"));
  ASSERT_TRUE(Eventually([&] { return steps_.Count("S/b") == 1; }));
  ASSERT_OK(coordinator_->Command(*coordinator_->FindByKey("key"), kCompensate));
  const auto answer = waiting.get();
  ASSERT_OK(answer);
  EXPECT_TRUE(answer->compensating);
  EXPECT_THAT(answer->bytes, HasSubstr("COMPENSATED_BY_OPERATOR"));
}

TEST_F(CommandTest, ACompensationThatWaitsInItsRowIsTriedAtOnce) {
  options_.engine.defer_from = absl::ZeroDuration();
  options_.compensation_wait = absl::ZeroDuration();
  Restart();
  steps_.Answer("S/b", Refusal());
  steps_.Answer("S/undo", absl::UnavailableError("away"));
  const auto told = coordinator_->Run(coordinator_->Request("x", "key"));
  ASSERT_OK(told);
  ASSERT_TRUE(Eventually([&] { return coordinator_->runtime().inflight() == 0; }));
  steps_.Answer("S/undo", std::string());
  ASSERT_OK(coordinator_->Command(told->saga_id, kRetry));
  EXPECT_TRUE(Eventually([&] { return coordinator_->Get(told->saga_id).phase == engine::Phase::kCompensated; }));
}

TEST_F(CommandTest, ARefusedCompensationParksAgainWithTheNewReason) {
  steps_.Answer("S/b", Refusal());
  steps_.Answer("S/undo", Refusal());
  const auto told = coordinator_->Run(coordinator_->Request("x", "key"));
  ASSERT_OK(told);
  steps_.Answer("S/undo", MakeError(absl::StatusCode::kFailedPrecondition, {"orders", "TOO_OLD"}, "forgotten"));
  ASSERT_OK(coordinator_->Command(told->saga_id, kCompensate));
  ASSERT_TRUE(Eventually([&] { return coordinator_->Get(told->saga_id).phase == engine::Phase::kParked; }));
  const engine::SagaRecord parked = coordinator_->Get(told->saga_id);
  EXPECT_EQ(parked.park_reason, "COMPENSATION_REFUSED: TOO_OLD: forgotten");
  std::vector<engine::HistoryEvent> events;
  for (const engine::HistoryEntry& entry : parked.history) events.push_back(entry.event);
  using enum engine::HistoryEvent;
  EXPECT_EQ(events, (std::vector{kDecided, kParked, kCompensateCommand, kParked}));
}

TEST_F(CommandTest, ASagaOfAnUnknownDefinitionParksAgainUntilAProgramKnowsIt) {
  const std::string saga_id = Park();
  steps_.Answer("S/b", std::string("ok"));
  definition_ = "another";
  Restart();
  ASSERT_OK(coordinator_->Command(saga_id, kRetry));
  const auto has_parked = [&] { return coordinator_->Get(saga_id).park_reason == "DEFINITION_UNKNOWN: test 1"; };
  ASSERT_TRUE(Eventually(has_parked));
  definition_ = "test";
  Restart();
  ASSERT_OK(coordinator_->Command(saga_id, kRetry));
  EXPECT_TRUE(Eventually([&] { return coordinator_->Get(saga_id).phase == engine::Phase::kSucceeded; }));
}

TEST_F(CommandTest, ASagaOfALaterVersionParksUntilAProgramKnowsIt) {
  version_ = 2;
  Restart();
  const std::string saga_id = Park();
  steps_.Answer("S/b", std::string("ok"));
  version_ = 1;
  Restart();
  ASSERT_OK(coordinator_->Command(saga_id, kRetry));
  ASSERT_TRUE(Eventually([&] { return coordinator_->Get(saga_id).park_reason == "DEFINITION_UNKNOWN: test 2"; }));
  version_ = 3;
  Restart();
  ASSERT_OK(coordinator_->Command(saga_id, kRetry));
  ASSERT_TRUE(Eventually([&] { return coordinator_->Get(saga_id).phase == engine::Phase::kSucceeded; }));
  EXPECT_EQ(coordinator_->Get(saga_id).definition_version, 2u);
}

TEST_F(CommandTest, WhatIsRefusedIsCountedAndADrainingProcessTakesNone) {
  const std::string saga_id = Park();
  EXPECT_EQ(coordinator_->Command("nobody", kRetry)->outcome, engine::CommandOutcome::kNotFound);
  EXPECT_EQ(coordinator_->Commands("retry", "refused"), 1);
  coordinator_->runtime().Drain();
  EXPECT_THAT(coordinator_->Command(saga_id, kRetry), IsError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN"));
}

TEST_F(RuntimeTest, CallersAreSentAwayAtTheEndAndTheirSagaGoesOn) {
  steps_.Hold("S/a");
  auto waiting = coordinator_->Begin(coordinator_->Request("x"));
  ASSERT_TRUE(Eventually([&] { return steps_.Count("S/a") == 1; }));
  coordinator_->runtime().SendCallersAway();
  EXPECT_THAT(waiting.get(), IsError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN"));
  EXPECT_THAT(coordinator_->Run(coordinator_->Request("x")), IsError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN"));
  steps_.Release("S/a", std::string("ok"));
  EXPECT_TRUE(Eventually([&] { return coordinator_->runtime().inflight() == 0; }));
  Restart();
  const auto replayed = coordinator_->Run(coordinator_->Request("x"));
  ASSERT_OK(replayed);
  EXPECT_TRUE(replayed->replayed);
}

}  // namespace
}  // namespace sagamesh::runtime
