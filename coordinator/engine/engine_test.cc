#include "coordinator/engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/status/error.h"
#include "common/testing/status_matchers.h"
#include "coordinator/engine/command.h"

namespace sagamesh::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

Mapping Text(std::string text) {
  return [text](const MappingInput&) -> absl::StatusOr<std::string> { return text; };
}

Step MakeStep(const std::string& name, const std::string& compensation, const std::string& compensation_request) {
  Step step;
  step.name = name;
  step.method = "S/" + name;
  step.request = Text("do " + name);
  step.compensation_method = "S/" + compensation;
  step.compensation_request = Text(compensation_request);
  return step;
}

// Drives the engine as the runtime does, keeping what it asked for.
class EngineTest : public ::testing::Test {
 protected:
  EngineTest() {
    definition_.name = "test";
    definition_.steps = {MakeStep("a", "undo_a", "a"), MakeStep("b", "undo_bc", "bc"), MakeStep("c", "undo_bc", "bc")};
    definition_.output = [](const MappingInput& from) -> absl::StatusOr<std::string> {
      return "made of " + from.responses.back();
    };
    saga_.record.saga_id = "saga-1";
    saga_.record.epoch = 7;
    saga_.record.created = kNow;
  }

  void Happen(Event event) {
    Decision decision = Decide(options_, definition_, saga_, std::move(event), {now_, random_});
    saga_ = decision.saga;
    actions_ = decision.actions;
  }
  // The one action that was asked for.
  template <typename Wanted>
  Wanted Asked() {
    if (actions_.size() != 1 || !std::holds_alternative<Wanted>(actions_[0])) {
      ADD_FAILURE() << "another action was asked for";
      return {};
    }
    return std::get<Wanted>(actions_[0]);
  }
  void Reply(absl::StatusOr<std::string> reply) { Happen(StepReplied{saga_.turn, std::move(reply)}); }
  void Commit() {
    SagaRecord record = Asked<WriteJournal>().record;
    record.version++;
    Happen(JournalCommitted{record});
  }
  bool AskedToAnswerAndForget() {
    return actions_.size() == 2 && std::holds_alternative<AnswerCallers>(actions_[0]) &&
           std::holds_alternative<Forget>(actions_[1]);
  }
  // Fails the step that is under way, definitely, and makes the decision durable.
  void FailAndCommit() {
    Reply(Refusal());
    Commit();
  }

  static absl::Status Refusal() {
    return MakeError(absl::StatusCode::kFailedPrecondition, {"customers", "INSUFFICIENT_STOCK"}, "no stock");
  }
  static absl::Status Reason(const char* reason) {
    return MakeError(absl::StatusCode::kAborted, {"orders", reason}, "refused");
  }

  EngineOptions options_;
  Definition definition_;
  Saga saga_;
  std::vector<Action> actions_;
  absl::Time now_ = kNow;
  double random_ = 1.0;
};

TEST_F(EngineTest, TheHappyPathRunsTheStepsInOrderAndWritesOnce) {
  Happen(Loaded{});
  for (const char* step : {"a", "b", "c"}) {
    const auto call = Asked<CallStep>();
    EXPECT_EQ(call.method, std::string("S/") + step);
    EXPECT_EQ(call.request, std::string("do ") + step);
    EXPECT_EQ(call.context.saga->step, step);
    EXPECT_EQ(call.context.saga->epoch, 7u);
    EXPECT_EQ(*call.context.idempotency_key, std::string("saga-1/") + step + "/action");
    EXPECT_EQ(call.context.deadline, kNow + absl::Seconds(1));
    Reply(std::string("answer of ") + step);
  }
  const SagaRecord record = Asked<WriteJournal>().record;
  EXPECT_EQ(record.phase, Phase::kSucceeded);
  EXPECT_EQ(record.result, "made of answer of c");
  Commit();
  EXPECT_TRUE(AskedToAnswerAndForget());
}

TEST_F(EngineTest, ADefiniteFailureIsDurableBeforeTheFirstCompensationIsSent) {
  Happen(Loaded{});
  Reply(std::string("ok"));
  Reply(Refusal());
  const SagaRecord record = Asked<WriteJournal>().record;
  EXPECT_EQ(record.phase, Phase::kCompensating);
  EXPECT_TRUE(record.error_definite);
  EXPECT_EQ(record.failed_step, "b");
  google::rpc::Status error;
  ASSERT_TRUE(error.ParseFromString(record.error));
  EXPECT_EQ(error.message(), "no stock");
  EXPECT_EQ(GetErrorInfo(FromProto(error))->metadata().at("saga_id"), "saga-1");
}

