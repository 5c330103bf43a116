// The barrier, by the methods that a saga's steps come to.

#include <string>

#include "customers/service/logic_fixture_test.h"

namespace sagamesh::customers {
namespace {

namespace pb = ::customers::v1;
using absl::StatusCode;
using testing::Counted;
using testing::HasCode;
using testing::IsError;
using testing::kCompensated;
using testing::kReused;
using testing::kStale;
using testing::kTooOld;

using SagaCallsTest = testing::CustomersLogicTest;

TEST_P(SagaCallsTest, ARepeatedActionAnswersItsStoredResult) {
  const std::string saga = NewSaga();
  const auto first = Reserve("o", {{"a", 2}}, Saga(saga, "create_order"));
  ASSERT_OK(first);
  EXPECT_FALSE(info_.replayed);
  ASSERT_OK(Commit("o", Saga(saga, "confirm_order")));
  const auto again = Reserve("o", {{"a", 2}}, Saga(saga, "create_order", SagaOp::kAction, 2));
  ASSERT_OK(again);
  EXPECT_TRUE(info_.replayed);
  EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString()) << "although it is committed meanwhile";
  ASSERT_OK(Commit("o", Saga(saga, "confirm_order", SagaOp::kAction, 2)));
  EXPECT_EQ(Counts("a"), (Counted{8, 0, 2}));
}

// As long as such calls are new.
TEST_P(SagaCallsTest, WhatASagaBeginsWithIsNotLookedForFirst) {
  const std::string saga = NewSaga();
  ASSERT_OK(Reserve("o", {{"a", 2}}, Saga(saga, "create_order")));
  const auto runs_of_a_repeat = [&] {
    const int before = database_.rollbacks();
    EXPECT_OK(Reserve("o", {{"a", 2}}, Saga(saga, "create_order")));
    EXPECT_TRUE(info_.replayed);
    return database_.rollbacks() - before;
  };
  EXPECT_EQ(runs_of_a_repeat(), 2);
  EXPECT_EQ(runs_of_a_repeat(), 1);
}

TEST_P(SagaCallsTest, ADefiniteRefusalOfASagaIsStored) {
  const std::string saga = NewSaga();
  const auto first = Reserve("o", {{"a", 11}}, Saga(saga, "create_order"));
  ASSERT_OK(Restock("a", 100));
  const auto again = Reserve("o", {{"a", 11}}, Saga(saga, "create_order"));
  EXPECT_THAT(again, IsError(StatusCode::kFailedPrecondition, "INSUFFICIENT_STOCK"));
  EXPECT_EQ(SerializeStatus(again.status()), SerializeStatus(first.status()));
  EXPECT_EQ(Counts("a"), (Counted{110, 0, 0}));
}

TEST_P(SagaCallsTest, ARepeatedActionWithAnotherPayloadIsRefused) {
  const std::string saga = NewSaga();
  ASSERT_OK(Reserve("o", {{"a", 2}}, Saga(saga, "create_order")));
  EXPECT_THAT(Reserve("o", {{"a", 3}}, Saga(saga, "create_order")), kReused);
  EXPECT_THAT(Reserve("o2", {{"a", 2}}, Saga(saga, "create_order")), kReused);
  EXPECT_EQ(Counts("a"), (Counted{8, 2, 0}));
}

TEST_P(SagaCallsTest, ACompensationUndoesOnce) {
  const std::string saga = NewSaga();
  ASSERT_OK(Reserve("o", {{"a", 2}}, Saga(saga, "create_order")));
  const auto first = Release("o", Undo(saga));
  ASSERT_OK(first);
  EXPECT_EQ(first->status(), pb::Reservation::RELEASED);
  const auto again = Release("o", Undo(saga));
  ASSERT_OK(again);
  EXPECT_TRUE(info_.replayed);
  EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString());
  EXPECT_EQ(Counts("a"), (Counted{10, 0, 0}));
}

TEST_P(SagaCallsTest, ACompensationAfterACommitIsAReversal) {
  const std::string saga = NewSaga();
  ASSERT_OK(Reserve("o", {{"a", 2}}, Saga(saga, "create_order")));
  ASSERT_OK(Commit("o", Saga(saga, "confirm_order")));
  ASSERT_OK(Release("o", Undo(saga)));
  EXPECT_EQ(Counts("a"), (Counted{10, 0, 0}));
}

