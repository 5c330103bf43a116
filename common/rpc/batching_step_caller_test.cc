#include "common/rpc/batching_step_caller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/error.h"
#include "common/testing/fake_clock.h"
#include "common/testing/manual_loop.h"
#include "common/testing/status_matchers.h"
#include "customers/v1/customers.pb.h"
#include "orders/v1/orders.pb.h"
#include "saga/v1/batch.pb.h"

namespace sagamesh::rpc {
namespace {

using ::saga::v1::StepBatchRequest;
using ::saga::v1::StepBatchResponse;
using ::sagamesh::testing::FakeClock;
using ::sagamesh::testing::HasCode;
using ::sagamesh::testing::IsError;
using ::sagamesh::testing::ManualLoop;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr char kCreate[] = "orders.v1.OrdersService/CreateOrder";
constexpr char kConfirm[] = "orders.v1.OrdersService/ConfirmOrder";
constexpr char kCancel[] = "orders.v1.OrdersService/CancelOrder";
constexpr char kCreateBatch[] = "orders.v1.OrdersService/BatchCreateOrders";
constexpr char kConfirmBatch[] = "orders.v1.OrdersService/BatchConfirmOrders";
constexpr char kCancelBatch[] = "orders.v1.OrdersService/BatchCancelOrders";

struct Sent {
  std::string method;
  std::string request;
  CallContext context;
  absl::AnyInvocable<void(absl::StatusOr<std::string>)> done;

  std::vector<std::string> requests() const {
    StepBatchRequest batch;
    batch.ParseFromString(request);
    return {batch.requests().begin(), batch.requests().end()};
  }
};

// What was sent waits for the test to answer it.
class FakeWire final : public StepCaller {
 public:
  void Call(const std::string& method, std::string request, const CallContext& context,
            absl::AnyInvocable<void(absl::StatusOr<std::string>)> done) override {
    sent.push_back({method, std::move(request), context, std::move(done)});
  }
  Sent Take() {
    Sent first = std::move(sent.front());
    sent.pop_front();
    return first;
  }
  std::deque<Sent> sent;
};

class BatchingStepCallerTest : public ::testing::Test {
 protected:
  BatchingStepCallerTest() { Make({.domain = "orders", .max_batch_calls = 3, .max_batch_bytes = 20}); }

  void Make(BatchingOptions options) {
    caller_ = std::make_unique<BatchingStepCaller>(
        options, FindBatchTwins({"orders.v1.OrdersService", "stranger.v1.Service"}), wire_, loop_, clock_, registry_);
  }

  CallContext Context(const std::string& saga, SagaOp op = SagaOp::kAction) {
    CallContext context;
    context.saga = SagaCall{saga, "step", op, 1};
    context.idempotency_key = saga;
    context.deadline = clock_.Now() + absl::Seconds(1);
    return context;
  }
  // The request is the saga's name, so that who gets what shows.
  void Call(const std::string& method, const std::string& saga, const CallContext& context) {
    caller_->Call(method, saga, context,
                  [this, saga](absl::StatusOr<std::string> reply) { replies_.emplace(saga, std::move(reply)); });
  }
  void Call(const std::string& method, const std::string& saga) {
    Call(method, saga, Context(saga, method == kCancel ? SagaOp::kCompensation : SagaOp::kAction));
  }
  // Answers each request by itself with a "!".
  static void Answer(Sent sent) {
    StepBatchResponse response;
    for (const std::string& request : sent.requests()) response.add_results()->set_response(request + "!");
    sent.done(response.SerializeAsString());
  }