TEST_F(EngineTest, CompensationsRunInReverseFromTheFailedStepOn) {
  Happen(Loaded{});
  Reply(std::string("ok"));
  FailAndCommit();
  EXPECT_EQ(Asked<CallStep>().method, "S/undo_bc");
  EXPECT_EQ(Asked<CallStep>().context.saga->op, SagaOp::kCompensation);
  EXPECT_EQ(Asked<CallStep>().context.saga->step, "b");
  Reply(std::string());
  EXPECT_EQ(Asked<CallStep>().method, "S/undo_a");
  Reply(std::string());
  EXPECT_EQ(Asked<WriteJournal>().record.phase, Phase::kCompensated);
  Commit();
  EXPECT_TRUE(AskedToAnswerAndForget());
}

TEST_F(EngineTest, NeighboursWithTheSameCompensationAreUndoneByOneCallOfTheEarliestName) {
  Happen(Loaded{});
  Reply(std::string("ok"));
  Reply(std::string("ok"));
  FailAndCommit();
  EXPECT_EQ(Asked<CallStep>().context.saga->step, "b");
  Reply(std::string());
  EXPECT_EQ(Asked<CallStep>().context.saga->step, "a");
}

TEST_F(EngineTest, ARecoveredSagaCompensatesEveryStepOfItsDefinition) {
  saga_.recovered = true;
  Happen(Loaded{});
  FailAndCommit();
  EXPECT_EQ(saga_.plan.size(), 2u);
  EXPECT_EQ(Asked<CallStep>().method, "S/undo_bc");
}

TEST_F(EngineTest, ARecoveredCompensatingSagaGoesOnCompensating) {
  saga_.recovered = true;
  saga_.record.phase = Phase::kCompensating;
  Happen(Loaded{});
  EXPECT_EQ(Asked<CallStep>().method, "S/undo_bc");
}

TEST_F(EngineTest, ATransientFailureIsRetriedWithBackoffInsideTheStepsTime) {
  Happen(Loaded{});
  Reply(absl::UnavailableError("away"));
  EXPECT_EQ(Asked<SetTimer>().delay, absl::Milliseconds(50));
  now_ += absl::Milliseconds(50);
  Happen(TimerFired{saga_.turn});
  EXPECT_EQ(Asked<CallStep>().method, "S/a");
  Reply(absl::UnavailableError("away"));
  EXPECT_EQ(Asked<SetTimer>().delay, absl::Milliseconds(100));
}

TEST_F(EngineTest, AnAttemptThatIsTooShortForAnAnswerIsNotBegun) {
  Happen(Loaded{});
  now_ += absl::Seconds(5) - absl::Milliseconds(149);  // 99 ms would be left after the 50 of the backoff
  Reply(absl::UnavailableError("away"));
  google::rpc::Status error;
  ASSERT_TRUE(error.ParseFromString(Asked<WriteJournal>().record.error));
  EXPECT_EQ(error.code(), static_cast<int>(absl::StatusCode::kUnavailable));
}

TEST_F(EngineTest, ATransientFailurePastTheStepsTimeCompensatesAndIsNotDefinite) {
  Happen(Loaded{});
  now_ += absl::Seconds(5);
  Reply(absl::UnavailableError("away"));
  const SagaRecord record = Asked<WriteJournal>().record;
  EXPECT_EQ(record.phase, Phase::kCompensating);
  EXPECT_FALSE(record.error_definite);
  google::rpc::Status error;
  ASSERT_TRUE(error.ParseFromString(record.error));
  EXPECT_EQ(error.code(), static_cast<int>(absl::StatusCode::kUnavailable));
}

TEST_F(EngineTest, AlreadyCompensatedIsNotRetriedAndNotDefinite) {
  Happen(Loaded{});
  Reply(Reason("ALREADY_COMPENSATED"));
  EXPECT_EQ(Asked<WriteJournal>().record.phase, Phase::kCompensating);
  EXPECT_FALSE(Asked<WriteJournal>().record.error_definite);
}

