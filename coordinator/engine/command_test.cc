#include "coordinator/engine/command.h"

#include <gtest/gtest.h>

#include <string>

#include "common/status/error.h"
#include "coordinator/engine/history.h"

namespace sagamesh::engine {
namespace {

const absl::Time kCreated = absl::FromUnixSeconds(1'800'000'000);
const absl::Time kNow = kCreated + absl::Hours(100);

SagaRecord Record(Phase phase, bool decided) {
  SagaRecord record;
  record.saga_id = "saga-1";
  record.owner = "old";
  record.epoch = 7;
  record.version = 9;
  record.takeovers = 3;
  record.phase = phase;
  record.error = decided ? "the cause" : "";
  record.error_definite = decided;
  record.failed_step = decided ? "b" : "";
  record.park_reason = phase == Phase::kParked ? "EPOCH_AHEAD" : "";
  record.created = kCreated;
  return record;
}

Command Make(Command::Kind kind, const std::string& id = "command-1") {
  return {.kind = kind, .id = id, .principal = "ana", .reason = "orders is back"};
}

constexpr Command::Kind kRetry = Command::Kind::kRetry;
constexpr Command::Kind kCompensate = Command::Kind::kCompensate;

TEST(CommandTest, WhatBecomesOfASagaInEachState) {
  constexpr struct {
    Command::Kind command;
    Phase before;
    bool decided;
    CommandOutcome outcome;
    Phase after;
  } kCases[] = {
      {kRetry, Phase::kRunning, false, CommandOutcome::kNotParked, Phase::kRunning},
      {kRetry, Phase::kCompensating, true, CommandOutcome::kDone, Phase::kCompensating},
      {kRetry, Phase::kParked, false, CommandOutcome::kDone, Phase::kRunning},
      {kRetry, Phase::kParked, true, CommandOutcome::kDone, Phase::kCompensating},
      {kRetry, Phase::kSucceeded, false, CommandOutcome::kFinal, Phase::kSucceeded},
      {kRetry, Phase::kCompensated, true, CommandOutcome::kFinal, Phase::kCompensated},
      {kCompensate, Phase::kRunning, false, CommandOutcome::kDone, Phase::kCompensating},
      {kCompensate, Phase::kCompensating, true, CommandOutcome::kUnchanged, Phase::kCompensating},
      {kCompensate, Phase::kParked, false, CommandOutcome::kDone, Phase::kCompensating},
      {kCompensate, Phase::kParked, true, CommandOutcome::kDone, Phase::kCompensating},
      {kCompensate, Phase::kSucceeded, false, CommandOutcome::kFinal, Phase::kSucceeded},
      {kCompensate, Phase::kCompensated, true, CommandOutcome::kFinal, Phase::kCompensated},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(testing::Message() << "command " << static_cast<int>(c.command) << ", phase "
                                    << static_cast<int>(c.before) << ", decided " << c.decided);
    SagaRecord record = Record(c.before, c.decided);
    EXPECT_EQ(Apply(Make(c.command), "new", kNow, record), c.outcome);
    const bool done = c.outcome == CommandOutcome::kDone;
    EXPECT_EQ(record.phase, c.after);
    EXPECT_EQ(record.owner, done ? "new" : "old");
    EXPECT_EQ(record.epoch, done ? 8u : 7u);
    EXPECT_EQ(record.takeovers, done ? 0u : 3u);
    EXPECT_EQ(record.park_reason, "");
    EXPECT_EQ(IsApplied(Make(c.command), record), done);
    EXPECT_FALSE(IsApplied(Make(c.command, "another"), record));
    ASSERT_EQ(record.history.size(), done ? 1u : 0u);
    if (!done) continue;
    const HistoryEntry& entry = record.history[0];
    EXPECT_EQ(entry.event, c.command == kRetry ? HistoryEvent::kRetryCommand : HistoryEvent::kCompensateCommand);
    EXPECT_EQ(entry.before, c.before);
    EXPECT_EQ(entry.after, c.after);
    EXPECT_EQ(entry.reason, "orders is back");
    EXPECT_EQ(entry.principal, "ana");
    EXPECT_EQ(entry.time, kNow);
  }
}

TEST(CommandTest, TheOperatorsDecisionIsATransientErrorThatNamesTheSaga) {
  SagaRecord record = Record(Phase::kRunning, false);
  Apply(Make(kCompensate), "new", kNow, record);
  google::rpc::Status error;
  ASSERT_TRUE(error.ParseFromString(record.error));
  EXPECT_EQ(error.code(), static_cast<int>(absl::StatusCode::kAborted));
  const auto info = GetErrorInfo(FromProto(error));
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->domain(), "coordinator");
  EXPECT_EQ(info->reason(), "COMPENSATED_BY_OPERATOR");
  EXPECT_EQ(info->metadata().at("saga_id"), "saga-1");
  EXPECT_FALSE(record.error_definite);
  EXPECT_EQ(record.failed_step, "");
}

TEST(CommandTest, ADecisionThatWasMadeKeepsItsCause) {
  SagaRecord record = Record(Phase::kParked, true);
  Apply(Make(kCompensate), "new", kNow, record);
  EXPECT_EQ(record.error, "the cause");
  EXPECT_TRUE(record.error_definite);
  EXPECT_EQ(record.failed_step, "b");
}

TEST(CommandTest, ACompensatingSagaWithoutACauseNeverRunsAgain) {
  SagaRecord record = Record(Phase::kCompensating, false);
  EXPECT_EQ(Apply(Make(kRetry), "new", kNow, record), CommandOutcome::kDone);
  EXPECT_EQ(record.phase, Phase::kCompensating);
}

TEST(CommandTest, ItGoesOnAboveEveryEpochThatAParticipantToldOf) {
  SagaRecord record = Record(Phase::kParked, false);
  record.epoch_met = 1'000;
  Apply(Make(kRetry), "new", kNow, record);
  EXPECT_EQ(record.epoch, 1'001u);
  record.epoch = 2'000;
  record.phase = Phase::kParked;
  Apply(Make(kRetry, "command-2"), "new", kNow, record);
  EXPECT_EQ(record.epoch, 2'001u);
}

TEST(CommandTest, AnEpochThatLeavesNoRoomAboveItIsNotGoneBeyond) {
  for (const uint64_t met : {kCommandEpochMax, uint64_t{INT64_MAX}, UINT64_MAX}) {
    SagaRecord record = Record(Phase::kParked, false);
    record.epoch_met = met;
    EXPECT_EQ(Apply(Make(kRetry), "new", kNow, record), CommandOutcome::kEpochExhausted);
    EXPECT_EQ(record.phase, Phase::kParked);
    EXPECT_EQ(record.epoch, 7u);
    record.epoch_met = kCommandEpochMax - 1;
    EXPECT_EQ(Apply(Make(kRetry), "new", kNow, record), CommandOutcome::kDone);
    EXPECT_EQ(record.epoch, kCommandEpochMax);
    EXPECT_GT(static_cast<int64_t>(record.epoch + 1'000'000'000), 0);
  }
}

TEST(HistoryTest, TheOldestEntriesAreDroppedAndCounted) {
  SagaRecord record;
  for (size_t i = 0; i < kHistoryEntriesMax + 3; i++) AddHistory(record, {.reason = std::to_string(i)});
  EXPECT_EQ(record.history.size(), kHistoryEntriesMax);
  EXPECT_EQ(record.history.front().reason, "3");
  EXPECT_EQ(record.history_dropped, 3u);
}

TEST(HistoryTest, ASagasAgeBeginsAnewWithACommandAndWithNothingElse) {
  SagaRecord record = Record(Phase::kRunning, false);
  EXPECT_EQ(AgeBegins(record), kCreated);
  Park(record, "EPOCH_AHEAD", kNow);
  EXPECT_EQ(AgeBegins(record), kCreated);
  Apply(Make(kRetry), "new", kNow + absl::Seconds(1), record);
  Park(record, "EPOCH_AHEAD", kNow + absl::Seconds(2));
  EXPECT_EQ(AgeBegins(record), kNow + absl::Seconds(1));
  Apply(Make(kCompensate, "command-2"), "new", kNow + absl::Seconds(3), record);
  EXPECT_EQ(AgeBegins(record), kNow + absl::Seconds(3));
}

}  // namespace
}  // namespace sagamesh::engine
