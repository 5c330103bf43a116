#include "common/rpc/step_batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"
#include "orders/v1/orders.pb.h"

namespace sagamesh::rpc {
namespace {

using ::orders::v1::BatchCancelOrdersRequest;
using ::orders::v1::BatchCancelOrdersResponse;
using ::orders::v1::CancelOrderRequest;
using ::orders::v1::CancelOrderResponse;
using ::saga::v1::StepContext;
using ::sagamesh::testing::FakeClock;
using ::sagamesh::testing::HasCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kSaga[] = "01a20dd7-785a-7a69-8e09-450f03c120ba";

class StepBatchTest : public ::testing::Test {
 protected:
  StepContext& Add(const std::string& order_id) {
    request_.add_requests()->set_order_id(order_id);
    StepContext& context = *request_.add_contexts();
    context.set_saga_id(kSaga);
    context.set_step("create_order");
    context.set_op(StepContext::COMPENSATION);
    context.set_epoch(3);
    context.set_idempotency_key("key");
    context.set_time_left_us(1'000'000);
    return context;
  }

  // Calls wait in `calls_` until the test ends them.
  void Run() {
    RunStepBatch(
        {"orders", clock_, [this](const absl::Status& status) { counted_.push_back(status.code()); }}, request_,
        response_,
        [this](const CallContext& call, const CancelOrderRequest& request, Done<CancelOrderResponse> done) {
          contexts_.push_back(call);
          order_ids_.push_back(request.order_id());
          calls_.push_back(std::move(done));
        },
        [this](absl::Status status) { finished_ = std::move(status); });
  }
  static CancelOrderResponse Cancelled(const std::string& order_id) {
    CancelOrderResponse response;
    response.mutable_order()->set_order_id(order_id);
    return response;
  }

  FakeClock clock_;
  BatchCancelOrdersRequest request_;
  BatchCancelOrdersResponse response_;
  std::vector<CallContext> contexts_;
  std::vector<std::string> order_ids_;
  std::vector<Done<CancelOrderResponse>> calls_;
  std::vector<absl::StatusCode> counted_;
  std::optional<absl::Status> finished_;
};

TEST_F(StepBatchTest, EachCallRunsWithItsContextAndHasAResultOfItsOwn) {
  Add("a");
  Add("b").set_epoch(4);
  Run();
  EXPECT_THAT(order_ids_, ElementsAre("a", "b"));
  EXPECT_EQ(contexts_[0].saga->saga_id, kSaga);
  EXPECT_EQ(contexts_[0].saga->op, SagaOp::kCompensation);
  EXPECT_EQ(contexts_[0].idempotency_key, "key");
  EXPECT_EQ(contexts_[0].deadline, clock_.Now() + absl::Seconds(1));
  EXPECT_EQ(contexts_[1].saga->epoch, 4u);
  calls_[1](InvalidField("orders", "order_id", "is none"), {.replayed = true});
  EXPECT_FALSE(finished_.has_value());
  calls_[0](Cancelled("a"), {});
  ASSERT_TRUE(finished_.has_value());
  EXPECT_OK(*finished_);
  EXPECT_EQ(response_.results(0).response().order().order_id(), "a");
  EXPECT_FALSE(response_.results(0).replayed());
  EXPECT_EQ(GetReason(FromProto(response_.results(1).status())), "INVALID_FIELD");
  EXPECT_TRUE(response_.results(1).replayed());
  EXPECT_THAT(counted_, ElementsAre(absl::StatusCode::kInvalidArgument, absl::StatusCode::kOk));
}

TEST_F(StepBatchTest, ACallThatIsTooLateIsNotRun) {
  Add("a").set_time_left_us(0);
  Add("b");
  Run();
  EXPECT_THAT(order_ids_, ElementsAre("b"));
  calls_[0](Cancelled("b"), {});
  EXPECT_EQ(response_.results(0).status().code(), static_cast<int>(absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(response_.results(1).has_response());
}

TEST_F(StepBatchTest, AMalformedContextIsRefusedByItsFieldAndHarmsNoOther) {
  Add("a").set_saga_id("none");
  Add("b").set_step("");
  Add("c").clear_op();
  Add("d").set_epoch(0);
  Add("e").set_idempotency_key("\n");
  Add("f").set_traceparent("\x01");
  Run();
  EXPECT_THAT(order_ids_, ElementsAre("f"));
  EXPECT_EQ(contexts_[0].traceparent, "");
  calls_[0](Cancelled("f"), {});
  const char* const fields[] = {"saga_id", "step", "op", "epoch", "idempotency_key"};
  for (int i = 0; i < 5; i++) {
    EXPECT_THAT(response_.results(i).status().message(), HasSubstr(fields[i]));
    EXPECT_EQ(response_.results(i).status().code(), static_cast<int>(absl::StatusCode::kInvalidArgument));
  }
}

TEST_F(StepBatchTest, ABatchThatIsNoneRunsNothing) {
  Run();
  EXPECT_THAT(*finished_, HasCode(absl::StatusCode::kInvalidArgument));
  Add("a");
  request_.add_contexts();
  Run();
  EXPECT_THAT(finished_->message(), HasSubstr("contexts"));
  request_.Clear();
  for (int i = 0; i < 1025; i++) Add("a");
  Run();
  EXPECT_THAT(finished_->message(), HasSubstr("requests"));
  EXPECT_TRUE(order_ids_.empty());
}

TEST_F(StepBatchTest, ACallThatIsDroppedIsUnavailable) {
  Add("a");
  Add("b");
  Run();
  calls_[0](Cancelled("a"), {});
  calls_.clear();
  ASSERT_TRUE(finished_.has_value());
  EXPECT_EQ(GetReason(FromProto(response_.results(1).status())), "SHUTTING_DOWN");
}

}  // namespace
}  // namespace sagamesh::rpc
