#include "common/sql/mysql_hosts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/status_matchers.h"

namespace sagamesh::sql {
namespace {

using ::absl::StatusCode;
using ::sagamesh::testing::HasCode;
using ::testing::HasSubstr;

const HostAnswer kWritable{HostAnswer::Role::kWritable, ""};
const HostAnswer kReadOnly{HostAnswer::Role::kReadOnly, ""};
const HostAnswer kAway{HostAnswer::Role::kAway, "connection refused"};

TEST(ChooseHostTest, TheOnlyWritableOneIsChosen) {
  const absl::StatusOr<size_t> chosen = ChooseHost({"a", "b", "c"}, {kReadOnly, kWritable, kAway});
  ASSERT_OK(chosen);
  EXPECT_EQ(*chosen, 1u);
}

TEST(ChooseHostTest, IfNoneIsWritableItTellsWhatEachSaid) {
  const absl::Status status = ChooseHost({"a", "b"}, {kReadOnly, kAway}).status();
  EXPECT_THAT(status, HasCode(StatusCode::kUnavailable));
  EXPECT_THAT(std::string(status.message()), HasSubstr("no host is writable (a: read-only; b: connection refused)"));
}

TEST(ChooseHostTest, TwoWritableOnesAreRefusedAndNamed) {
  const absl::Status status = ChooseHost({"a", "b", "c"}, {kWritable, kReadOnly, kWritable}).status();
  EXPECT_THAT(status, HasCode(StatusCode::kUnavailable));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("more than one host is writable (a: writable; b: read-only; c: writable)"));
}

class HostChoiceTest : public ::testing::Test {
 protected:
  absl::StatusOr<HostChoice::Place> Learn(std::vector<HostAnswer> answers) {
    return choice_.Learn(choice_.StartAsking(now_), answers);
  }

