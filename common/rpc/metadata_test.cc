#include "common/rpc/metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <utility>
#include <vector>

#include "common/rpc/test_server.h"
#include "common/testing/status_matchers.h"

namespace sagamesh::rpc {
namespace {

using ::sagamesh::testing::IsError;
using ::testing::StartsWith;
using Entries = std::vector<std::pair<std::string, std::string>>;

constexpr char kSaga[] = "01938a5c-1f2b-7abc-8def-0123456789ab";

// What a server reads from what a client sends, over a real connection.
class MetadataTest : public ::testing::Test {
 protected:
  absl::Status Send(const Entries& entries) {
    grpc::ClientContext context;
    for (const auto& [key, value] : entries) context.AddMetadata(key, value);
    return server_.Call(context);
  }

  // Refused before the logic saw it.
  void ExpectRefused(const Entries& entries, const std::string& reason, const std::string& field) {
    seen_.reset();
    const absl::Status status = Send(entries);
    EXPECT_THAT(status, IsError(absl::StatusCode::kInvalidArgument, reason));
    EXPECT_THAT(std::string(status.message()), StartsWith(field + ": "));
    EXPECT_TRUE(status.GetPayload("type.googleapis.com/google.rpc.BadRequest").has_value());
    EXPECT_FALSE(seen_.has_value());
  }

