#include "common/rpc/grpc_step_caller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <future>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/exec/threads.h"
#include "common/rpc/batching_step_caller.h"
#include "common/rpc/server.h"
#include "common/rpc/unary.h"
#include "common/testing/status_matchers.h"
#include "orders/v1/orders.grpc.pb.h"

namespace sagamesh::rpc {
namespace {

using ::orders::v1::CancelOrderRequest;
using ::orders::v1::CancelOrderResponse;
using ::sagamesh::testing::HasCode;
using ::sagamesh::testing::IsError;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

constexpr char kCancel[] = "orders.v1.OrdersService/CancelOrder";
constexpr char kSaga[] = "01a20dd7-785a-7a69-8e09-450f03c120ba";

// Answers with the order that was asked for; notes what came.
struct Logic {
  void CancelOrder(const CallContext& call, const CancelOrderRequest& request, Done<CancelOrderResponse> done) {
    {
      MutexLock lock(mutex);
      steps.push_back(call.saga.has_value() ? call.saga->step : "");
    }
    if (request.order_id() == "bad") return done(InvalidField("orders", "order_id", "is bad"), {});
    CancelOrderResponse response;
    response.mutable_order()->set_order_id(request.order_id());
    done(std::move(response), {});
  }

  Mutex mutex;
  std::vector<std::string> steps ABSL_GUARDED_BY(mutex);
};

class UnaryService : public ::orders::v1::OrdersService::CallbackService {
 public:
  UnaryService(Edge& edge, Logic& logic) : edge_(edge), logic_(logic) {}
  SAGAMESH_UNARY(orders::v1, "orders.v1.OrdersService", CancelOrder)

 protected:
  Edge& edge_;
  Logic& logic_;
};

class TwinService final : public UnaryService {
 public:
  using UnaryService::UnaryService;
  SAGAMESH_BATCH(orders::v1, "orders.v1.OrdersService", BatchCancelOrders, CancelOrder)
};

template <typename Service>
class Participant {
 public:
  Participant()
      : edge_({.domain = "orders",
               .enable_fault_injection = true,
               .clock = &clock_,
               .timers = loop_.get(),
               .registry = &registry_}),
        service_(edge_, logic_),
        server_(*Server::Start({.address = "127.0.0.1:0", .services = {&service_}})),
        unary_({{"orders.v1.OrdersService", absl::StrCat("127.0.0.1:", server_->port())}}),
        caller_({.domain = "test"}, FindBatchTwins({"orders.v1.OrdersService"}), unary_, *loop_, clock_, registry_) {}

  // All at once; the answered order ids or reasons, in this order.
  std::vector<absl::StatusOr<std::string>> Call(const std::vector<std::string>& order_ids,
                                                std::optional<Fault> fault = std::nullopt) {
    std::deque<std::promise<absl::StatusOr<std::string>>> replies;
    for (const std::string& order_id : order_ids) {
      CallContext context;
      context.saga = SagaCall{kSaga, absl::StrCat("step of ", order_id), SagaOp::kCompensation, 1};
      context.idempotency_key = order_id;
      context.deadline = clock_.Now() + absl::Seconds(10);
      context.fault = fault;
      CancelOrderRequest request;
      request.set_order_id(order_id);
      caller_.Call(
          kCancel, request.SerializeAsString(), context,
          [&reply = replies.emplace_back()](absl::StatusOr<std::string> bytes) {
            CancelOrderResponse response;
            if (bytes.ok()) response.ParseFromString(*bytes);
            reply.set_value(bytes.ok() ? absl::StatusOr<std::string>(response.order().order_id()) : bytes.status());
          });
    }
    std::vector<absl::StatusOr<std::string>> answers;
    for (auto& reply : replies) answers.push_back(reply.get_future().get());
    return answers;
  }

  std::vector<std::string> Steps() {
    MutexLock lock(logic_.mutex);
    return logic_.steps;
  }
  int Handled(const std::string& method, const std::string& code) {
    return static_cast<int>(
        registry_.Counter("sagamesh_rpc_server_handled_total", "", {{"method", method}, {"code", code}}).Value());
  }

 private:
  SystemClock clock_;
  metrics::Registry registry_;
  std::unique_ptr<EventLoop> loop_ = MakeThreadEventLoop("test");
  Edge edge_;
  Logic logic_;
  Service service_;
  std::unique_ptr<Server> server_;
  GrpcStepCaller unary_;
  BatchingStepCaller caller_;
};

TEST(GrpcStepCallerTest, ABatchReachesTheServerWithEachCallsContextAndBringsEachAnswer) {
  Participant<TwinService> orders;
  const auto answers = orders.Call({"a", "bad", "c"});
  EXPECT_EQ(*answers[0], "a");
  EXPECT_THAT(answers[1], IsError(absl::StatusCode::kInvalidArgument, "INVALID_FIELD"));
  EXPECT_EQ(*answers[2], "c");
  EXPECT_THAT(orders.Steps(), UnorderedElementsAre("step of a", "step of bad", "step of c"));
  EXPECT_EQ(orders.Handled(kCancel, "OK"), 2);
  EXPECT_EQ(orders.Handled(kCancel, "INVALID_ARGUMENT"), 1);
  EXPECT_GE(orders.Handled("orders.v1.OrdersService/BatchCancelOrders", "OK"), 1);
}

TEST(GrpcStepCallerTest, ACallWithAFaultIsStruckAlone) {
  Participant<TwinService> orders;
  const auto answers = orders.Call({"a"}, Fault{.method = kCancel, .abort_code = 13});
  EXPECT_THAT(answers[0], IsError(absl::StatusCode::kInternal, "FAULT_INJECTED"));
  EXPECT_EQ(orders.Handled("orders.v1.OrdersService/BatchCancelOrders", "OK"), 0);
}

TEST(GrpcStepCallerTest, AServiceWithoutTwinsIsCalledUnary) {
  Participant<UnaryService> orders;
  const auto answers = orders.Call({"a", "bad"});
  EXPECT_EQ(*answers[0], "a");
  EXPECT_THAT(answers[1], IsError(absl::StatusCode::kInvalidArgument, "INVALID_FIELD"));
  EXPECT_EQ(orders.Handled(kCancel, "OK"), 1);
  EXPECT_THAT(orders.Call({"b"})[0], ::testing::Property(&absl::StatusOr<std::string>::ok, true));
  EXPECT_EQ(orders.Steps().size(), 3u);
}

TEST(GrpcStepCallerTest, AMethodThatNobodyServesIsUnimplemented) {
  GrpcStepCaller caller({});
  std::promise<absl::Status> reply;
  caller.Call("stranger.v1.Service/Do", "", {}, [&reply](auto bytes) { reply.set_value(bytes.status()); });
  EXPECT_THAT(reply.get_future().get(), HasCode(absl::StatusCode::kUnimplemented));
}

}  // namespace
}  // namespace sagamesh::rpc
