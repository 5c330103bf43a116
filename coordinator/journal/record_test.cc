#include "coordinator/journal/record.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "common/testing/status_matchers.h"

namespace sagamesh::journal {
namespace {

using engine::SagaRecord;
using testing::HasCode;

SagaRecord Example() {
  SagaRecord record;
  record.definition_version = 3;
  record.principal = "someone";
  record.key_kind = engine::KeyKind::kExplicit;
  record.key = "key-1";
  record.fingerprint = "abcdef";
  record.input = std::string("\x08\x01\x00\xff", 4);
  record.fault = Fault{.method = "orders.v1.OrdersService/ConfirmOrder",
                       .abort_code = 13,
                       .delay = absl::Milliseconds(250),
                       .after = true};
  record.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  record.tracestate = "vendor=\xff";
  record.result = "result";
  record.error = "error";
  record.error_definite = true;
  record.failed_step = "confirm_order";
  record.park_reason = "COMPENSATION_REFUSED: no";
  record.compensation_attempts = 7;
  return record;
}

void ExpectExample(const SagaRecord& record) {
  const SagaRecord example = Example();
  EXPECT_EQ(record.definition_version, example.definition_version);
  EXPECT_EQ(record.principal, example.principal);
  EXPECT_EQ(record.key_kind, example.key_kind);
  EXPECT_EQ(record.key, example.key);
  EXPECT_EQ(record.fingerprint, example.fingerprint);
  EXPECT_EQ(record.input, example.input);
  ASSERT_TRUE(record.fault.has_value());
  EXPECT_EQ(record.fault->method, example.fault->method);
  EXPECT_EQ(record.fault->abort_code, example.fault->abort_code);
  EXPECT_EQ(record.fault->delay, example.fault->delay);
  EXPECT_EQ(record.fault->after, example.fault->after);
  EXPECT_EQ(record.traceparent, example.traceparent);
  EXPECT_EQ(record.tracestate, example.tracestate);
  EXPECT_EQ(record.result, example.result);
  EXPECT_EQ(record.error, example.error);
  EXPECT_EQ(record.error_definite, example.error_definite);
  EXPECT_EQ(record.failed_step, example.failed_step);
  EXPECT_EQ(record.park_reason, example.park_reason);
  EXPECT_EQ(record.compensation_attempts, example.compensation_attempts);
}

SagaRecord ExampleWithHistory() {
  SagaRecord record = Example();
  record.epoch_met = 41;
  record.history_dropped = 2;
  record.history = {{.time = absl::FromUnixMillis(1'800'000'000'001),
                     .event = engine::HistoryEvent::kParked,
                     .reason = "COMPENSATION_REFUSED: no",
                     .before = engine::Phase::kCompensating,
                     .after = engine::Phase::kParked},
                    {.time = absl::FromUnixMillis(1'800'000'000'002),
                     .event = engine::HistoryEvent::kRetryCommand,
                     .reason = "orders is back",
                     .before = engine::Phase::kParked,
                     .after = engine::Phase::kCompensating,
                     .command_id = "command-1",
                     .principal = "ana"}};
  return record;
}

void ExpectExampleWithHistory(const SagaRecord& record) {
  const SagaRecord example = ExampleWithHistory();
  EXPECT_EQ(record.epoch_met, example.epoch_met);
  EXPECT_EQ(record.history_dropped, example.history_dropped);
  ASSERT_EQ(record.history.size(), example.history.size());
  for (size_t i = 0; i < example.history.size(); i++) {
    EXPECT_EQ(record.history[i].time, example.history[i].time);
    EXPECT_EQ(record.history[i].event, example.history[i].event);
    EXPECT_EQ(record.history[i].reason, example.history[i].reason);
    EXPECT_EQ(record.history[i].before, example.history[i].before);
    EXPECT_EQ(record.history[i].after, example.history[i].after);
    EXPECT_EQ(record.history[i].command_id, example.history[i].command_id);
    EXPECT_EQ(record.history[i].principal, example.history[i].principal);
  }
}

std::string Golden(const std::string& name) {
  std::ifstream file(std::string(SAGAMESH_JOURNAL_TESTDATA) + "/" + name);
  std::stringstream text;
  text << file.rdbuf();
  return absl::HexStringToBytes(absl::StripAsciiWhitespace(text.str()));
}

TEST(RecordTest, WhatWasEncodedIsDecoded) {
  SagaRecord record;
  ASSERT_OK(DecodeRecord(EncodeRecord(ExampleWithHistory()), record));
  ExpectExample(record);
  ExpectExampleWithHistory(record);
}

TEST(RecordTest, TheGoldenRecordOfFormat1IsReadable) {
  const std::string golden = Golden("record_v1.hex");
  ASSERT_FALSE(golden.empty());
  SagaRecord record;
  ASSERT_OK(DecodeRecord(golden, record)) << "the bytes now: " << absl::BytesToHexString(EncodeRecord(Example()));
  ExpectExample(record);
}

TEST(RecordTest, TheGoldenRecordWithAHistoryIsReadable) {
  SagaRecord record;
  ASSERT_OK(DecodeRecord(Golden("record_v1_history.hex"), record))
      << "the bytes now: " << absl::BytesToHexString(EncodeRecord(ExampleWithHistory()));
  ExpectExample(record);
  ExpectExampleWithHistory(record);
}

TEST(RecordTest, TheGoldenRecordOfFormat2IsReadable) {
  SagaRecord record;
  ASSERT_OK(DecodeRecord(Golden("record_v2.hex"), record))
      << "the bytes now: " << absl::BytesToHexString(EncodeRecord(ExampleWithHistory()));
  ExpectExample(record);
  ExpectExampleWithHistory(record);
}

TEST(RecordTest, EarlierProgramsReadWhatHasEndedOrIsOfADefinitionsFirstVersion) {
  SagaRecord record = Example();
  for (const auto phase : {engine::Phase::kRunning, engine::Phase::kCompensating, engine::Phase::kParked}) {
    record.phase = phase;
    EXPECT_EQ(EncodeRecord(record)[1], 2);
  }
  for (const auto phase : {engine::Phase::kSucceeded, engine::Phase::kCompensated}) {
    record.phase = phase;
    EXPECT_EQ(EncodeRecord(record)[1], 1);
  }
  record.phase = engine::Phase::kRunning;
  record.definition_version = 1;
  EXPECT_EQ(EncodeRecord(record)[1], 1);
}

TEST(RecordTest, WhatARecordHadBeforeItIsReadIsGone) {
  SagaRecord record = ExampleWithHistory();
  ASSERT_OK(DecodeRecord(Golden("record_v1.hex"), record));
  EXPECT_TRUE(record.history.empty());
  EXPECT_EQ(record.epoch_met, 0u);
}

TEST(RecordTest, DamagedBytesAreDataLoss) {
  SagaRecord record;
  EXPECT_THAT(DecodeRecord("\xff\xff", record), HasCode(absl::StatusCode::kDataLoss));
  EXPECT_THAT(DecodeRecord("", record), HasCode(absl::StatusCode::kDataLoss));
}

TEST(RecordTest, ANewerFormatIsDataLoss) {
  std::string bytes = EncodeRecord(Example());
  ASSERT_EQ(bytes[0], '\x08');  // field 1, the format
  bytes[1] = kRecordFormat + 1;
  SagaRecord record;
  EXPECT_THAT(DecodeRecord(bytes, record), HasCode(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace sagamesh::journal