  std::optional<CallContext> seen_;
  TestServer server_{[this](const CallContext& call, const auto& request, TestServer::Reply done) {
    seen_ = call;
    AnswerCustomer(call, request, std::move(done));
  }};
};

TEST_F(MetadataTest, ACallWithoutMetadataHasNoneAndNoDeadline) {
  ASSERT_OK(Send({}));
  EXPECT_FALSE(seen_->saga.has_value());
  EXPECT_FALSE(seen_->idempotency_key.has_value());
  EXPECT_FALSE(seen_->fault.has_value());
  EXPECT_EQ(seen_->deadline, absl::InfiniteFuture());
  EXPECT_EQ(seen_->traceparent, "");
}

TEST_F(MetadataTest, WhatIsWrittenIsReadBack) {
  const absl::Time deadline = SystemClock().Now() + absl::Seconds(30);
  CallContext call{
      .saga = SagaCall{kSaga, "confirm", SagaOp::kCompensation, 42},
      .idempotency_key = "key with spaces ~",
      .deadline = deadline,
      .traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      .tracestate = "a=1,b=2",
      .fault = Fault{"orders.v1.OrdersService/ConfirmOrder", 13, absl::Milliseconds(250), true},
  };
  grpc::ClientContext context;
  WriteCallContext(call, context);
  ASSERT_OK(server_.Call(context));
  ASSERT_TRUE(seen_->saga.has_value());
  EXPECT_EQ(seen_->saga->saga_id, kSaga);
  EXPECT_EQ(seen_->saga->step, "confirm");
  EXPECT_EQ(seen_->saga->op, SagaOp::kCompensation);
  EXPECT_EQ(seen_->saga->epoch, 42u);
  EXPECT_EQ(seen_->idempotency_key, call.idempotency_key);
  EXPECT_LT(absl::AbsDuration(seen_->deadline - deadline), absl::Seconds(1));
  EXPECT_EQ(seen_->traceparent, call.traceparent);
  EXPECT_EQ(seen_->tracestate, call.tracestate);
  ASSERT_TRUE(seen_->fault.has_value());
  EXPECT_EQ(seen_->fault->method, call.fault->method);
  EXPECT_EQ(seen_->fault->abort_code, 13);
  EXPECT_EQ(seen_->fault->delay, absl::Milliseconds(250));
  EXPECT_TRUE(seen_->fault->after);
}

TEST_F(MetadataTest, AKeyHas1To255PrintableCharacters) {
  EXPECT_OK(Send({{"idempotency-key", std::string(255, 'k')}}));
  ExpectRefused({{"idempotency-key", std::string(256, 'k')}}, "INVALID_FIELD", "idempotency-key");
  ExpectRefused({{"idempotency-key", ""}}, "INVALID_FIELD", "idempotency-key");
}

TEST_F(MetadataTest, AKeyThatComesTwiceIsRefused) {
  ExpectRefused({{"idempotency-key", "a"}, {"idempotency-key", "b"}}, "METADATA_REPEATED", "idempotency-key");
}

TEST_F(MetadataTest, SagaMetadataThatLacksAnyEntryIsRefused) {
  const Entries whole = {{"saga-id", kSaga}, {"saga-step", "create"}, {"saga-op", "action"}, {"saga-epoch", "1"}};
  ASSERT_OK(Send(whole));
  for (size_t missing = 0; missing < whole.size(); missing++) {
    Entries partial = whole;
    partial.erase(partial.begin() + static_cast<ptrdiff_t>(missing));
    ExpectRefused(partial, "SAGA_METADATA_INCOMPLETE", whole[missing].first);
    ExpectRefused({whole[missing]}, "SAGA_METADATA_INCOMPLETE", missing == 0 ? "saga-step" : "saga-id");
  }
}

TEST_F(MetadataTest, SagaMetadataThatIsMalformedIsRefused) {
  const Entries whole = {{"saga-id", kSaga}, {"saga-step", "create"}, {"saga-op", "action"}, {"saga-epoch", "1"}};
  const Entries malformed = {{"saga-id", "01938a5c-1f2b-4abc-8def-0123456789ab"},  // version 4
                             {"saga-id", "saga-1"},
                             {"saga-step", ""},
                             {"saga-step", std::string(129, 's')},
                             {"saga-op", "undo"},
                             {"saga-epoch", "0"},
                             {"saga-epoch", "-1"},
                             {"saga-epoch", "9223372036854775808"},
                             {"saga-epoch", "one"}};
  for (const auto& [key, value] : malformed) {
    Entries entries = whole;
    for (auto& entry : entries) {
      if (entry.first == key) entry.second = value;
    }
    ExpectRefused(entries, "SAGA_METADATA_INVALID", key);
  }
}

TEST_F(MetadataTest, AFaultNeedsAMethodAndSomethingToDo) {
  const std::pair<std::string, std::string> method = {"x-sagamesh-fault-method", kGetCustomer};
  ExpectRefused({method}, "INVALID_FIELD", "x-envoy-fault-abort-grpc-request");
  ExpectRefused({method, {"x-sagamesh-fault-phase", "after"}}, "INVALID_FIELD", "x-envoy-fault-abort-grpc-request");
  ExpectRefused({{"x-sagamesh-fault-phase", "after"}}, "INVALID_FIELD", "x-sagamesh-fault-method");
  ExpectRefused({{"x-envoy-fault-abort-grpc-request", "13"}}, "INVALID_FIELD", "x-sagamesh-fault-method");
}

TEST_F(MetadataTest, FaultHeadersThatAreMalformedAreRefused) {
  const Entries malformed = {{"x-envoy-fault-abort-grpc-request", "0"},    {"x-envoy-fault-abort-grpc-request", "17"},
                             {"x-envoy-fault-abort-grpc-request", "oops"}, {"x-envoy-fault-delay-request", "0"},
                             {"x-envoy-fault-delay-request", "60001"},     {"x-envoy-fault-delay-request", "1s"},
                             {"x-sagamesh-fault-phase", "during"},         {"x-sagamesh-fault-method", "ConfirmOrder"},
                             {"x-sagamesh-fault-method", "/a.B/C"},        {"x-sagamesh-fault-method", "a.B/"}};
  for (const auto& [key, value] : malformed) {
    Entries entries = {{key, value}};
    if (key != "x-sagamesh-fault-method") entries.push_back({"x-sagamesh-fault-method", "a.B/C"});
    if (key != "x-envoy-fault-abort-grpc-request") entries.push_back({"x-envoy-fault-abort-grpc-request", "13"});
    ExpectRefused(entries, "INVALID_FIELD", key);
  }
}

TEST_F(MetadataTest, ATraceContextThatCannotBeSentOnIsDropped) {
  ASSERT_OK(Send({{"tracestate", std::string(513, 't')}, {"traceparent", "00-ab-cd-01"}}));
  EXPECT_EQ(seen_->tracestate, "");
  EXPECT_EQ(seen_->traceparent, "00-ab-cd-01");
}

TEST_F(MetadataTest, TraceStatesThatComeApartAreJoined) {
  ASSERT_OK(Send({{"tracestate", "a=1"}, {"tracestate", "b=2"}}));
  EXPECT_EQ(seen_->tracestate, "a=1,b=2");
}

TEST(FaultsDisabledTest, EachFaultHeaderIsRefused) {
  TestServer server(AnswerCustomer, [](EdgeOptions& options) { options.enable_fault_injection = false; });
  for (const char* header : {"x-envoy-fault-abort-grpc-request", "x-envoy-fault-delay-request",
                             "x-sagamesh-fault-method", "x-sagamesh-fault-phase"}) {
    grpc::ClientContext context;
    context.AddMetadata(header, "1");
    const absl::Status status = server.Call(context);
    EXPECT_THAT(status, IsError(absl::StatusCode::kInvalidArgument, "FAULT_INJECTION_DISABLED"));
    EXPECT_THAT(std::string(status.message()), StartsWith(header));
  }
  EXPECT_EQ(server.Handled("INVALID_ARGUMENT"), 4);
}

}  // namespace
}  // namespace sagamesh::rpc