TEST_F(EngineTest, AStaleEpochOfAnOwnerThatLostItsSagaDropsItWithoutCompensating) {
  Happen(Loaded{});
  Reply(Reason("STALE_EPOCH"));
  Asked<ReadRow>();
  Happen(RowRead{saga_.turn, /*still_owner=*/false});
  Asked<Forget>();
}

TEST_F(EngineTest, AStaleEpochOfTheOwnerParks) {
  Happen(Loaded{});
  Reply(Reason("STALE_EPOCH"));
  Happen(RowRead{saga_.turn, /*still_owner=*/true});
  EXPECT_EQ(Asked<WriteJournal>().record.phase, Phase::kParked);
  EXPECT_EQ(Asked<WriteJournal>().record.park_reason, "EPOCH_AHEAD");
}

TEST_F(EngineTest, WhatAParticipantTellsOfAHigherEpochIsParkedWithTheSaga) {
  Happen(Loaded{});
  Reply(WithErrorMetadata(Reason("STALE_EPOCH"), "highest_epoch", "41"));
  Happen(RowRead{saga_.turn, /*still_owner=*/true});
  EXPECT_EQ(Asked<WriteJournal>().record.epoch_met, 41u);
  EXPECT_EQ(Asked<WriteJournal>().record.park_reason, "EPOCH_AHEAD: a participant has met epoch 41");
}

TEST_F(EngineTest, ACompensationTellsOfAHigherEpochToo) {
  saga_.record.phase = Phase::kCompensating;
  saga_.record.epoch_met = 30;
  Happen(Loaded{});
  Reply(WithErrorMetadata(Reason("STALE_EPOCH"), "highest_epoch", "20"));
  Happen(RowRead{saga_.turn, /*still_owner=*/true});
  EXPECT_EQ(Asked<WriteJournal>().record.epoch_met, 30u);
}

TEST_F(EngineTest, TheDecisionAndTheParkingAreInTheHistory) {
  Happen(Loaded{});
  FailAndCommit();
  now_ += absl::Seconds(1);
  Reply(Reason("TOO_OLD"));
  const std::vector<HistoryEntry> history = Asked<WriteJournal>().record.history;
  ASSERT_EQ(history.size(), 2u);
  EXPECT_EQ(history[0].event, HistoryEvent::kDecided);
  EXPECT_EQ(history[0].time, kNow);
  EXPECT_EQ(history[0].reason, "a: INSUFFICIENT_STOCK");
  EXPECT_EQ(history[0].before, Phase::kRunning);
  EXPECT_EQ(history[0].after, Phase::kCompensating);
  EXPECT_EQ(history[1].event, HistoryEvent::kParked);
  EXPECT_EQ(history[1].time, now_);
  EXPECT_EQ(history[1].reason, "COMPENSATION_REFUSED: TOO_OLD: refused");
  EXPECT_EQ(history[1].before, Phase::kCompensating);
  EXPECT_EQ(history[1].after, Phase::kParked);
}

TEST_F(EngineTest, TheHappyPathLeavesNoHistory) {
  Happen(Loaded{});
  for (int i = 0; i < 3; i++) Reply(std::string("ok"));
  EXPECT_TRUE(Asked<WriteJournal>().record.history.empty());
}

TEST_F(EngineTest, AFencedWriteForgetsTheSagaAndAnswersNobody) {
  Happen(Loaded{});
  Reply(Refusal());
  Happen(JournalFenced{});
  Asked<Forget>();
}

TEST_F(EngineTest, ALateReplyChangesNothing) {
  Happen(Loaded{});
  const uint64_t turn = saga_.turn;
  Reply(absl::UnavailableError("away"));
  Happen(StepReplied{turn, std::string("late")});
  EXPECT_TRUE(actions_.empty());
  Happen(TimerFired{turn});
  EXPECT_TRUE(actions_.empty());
}

TEST_F(EngineTest, ACompensationIsRetriedWithoutEndAndWaitsInItsRowWhenTheNextAttemptIsFar) {
  Happen(Loaded{});
  FailAndCommit();
  for (int attempt = 1; attempt <= 4; attempt++) {
    Reply(absl::UnavailableError("away"));
    EXPECT_EQ(Asked<SetTimer>().delay, absl::Milliseconds(100) * (1 << (attempt - 1)));
    Happen(TimerFired{saga_.turn});
    Asked<CallStep>();
  }
  Reply(absl::UnavailableError("away"));
  const auto write = Asked<WriteJournal>();
  EXPECT_EQ(write.record.phase, Phase::kCompensating);
  EXPECT_EQ(write.record.compensation_attempts, 5u);
  EXPECT_EQ(write.due, now_ + absl::Milliseconds(1600));
  EXPECT_FALSE(write.record.stuck);
  Commit();
  Asked<Forget>();
}