  FakeClock clock_;
  ManualLoop loop_{clock_};
  metrics::Registry registry_;
  FakeWire wire_;
  std::map<std::string, absl::StatusOr<std::string>> replies_;
  std::unique_ptr<BatchingStepCaller> caller_;  // ends what waits as it is destroyed
};

TEST_F(BatchingStepCallerTest, TheContractsSayWhichMethodHasWhichTwin) {
  EXPECT_EQ(FindBatchTwins({"orders.v1.OrdersService"}).at(kCreate), kCreateBatch);
  ::customers::v1::Reservation::descriptor();  // links the contract in
  const BatchTwins stock = FindBatchTwins({"customers.v1.StockService"});
  EXPECT_EQ(stock.size(), 3u);
  EXPECT_FALSE(stock.contains("customers.v1.StockService/Restock"));
  EXPECT_THAT(FindBatchTwins({"stranger.v1.Service"}), IsEmpty());
}

TEST_F(BatchingStepCallerTest, WhatWaitsForOneMethodGoesTogetherAndEachGetsItsOwnAnswer) {
  Call(kCreate, "a");
  Call(kCreate, "b");
  Call(kConfirm, "c");
  loop_.Run();
  ASSERT_EQ(wire_.sent.size(), 2u);
  EXPECT_EQ(wire_.Take().method, kConfirmBatch);
  Sent first = wire_.Take();
  EXPECT_EQ(first.method, kCreateBatch);
  EXPECT_THAT(first.requests(), ElementsAre("a", "b"));
  EXPECT_EQ(first.context.deadline, clock_.Now() + absl::Seconds(1));
  EXPECT_FALSE(first.context.saga.has_value());
  StepBatchRequest batch;
  batch.ParseFromString(first.request);
  EXPECT_EQ(batch.contexts(1).saga_id(), "b");
  EXPECT_EQ(batch.contexts(1).time_left_us(), 1'000'000);
  StepBatchResponse response;
  *response.add_results()->mutable_status() = ToProto(InvalidField("orders", "order_id", "is none"));
  response.add_results()->set_response("good");
  first.done(response.SerializeAsString());
  EXPECT_THAT(replies_.at("a"), IsError(absl::StatusCode::kInvalidArgument, "INVALID_FIELD"));
  EXPECT_EQ(*replies_.at("b"), "good");
}

TEST_F(BatchingStepCallerTest, TwoBatchesAreUnderWayAndTheNextIsWhatCameMeanwhile) {
  for (const char* saga : {"a", "b", "c", "d", "e", "f", "g"}) Call(kCreate, saga);
  loop_.Run();
  ASSERT_EQ(wire_.sent.size(), 2u);
  EXPECT_THAT(wire_.sent[1].requests(), ElementsAre("d", "e", "f"));
  Call(kCreate, "h");
  loop_.Run();
  ASSERT_EQ(wire_.sent.size(), 2u);
  Answer(wire_.Take());
  ASSERT_EQ(wire_.sent.size(), 2u);
  EXPECT_THAT(wire_.sent[1].requests(), ElementsAre("g", "h"));
  EXPECT_EQ(*replies_.at("c"), "c!");
}

TEST_F(BatchingStepCallerTest, CompensationsHaveBatchesOfTheirOwn) {
  for (const char* saga : {"a", "b", "c", "d", "e", "f", "g"}) Call(kCreate, saga);
  Call(kCancel, "h");
  loop_.Run();
  ASSERT_EQ(wire_.sent.size(), 3u);
  EXPECT_EQ(wire_.sent[2].method, kCancelBatch);
}

TEST_F(BatchingStepCallerTest, WhatIsNoBatchesBusinessGoesAloneAtOnce) {
  CallContext direct;
  direct.deadline = clock_.Now() + absl::Seconds(1);
  Call(kCreate, "direct", direct);
  CallContext faulty = Context("faulty");
  faulty.fault = Fault{.method = kCreate, .abort_code = 13};
  Call(kCreate, "faulty", faulty);
  Call("stranger.v1.Service/Do", "stranger");
  Call(kCreate, "much more than a batch takes");
  ASSERT_EQ(wire_.sent.size(), 4u);
  EXPECT_EQ(wire_.sent[1].method, kCreate);
  EXPECT_TRUE(wire_.sent[1].context.fault.has_value());
  wire_.sent[1].done("alone");
  EXPECT_EQ(*replies_.at("faulty"), "alone");
}

TEST_F(BatchingStepCallerTest, ABatchIsBoundedInBytes) {
  Call(kCreate, "ten bytes.");
  Call(kCreate, "ten bytes!");
  Call(kCreate, "more");
  loop_.Run();
  EXPECT_THAT(wire_.sent[0].requests(), ElementsAre("ten bytes.", "ten bytes!"));
}

TEST_F(BatchingStepCallerTest, ACallWhoseBatchHasFailedTwiceGoesAlone) {
  for (int failures = 0; failures < 2; failures++) {
    replies_.clear();
    Call(kCreate, "a");
    Call(kCreate, "b");
    loop_.Run();
    ASSERT_EQ(wire_.sent.size(), 1u);
    wire_.Take().done(absl::UnavailableError("gone"));
    EXPECT_THAT(replies_.at("a"), HasCode(absl::StatusCode::kUnavailable));
    EXPECT_THAT(replies_.at("b"), HasCode(absl::StatusCode::kUnavailable));
  }
  Call(kCreate, "a");
  Call(kCreate, "c");
  loop_.Run();
  ASSERT_EQ(wire_.sent.size(), 2u);
  EXPECT_EQ(wire_.sent[0].method, kCreate);
  EXPECT_THAT(wire_.sent[1].requests(), ElementsAre("c"));
}

TEST_F(BatchingStepCallerTest, AnAnswerThatIsNoneFailsTheBatch) {
  Call(kCreate, "a");
  Call(kCreate, "b");
  loop_.Run();
  StepBatchResponse response;
  response.add_results()->set_response("for whom?");
  wire_.Take().done(response.SerializeAsString());
  EXPECT_THAT(replies_.at("a"), HasCode(absl::StatusCode::kInternal));
  EXPECT_THAT(replies_.at("b"), HasCode(absl::StatusCode::kInternal));
}

TEST_F(BatchingStepCallerTest, AResultThatIsNoneFailsItsCallAlone) {
  Call(kCreate, "a");
  Call(kCreate, "b");
  loop_.Run();
  StepBatchResponse response;
  response.add_results();
  response.add_results()->set_response("");
  wire_.Take().done(response.SerializeAsString());
  EXPECT_THAT(replies_.at("a"), HasCode(absl::StatusCode::kInternal));
  EXPECT_EQ(*replies_.at("b"), "");
}

TEST_F(BatchingStepCallerTest, WhatAParticipantRefusesBeforeItRunsAnythingIsNoCallsFault) {
  for (int failures = 0; failures < 3; failures++) {
    replies_.clear();
    Call(kCreate, "a");
    loop_.Run();
    ASSERT_EQ(wire_.sent.size(), 1u);
    EXPECT_EQ(wire_.sent[0].method, kCreateBatch);
    wire_.Take().done(DatabaseUnavailable("orders"));
    EXPECT_THAT(replies_.at("a"), IsError(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE"));
  }
}

TEST_F(BatchingStepCallerTest, AServiceThatDoesNotKnowTheTwinIsCalledWithoutItForAWhile) {
  Call(kCreate, "a");
  loop_.Run();
  wire_.Take().done(absl::UnimplementedError(""));
  ASSERT_EQ(wire_.sent.size(), 1u);
  Sent again = wire_.Take();
  EXPECT_EQ(again.method, kCreate);
  EXPECT_TRUE(again.context.saga.has_value());
  again.done("unary");
  EXPECT_EQ(*replies_.at("a"), "unary");
  Call(kCreate, "b");
  EXPECT_EQ(wire_.Take().method, kCreate);
  clock_.Advance(absl::Seconds(11));
  Call(kCreate, "c");
  loop_.Run();
  EXPECT_EQ(wire_.Take().method, kCreateBatch);
}

TEST_F(BatchingStepCallerTest, ACallWhoseTimeEndsWhileItWaitsIsToldSoAndNotSent) {
  for (const char* saga : {"a", "b", "c", "d", "e", "f"}) Call(kCreate, saga);
  CallContext brief = Context("brief");
  brief.deadline = clock_.Now() + absl::Milliseconds(5);
  Call(kCreate, "brief", brief);
  loop_.Run();
  clock_.Advance(absl::Milliseconds(10));
  Answer(wire_.Take());
  EXPECT_THAT(replies_.at("brief"), HasCode(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(wire_.sent.size(), 1u);
}

TEST_F(BatchingStepCallerTest, BatchesThatHangMakeRoomForOthers) {
  for (const char* saga : {"a", "b", "c", "d", "e", "f", "g"}) Call(kCreate, saga);
  loop_.Run();
  ASSERT_EQ(wire_.sent.size(), 2u);
  clock_.Advance(absl::Milliseconds(99));
  loop_.Run();
  ASSERT_EQ(wire_.sent.size(), 2u);
  clock_.Advance(absl::Milliseconds(1));
  loop_.Run();
  ASSERT_EQ(wire_.sent.size(), 3u);
  Answer(std::move(wire_.sent[2]));
  EXPECT_EQ(*replies_.at("g"), "g!");
}

TEST_F(BatchingStepCallerTest, WhatWaitsIsBounded) {
  Make({.domain = "orders", .max_batch_calls = 1, .max_waiting_calls = 2});
  Call(kCreate, "a");
  Call(kCreate, "b");
  loop_.Run();
  for (const char* saga : {"c", "d", "e"}) Call(kCreate, saga);
  EXPECT_THAT(replies_.at("e"), IsError(absl::StatusCode::kResourceExhausted, "STEP_QUEUE_FULL"));
}

TEST_F(BatchingStepCallerTest, AtItsEndWhatWaitsIsUnavailableAndWhatIsUnderWayEnds) {
  for (const char* saga : {"a", "b", "c", "d", "e", "f", "g"}) Call(kCreate, saga);
  loop_.Run();
  caller_ = nullptr;
  EXPECT_THAT(replies_.at("g"), IsError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN"));
  Answer(wire_.Take());
  EXPECT_EQ(*replies_.at("a"), "a!");
  EXPECT_EQ(wire_.sent.size(), 1u);
}

}  // namespace
}  // namespace sagamesh::rpc