  absl::Time now_ = absl::FromUnixSeconds(1'000);
  HostChoice choice_{{"a", "b"}};
};

TEST_F(HostChoiceTest, OneHostAloneIsKnownAndNeverChanges) {
  HostChoice alone({"a"});
  alone.Doubt();
  ASSERT_TRUE(alone.Known(now_).has_value());
  EXPECT_TRUE(alone.IsCurrent(alone.Known(now_)->term));
}

TEST_F(HostChoiceTest, AnswersAreBelievedForAShortTime) {
  EXPECT_FALSE(choice_.Known(now_).has_value());
  ASSERT_OK(Learn({kReadOnly, kWritable}));
  ASSERT_TRUE(choice_.Known(now_ + HostChoice::kFresh).has_value());
  EXPECT_EQ(choice_.Known(now_)->host, 1u);
  EXPECT_FALSE(choice_.Known(now_ + HostChoice::kFresh + absl::Milliseconds(1)).has_value());
}

TEST_F(HostChoiceTest, AfterADoubtTheHostsAreToBeAskedAgain) {
  ASSERT_OK(Learn({kWritable, kReadOnly}));
  choice_.Doubt();
  EXPECT_FALSE(choice_.Known(now_).has_value());
  ASSERT_OK(Learn({kWritable, kReadOnly}));
  EXPECT_TRUE(choice_.Known(now_).has_value());
}

TEST_F(HostChoiceTest, ADoubtThatCameWhileTheyWereAskedStays) {
  const auto ticket = choice_.StartAsking(now_);
  choice_.Doubt();
  ASSERT_OK(choice_.Learn(ticket, {kWritable, kReadOnly}));
  EXPECT_FALSE(choice_.Known(now_).has_value());
}

TEST_F(HostChoiceTest, ATermEndsWhenAnotherHostBecomesTheOne) {
  const auto first = Learn({kWritable, kReadOnly});
  ASSERT_OK(first);
  EXPECT_TRUE(choice_.IsCurrent(first->term));
  ASSERT_OK(Learn({kWritable, kReadOnly}));
  EXPECT_TRUE(choice_.IsCurrent(first->term));
  const auto second = Learn({kReadOnly, kWritable});
  ASSERT_OK(second);
  EXPECT_EQ(second->host, 1u);
  EXPECT_FALSE(choice_.IsCurrent(first->term));
  EXPECT_TRUE(choice_.IsCurrent(second->term));
}

TEST_F(HostChoiceTest, ATermEndsWhenNoHostOrASecondOneIsWritable) {
  for (const std::vector<HostAnswer>& wrong : {std::vector<HostAnswer>{kReadOnly, kReadOnly}, {kWritable, kWritable}}) {
    const auto place = Learn({kWritable, kReadOnly});
    ASSERT_OK(place);
    EXPECT_THAT(Learn(wrong), HasCode(StatusCode::kUnavailable));
    EXPECT_FALSE(choice_.IsCurrent(place->term));
    EXPECT_FALSE(choice_.Known(now_).has_value());
  }
}

TEST_F(HostChoiceTest, ATermOutlivesAHostThatDoesNotAnswerWhileThereIsNoOther) {
  const auto place = Learn({kWritable, kReadOnly});
  ASSERT_OK(place);
  EXPECT_THAT(Learn({kAway, kReadOnly}), HasCode(StatusCode::kUnavailable));
  EXPECT_TRUE(choice_.IsCurrent(place->term));
  ASSERT_OK(Learn({kAway, kWritable}));
  EXPECT_FALSE(choice_.IsCurrent(place->term));
}

TEST_F(HostChoiceTest, ATermEndsWhenItsHostDoesNotAnswerAndTwoOthersAreWritable) {
  HostChoice choice({"a", "b", "c"});
  const auto place = choice.Learn(choice.StartAsking(now_), {kWritable, kReadOnly, kReadOnly});
  ASSERT_OK(place);
  EXPECT_THAT(choice.Learn(choice.StartAsking(now_), {kAway, kWritable, kWritable}), HasCode(StatusCode::kUnavailable));
  EXPECT_FALSE(choice.IsCurrent(place->term));
}

TEST_F(HostChoiceTest, AWriteShowsForAShortTimeThatItsHostCanBeWritten) {
  const auto place = Learn({kReadOnly, kWritable});
  ASSERT_OK(place);
  EXPECT_FALSE(choice_.Written(now_).has_value());
  choice_.Wrote(place->term, now_);
  choice_.Wrote(place->term, now_ - absl::Seconds(1));  // another connection, which tells later
  EXPECT_EQ(choice_.Written(now_ + HostChoice::kFresh), absl::optional<size_t>(1));
  EXPECT_FALSE(choice_.Written(now_ + HostChoice::kFresh + absl::Milliseconds(1)).has_value());
}

TEST_F(HostChoiceTest, AWriteShowsNothingAfterADoubtOrOfAnotherTerm) {
  const auto first = Learn({kWritable, kReadOnly});
  ASSERT_OK(first);
  choice_.Wrote(first->term, now_);
  choice_.Doubt();
  EXPECT_FALSE(choice_.Written(now_).has_value());
  choice_.Wrote(first->term, now_);
  ASSERT_OK(Learn({kReadOnly, kWritable}));
  EXPECT_FALSE(choice_.Written(now_).has_value());
  choice_.Wrote(first->term, now_);
  EXPECT_FALSE(choice_.Written(now_).has_value());
}

TEST_F(HostChoiceTest, AnswersThatWereAskedForEarlierChangeNothing) {
  const auto early = choice_.StartAsking(now_);
  const auto place = Learn({kReadOnly, kWritable});
  ASSERT_OK(place);
  EXPECT_THAT(choice_.Learn(early, {kWritable, kReadOnly}), HasCode(StatusCode::kUnavailable));
  EXPECT_TRUE(choice_.IsCurrent(place->term));
  EXPECT_EQ(choice_.Known(now_)->host, 1u);
}

}  // namespace
}  // namespace sagamesh::sql
