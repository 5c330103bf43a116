#include "coordinator/journal/answers.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace sagamesh::journal {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);
constexpr absl::Duration kWindow = absl::Hours(24);

SagaRecord Ended(const std::string& id, KeyKind kind = KeyKind::kExplicit) {
  SagaRecord saga;
  saga.saga_id = id;
  saga.key_kind = kind;
  saga.fingerprint = "fingerprint";
  saga.phase = Phase::kSucceeded;
  saga.result = absl::StrCat("result of ", id);
  saga.created = kNow;
  return saga;
}

class AnswersTest : public ::testing::Test {
 protected:
  // The result that is replayed, or "".
  std::string Find(const std::string& key, const SagaRecord& candidate, absl::Time now = kNow) {
    const auto found = answers_.Find(key, candidate, now, kWindow);
    return found.has_value() ? found->result : "";
  }

  Answers answers_{16'000};
};

TEST_F(AnswersTest, AKeyThatWasNotAskedForAgainIsNotKnown) { EXPECT_EQ(Find("key", Ended("new")), ""); }

TEST_F(AnswersTest, WhatWasReplayedIsReplayedAgain) {
  answers_.Add("key", Ended("old"));
  EXPECT_EQ(Find("key", Ended("new")), "result of old");
  EXPECT_EQ(Find("another", Ended("new")), "");
}

TEST_F(AnswersTest, AnotherPayloadIsLeftToTheJournal) {
  answers_.Add("key", Ended("old"));
  SagaRecord candidate = Ended("new");
  candidate.fingerprint = "another";
  EXPECT_EQ(Find("key", candidate), "");
}

TEST_F(AnswersTest, AContentKeyIsFreeAfterItsWindowAndThenANewSagasAnswerCounts) {
  answers_.Add("key", Ended("old", KeyKind::kContent));
  const SagaRecord candidate = Ended("new", KeyKind::kContent);
  EXPECT_EQ(Find("key", candidate, kNow + kWindow - absl::Milliseconds(1)), "result of old");
  EXPECT_EQ(Find("key", candidate, kNow + kWindow), "");
  SagaRecord newer = Ended("newer", KeyKind::kContent);
  newer.created = kNow + kWindow;
  answers_.Add("key", newer);
  EXPECT_EQ(Find("key", candidate, kNow + kWindow), "result of newer");
}

TEST_F(AnswersTest, KeepsThoseAskedForLastWithinItsBytes) {
  answers_.Add("kept", Ended("kept"));
  for (int i = 0; i < 1000; i++) {
    answers_.Add(absl::StrCat("key-", i), Ended("other"));
    EXPECT_EQ(Find("kept", Ended("new")), "result of kept");
  }
  EXPECT_EQ(Find("key-0", Ended("new")), "");
  EXPECT_EQ(Find("key-999", Ended("new")), "result of other");
}

TEST_F(AnswersTest, AnAnswerThatFitsNowhereIsNotKept) {
  SagaRecord large = Ended("large");
  large.result = std::string(20'000, 'x');
  answers_.Add("key", large);
  EXPECT_EQ(Find("key", Ended("new")), "");
}

}  // namespace
}  // namespace sagamesh::journal