TEST_F(EngineTest, ACompensationThatFailedOftenIsStuck) {
  saga_.record.phase = Phase::kCompensating;
  saga_.record.compensation_attempts = 9;
  Happen(Loaded{});
  Reply(absl::UnavailableError("away"));
  EXPECT_TRUE(Asked<WriteJournal>().record.stuck);
}

TEST_F(EngineTest, ACompensationThatIsRefusedParks) {
  Happen(Loaded{});
  FailAndCommit();
  Reply(Refusal());
  EXPECT_EQ(Asked<WriteJournal>().record.phase, Phase::kParked);
  EXPECT_THAT(Asked<WriteJournal>().record.park_reason, StartsWith("COMPENSATION_REFUSED: INSUFFICIENT_STOCK"));
  Commit();
  EXPECT_TRUE(AskedToAnswerAndForget());
}

TEST_F(EngineTest, AnUndecidedSagaCompensatesWhenItsTimeIsOver) {
  saga_.recovered = true;
  now_ += absl::Minutes(11);
  Happen(Loaded{});
  EXPECT_EQ(Asked<WriteJournal>().record.phase, Phase::kCompensating);
  EXPECT_THAT(Asked<WriteJournal>().record.error, HasSubstr("SAGA_UNDECIDED_TOO_LONG"));
}

TEST_F(EngineTest, ASagaPastHalfTheRetentionParks) {
  saga_.record.phase = Phase::kCompensating;
  now_ += options_.unfinished_max + absl::Seconds(1);
  Happen(Loaded{});
  EXPECT_EQ(Asked<WriteJournal>().record.park_reason, "UNFINISHED_TOO_LONG");
}

// What an operator's command makes of the record is command_test.cc's.
class CommandedTest : public EngineTest {
 protected:
  void Commanded(Command::Kind kind, absl::Duration after) {
    now_ += after;
    ASSERT_EQ(Apply({.kind = kind, .id = "c"}, "owner", now_, saga_.record), CommandOutcome::kDone);
    saga_ = Saga{.record = saga_.record, .recovered = true};
    Happen(Loaded{});
  }
};

TEST_F(CommandedTest, ARetriedSagaPastItsTimeRunsItsStepsFromTheFirst) {
  saga_.record.phase = Phase::kParked;
  Commanded(Command::Kind::kRetry, options_.unfinished_max + absl::Hours(1));
  EXPECT_EQ(Asked<CallStep>().method, "S/a");
  EXPECT_EQ(Asked<CallStep>().context.saga->epoch, 8u);
}

TEST_F(CommandedTest, ARetriedCompensationPastItsTimeIsTriedAndParksAgainForWhatTheParticipantSays) {
  saga_.record.phase = Phase::kParked;
  saga_.record.error = "cause";
  Commanded(Command::Kind::kRetry, options_.unfinished_max + absl::Hours(1));
  EXPECT_EQ(Asked<CallStep>().method, "S/undo_bc");
  Reply(MakeError(absl::StatusCode::kFailedPrecondition, {"orders", "TOO_OLD"}, "forgotten"));
  EXPECT_EQ(Asked<WriteJournal>().record.park_reason, "COMPENSATION_REFUSED: TOO_OLD: forgotten");
}

TEST_F(CommandedTest, ASagaThatIsNotFinishedInTimeAfterACommandParksAgain) {
  saga_.record.phase = Phase::kParked;
  saga_.record.error = "cause";
  Commanded(Command::Kind::kRetry, absl::Hours(1));
  now_ += options_.unfinished_max + absl::Seconds(1);
  Happen(Loaded{});
  EXPECT_EQ(Asked<WriteJournal>().record.park_reason, "UNFINISHED_TOO_LONG");
}