TEST_P(SagaCallsTest, ANullCompensationSucceedsAndLeavesTheMark) {
  const std::string saga = NewSaga();
  const auto released = Release("o", Undo(saga));
  ASSERT_OK(released);
  EXPECT_EQ(released->status(), pb::Reservation::RELEASED);
  EXPECT_EQ(released->items_size(), 0);
  EXPECT_THAT(Reserve("o", {{"a", 2}}, Saga(saga, "create_order")), kCompensated);
  EXPECT_THAT(Commit("o", Saga(saga, "confirm_order")), kCompensated);
  EXPECT_THAT(Reserve("another order of it", {{"a", 2}}, Saga(saga, "create_order")), kCompensated);
  EXPECT_EQ(Counts("a"), (Counted{10, 0, 0}));
}

TEST_P(SagaCallsTest, ALateRepeatedActionAfterItsCompensationIsRefused) {
  const std::string saga = NewSaga();
  ASSERT_OK(Reserve("o", {{"a", 2}}, Saga(saga, "create_order")));
  ASSERT_OK(Release("o", Undo(saga)));
  EXPECT_THAT(Reserve("o", {{"a", 2}}, Saga(saga, "create_order")), kCompensated);
  EXPECT_EQ(Counts("a"), (Counted{10, 0, 0}));
}

TEST_P(SagaCallsTest, ALowerEpochIsRefusedBeforeAnyStoredResult) {
  const std::string saga = NewSaga();
  ASSERT_OK(Reserve("o", {{"a", 2}}, Saga(saga, "create_order", SagaOp::kAction, 3)));
  EXPECT_THAT(Reserve("o", {{"a", 2}}, Saga(saga, "create_order", SagaOp::kAction, 2)), kStale);
  EXPECT_THAT(Commit("o", Saga(saga, "confirm_order", SagaOp::kAction, 2)), kStale);
  EXPECT_THAT(Release("o", Undo(saga, 2)), kStale);
  EXPECT_EQ(Counts("a"), (Counted{8, 2, 0}));
  EXPECT_OK(Commit("o", Saga(saga, "confirm_order", SagaOp::kAction, 3)));
}

TEST_P(SagaCallsTest, TheEpochOfARefusedCallIsRememberedToo) {
  const std::string saga = NewSaga();
  EXPECT_THAT(Commit("o", Saga(saga, "confirm_order", SagaOp::kAction, 5)), HasCode(StatusCode::kNotFound));
  EXPECT_THAT(Reserve("o", {{"a", 2}}, Saga(saga, "create_order", SagaOp::kAction, 4)), kStale);
}

TEST_P(SagaCallsTest, ASagaOlderThanTheRetentionIsRefused) {
  const std::string saga = MakeUuidV7(clock_.Now() - absl::Hours(169), *random_);
  EXPECT_THAT(Reserve("o", {{"a", 2}}, Saga(saga, "create_order")), kTooOld);
  EXPECT_THAT(Commit("o", Saga(saga, "confirm_order")), kTooOld);
  EXPECT_THAT(Release("o", Undo(saga)), kTooOld);
  EXPECT_EQ(Counts("a"), (Counted{10, 0, 0}));
}

TEST_P(SagaCallsTest, ASagaThatIsNoUuidV7IsRefused) {
  EXPECT_THAT(Reserve("o", {{"a", 2}}, Saga("saga", "create_order")),
              IsError(StatusCode::kInvalidArgument, "SAGA_ID_INVALID"));
}

TEST_P(SagaCallsTest, AnActionThatIsSentAsACompensationIsRefused) {
  const std::string saga = NewSaga();
  EXPECT_THAT(Reserve("o", {{"a", 2}}, Undo(saga)), HasCode(StatusCode::kInvalidArgument));
  EXPECT_THAT(Release("o", Saga(saga, "cancel")), HasCode(StatusCode::kInvalidArgument));
  EXPECT_OK(Reserve("o", {{"a", 2}}, Saga(saga, "create_order"))) << "no mark was left";
}

INSTANTIATE_TEST_SUITE_P(Engines, SagaCallsTest, ::testing::Values(testing::SqliteEngine()), testing::EngineName);
INSTANTIATE_TEST_SUITE_P(Servers, SagaCallsTest, ::testing::ValuesIn(testing::ServerEngines()), testing::EngineName);

}  // namespace
}  // namespace sagamesh::customers
