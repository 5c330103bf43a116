#include "coordinator/journal/answers.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace sagamesh::journal {
namespace {

SagaRecord Ended(const std::string& id, KeyKind kind = KeyKind::kExplicit) {
  SagaRecord saga;
  saga.saga_id = id;
  saga.key_kind = kind;
  saga.fingerprint = "fingerprint";
  saga.phase = Phase::kSucceeded;
  saga.result = absl::StrCat("result of ", id);
  return saga;
}

class AnswersTest : public ::testing::Test {
 protected:
  // The result that is replayed, or "".
  std::string Find(const std::string& key, const SagaRecord& candidate = Ended("new")) {
    const auto found = answers_.Find(key, candidate);
    return found.has_value() ? found->result : "";
  }

  Answers answers_{16'000};
};

TEST_F(AnswersTest, AKeyThatWasNotAskedForAgainIsNotKnown) { EXPECT_EQ(Find("key"), ""); }

TEST_F(AnswersTest, WhatWasReplayedIsReplayedAgain) {
  answers_.Add("key", Ended("old"));
  answers_.Add("key", Ended("old"));
  EXPECT_EQ(Find("key"), "result of old");
  EXPECT_EQ(Find("another"), "");
}

// StartSaga shows the saga that it replays.
TEST_F(AnswersTest, ASagaIsKeptAsFarAsItIsShown) {
  SagaRecord old = Ended("old");
  old.definition = "process_order";
  old.owner = "owner";
  old.version = 2;
  old.key = "key";
  old.input = "input";
  old.created = absl::FromUnixSeconds(1'700'000'000);
  old.history.resize(3);
  answers_.Add("key", old);
  const auto found = answers_.Find("key", Ended("new"));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->definition, old.definition);
  EXPECT_EQ(found->owner, old.owner);
  EXPECT_EQ(found->version, old.version);
  EXPECT_EQ(found->key_kind, old.key_kind);
  EXPECT_EQ(found->key, old.key);
  EXPECT_EQ(found->input, old.input);
  EXPECT_EQ(found->created, old.created);
  EXPECT_TRUE(found->history.empty());
}

TEST_F(AnswersTest, ADefiniteErrorIsReplayedToo) {
  SagaRecord failed = Ended("failed");
  failed.phase = Phase::kCompensated;
  failed.result = "";
  failed.error = "error";
  answers_.Add("key", failed);
  const auto found = answers_.Find("key", Ended("new"));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->saga_id, "failed");
  EXPECT_EQ(found->phase, Phase::kCompensated);
  EXPECT_EQ(found->error, "error");
}

TEST_F(AnswersTest, AnotherPayloadIsLeftToTheJournal) {
  answers_.Add("key", Ended("old"));
  SagaRecord candidate = Ended("new");
  candidate.fingerprint = "another";
  EXPECT_EQ(Find("key", candidate), "");
}

TEST_F(AnswersTest, AContentKeyWhoseWindowMayBeOverAtAnotherReplicaIsLeftToTheJournal) {
  answers_.Add("key", Ended("old", KeyKind::kContent));
  EXPECT_EQ(Find("key", Ended("new", KeyKind::kContent)), "");
}

TEST_F(AnswersTest, KeepsThoseAskedForLastWithinItsBytes) {
  answers_.Add("kept", Ended("kept"));
  for (int i = 0; i < 1000; i++) {
    answers_.Add(absl::StrCat("key-", i), Ended("other"));
    EXPECT_EQ(Find("kept"), "result of kept");
  }
  EXPECT_EQ(Find("key-0"), "");
  EXPECT_EQ(Find("key-999"), "result of other");
}

TEST_F(AnswersTest, AnAnswerThatFitsNowhereIsNotKept) {
  SagaRecord large = Ended("large");
  large.result = std::string(20'000, 'x');
  answers_.Add("key", large);
  EXPECT_EQ(Find("key"), "");
}

}  // namespace
}  // namespace sagamesh::journal