TEST_F(CommandedTest, AnOperatorsCompensationUndoesEveryStepOfTheDefinition) {
  Commanded(Command::Kind::kCompensate, absl::ZeroDuration());
  EXPECT_EQ(Asked<CallStep>().method, "S/undo_bc");
  Reply(std::string());
  EXPECT_EQ(Asked<CallStep>().method, "S/undo_a");
  Reply(std::string());
  EXPECT_EQ(Asked<WriteJournal>().record.phase, Phase::kCompensated);
}

TEST_F(CommandedTest, ACompensationWhoseRequestCannotBeMadeParksAgainWithItsReason) {
  definition_.steps[1].compensation_request = [](const MappingInput&) -> absl::StatusOr<std::string> {
    return absl::InternalError("broken");
  };
  saga_.record.phase = Phase::kParked;
  saga_.record.error = "cause";
  Commanded(Command::Kind::kRetry, absl::ZeroDuration());
  EXPECT_EQ(Asked<WriteJournal>().record.park_reason, "COMPENSATION_MAPPING_FAILED: broken");
}

TEST_F(EngineTest, AnOutputThatCannotBeMadeCompensatesEveryStep) {
  definition_.output = [](const MappingInput&) -> absl::StatusOr<std::string> { return absl::InternalError("broken"); };
  Happen(Loaded{});
  for (int i = 0; i < 3; i++) Reply(std::string("ok"));
  EXPECT_EQ(Asked<WriteJournal>().record.failed_step, "c");
  Commit();
  EXPECT_EQ(saga_.plan.size(), 2u);
}

TEST(ClassifyTest, ARefusingCodeIsDefiniteOnlyWithTheParticipantsOwnErrorInfo) {
  EXPECT_EQ(Classify(absl::NotFoundError("a proxy's")), Failure::kTransient);
  EXPECT_EQ(Classify(MakeError(absl::StatusCode::kNotFound, {"customers", "CUSTOMER_NOT_FOUND"}, "x")),
            Failure::kDefinite);
  EXPECT_EQ(Classify(MakeError(absl::StatusCode::kAborted, {"orders", "CONFLICT"}, "x")), Failure::kTransient);
  EXPECT_EQ(Classify(MakeError(absl::StatusCode::kInternal, {"orders", "INTERNAL"}, "x")), Failure::kTransient);
}

TEST(ClassifyTest, AnInjectedAbortIsDefiniteUnlessItsCodeIsRetried) {
  EXPECT_EQ(Classify(MakeError(absl::StatusCode::kInternal, {"orders", "FAULT_INJECTED"}, "x")), Failure::kDefinite);
  EXPECT_EQ(Classify(MakeError(absl::StatusCode::kFailedPrecondition, {"orders", "FAULT_INJECTED"}, "x")),
            Failure::kDefinite);
  EXPECT_EQ(Classify(MakeError(absl::StatusCode::kUnavailable, {"orders", "FAULT_INJECTED"}, "x")),
            Failure::kTransient);
}

TEST(ClassifyTest, TheBarriersRefusalsAreClassesOfTheirOwn) {
  EXPECT_EQ(Classify(MakeError(absl::StatusCode::kAborted, {"orders", "STALE_EPOCH"}, "x")), Failure::kStaleEpoch);
  EXPECT_EQ(Classify(MakeError(absl::StatusCode::kAborted, {"orders", "ALREADY_COMPENSATED"}, "x")),
            Failure::kAlreadyCompensated);
  EXPECT_EQ(Classify(MakeError(absl::StatusCode::kFailedPrecondition, {"orders", "TOO_OLD"}, "x")), Failure::kTooOld);
}

TEST(ClassifyTest, TheHighestEpochIsWhatTheParticipantSaysOrNone) {
  const absl::Status stale = MakeError(absl::StatusCode::kAborted, {"orders", "STALE_EPOCH"}, "x");
  EXPECT_EQ(HighestEpoch(stale), 0u);
  EXPECT_EQ(HighestEpoch(absl::AbortedError("x")), 0u);
  EXPECT_EQ(HighestEpoch(WithErrorMetadata(stale, "highest_epoch", "9223372036854775807")), uint64_t{INT64_MAX});
  EXPECT_EQ(HighestEpoch(WithErrorMetadata(stale, "highest_epoch", "18446744073709551616")), 0u);
  EXPECT_EQ(HighestEpoch(WithErrorMetadata(stale, "highest_epoch", "many")), 0u);
}

}  // namespace
}  // namespace sagamesh::engine
