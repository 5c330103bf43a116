#include "common/rpc/unary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <optional>
#include <thread>

#include "common/rpc/test_server.h"
#include "common/status/error.h"
#include "common/testing/status_matchers.h"

namespace sagamesh::rpc {
namespace {

using ::sagamesh::testing::IsError;

// Waits for what another thread brings about soon.
bool Eventually(const std::function<bool()>& holds) {
  SystemClock clock;
  for (int i = 0; i < 2000; i++) {
    if (holds()) return true;
    clock.SleepFor(absl::Milliseconds(5));
  }
  return false;
}

void AddFault(grpc::ClientContext& context, const Fault& fault) {
  CallContext call;
  call.fault = fault;
  WriteCallContext(call, context);
}

std::optional<std::string> Find(const std::multimap<grpc::string_ref, grpc::string_ref>& metadata, const char* key) {
  const auto it = metadata.find(key);
  if (it == metadata.end()) return std::nullopt;
  return std::string(it->second.data(), it->second.size());
}

TEST(EdgeTest, TheLogicsAnswerIsTheCallsAndIsCounted) {
  TestServer server(AnswerCustomer);
  grpc::ClientContext context;
  EXPECT_OK(server.Call(context));
  EXPECT_EQ(server.Handled("OK"), 1);
}

TEST(EdgeTest, TheLogicMayAnswerLaterAndOnAnotherThread) {
  std::thread answering;
  TestServer server([&answering](const CallContext&, const auto& request, TestServer::Reply done) {
    answering = std::thread([&request, done = std::move(done)]() mutable {
      SystemClock().SleepFor(absl::Milliseconds(20));
      AnswerCustomer({}, request, std::move(done));
    });
  });
  grpc::ClientContext context;
  EXPECT_OK(server.Call(context));
  answering.join();
}

TEST(EdgeTest, AnErrorArrivesWithItsDetails) {
  const absl::Status error =
      WithErrorMetadata(InvalidField("customers", "name", "is empty — ¡vacío!"), "saga_id", "s1");
  TestServer server([&error](const CallContext&, const auto&, TestServer::Reply done) { done(error, {}); });
  grpc::ClientContext context;
  EXPECT_EQ(server.Call(context), error);
  EXPECT_EQ(server.Handled("INVALID_ARGUMENT"), 1);
}

TEST(EdgeTest, ReplyInfoBecomesMetadata) {
  TestServer server([](const CallContext&, const auto&, TestServer::Reply done) {
    done(absl::InternalError("x"), {.replayed = true, .compensating = true});
  });
  grpc::ClientContext context;
  EXPECT_FALSE(server.Call(context).ok());
  EXPECT_EQ(Find(context.GetServerInitialMetadata(), "idempotent-replayed"), "true");
  EXPECT_EQ(Find(context.GetServerTrailingMetadata(), "saga-state"), "COMPENSATING");
}

TEST(EdgeTest, AnAnswerThatIsNotReplayedHasNoSuchMetadata) {
  TestServer server(AnswerCustomer);
  grpc::ClientContext context;
  EXPECT_OK(server.Call(context));
  EXPECT_EQ(Find(context.GetServerInitialMetadata(), "idempotent-replayed"), std::nullopt);
  EXPECT_EQ(Find(context.GetServerTrailingMetadata(), "saga-state"), std::nullopt);
}

TEST(EdgeTest, WorkThatIsTooLateIsRefusedBeforeTheLogic) {
  std::atomic<int> runs{0};
  TestServer server([&runs](const CallContext& call, const auto& request, TestServer::Reply done) {
    runs++;
    AnswerCustomer(call, request, std::move(done));
  });
  server.clock().Advance(absl::Minutes(1));
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(SystemClock().Now() + absl::Seconds(20)));
  EXPECT_THAT(server.Call(context), IsError(absl::StatusCode::kDeadlineExceeded, "TOO_LATE"));
  EXPECT_EQ(runs, 0);
}

TEST(EdgeTest, WhatIsNotAdmittedIsRefusedBeforeTheLogic) {
  std::atomic<bool> admit{false};
  std::atomic<int> runs{0};
  TestServer server(
      [&runs](const CallContext& call, const auto& request, TestServer::Reply done) {
        runs++;
        AnswerCustomer(call, request, std::move(done));
      },
      [&admit](EdgeOptions& options) {
        options.admission = [&admit] {
          return admit ? absl::OkStatus()
                       : MakeError(absl::StatusCode::kUnavailable, {"customers", "DATABASE_UNAVAILABLE"}, "away");
        };
      });
  grpc::ClientContext refused;
  EXPECT_THAT(server.Call(refused), IsError(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE"));
  EXPECT_EQ(runs, 0);
  admit = true;
  grpc::ClientContext admitted;
  EXPECT_OK(server.Call(admitted));
}

TEST(EdgeTest, TheLogicMayAnswerAfterItsCallerIsGone) {
  std::promise<TestServer::Reply> waiting;
  TestServer server(
      [&waiting](const CallContext&, const auto&, TestServer::Reply done) { waiting.set_value(std::move(done)); });
  grpc::ClientContext context;
  std::thread caller([&] { EXPECT_EQ(server.Call(context).code(), absl::StatusCode::kCancelled); });
  TestServer::Reply done = waiting.get_future().get();
  context.TryCancel();
  caller.join();
  done(::customers::v1::GetCustomerResponse(), {});
  EXPECT_TRUE(Eventually([&] { return server.Handled("OK") == 1; }));
  server.server().Shutdown(absl::Seconds(10));
}

TEST(EdgeTest, ACallWhoseAnswerWasDroppedEndsByItself) {
  TestServer server([](const CallContext&, const auto&, TestServer::Reply) {});
  grpc::ClientContext context;
  EXPECT_THAT(server.Call(context), IsError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN"));
}

// Faults.

class FaultTest : public ::testing::Test {
 protected:
  absl::Status CallWith(const Fault& fault) {
    grpc::ClientContext context;
    AddFault(context, fault);
    const absl::Time started = SystemClock().Now();
    const absl::Status status = server_.Call(context);
    took_ = SystemClock().Now() - started;
    return status;
  }

  std::atomic<int> runs_{0};
  std::optional<Fault> passed_on_;
  absl::Duration took_;
  TestServer server_{[this](const CallContext& call, const auto& request, TestServer::Reply done) {
    runs_++;
    passed_on_ = call.fault;
    AnswerCustomer(call, request, std::move(done));
  }};
};

TEST_F(FaultTest, AnAbortBeforeReplacesTheLogic) {
  const absl::Status status = CallWith({.method = kGetCustomer, .abort_code = 13});
  EXPECT_THAT(status, IsError(absl::StatusCode::kInternal, "FAULT_INJECTED"));
  EXPECT_EQ(GetErrorInfo(status)->domain(), "customers");
  EXPECT_EQ(runs_, 0);
}

TEST_F(FaultTest, AnAbortAfterReplacesTheReplyOnly) {
  const absl::Status status = CallWith({.method = kGetCustomer, .abort_code = 9, .after = true});
  EXPECT_THAT(status, IsError(absl::StatusCode::kFailedPrecondition, "FAULT_INJECTED"));
  EXPECT_EQ(runs_, 1);
}

TEST_F(FaultTest, ADelayHoldsTheCallUpAndThenRunsTheLogic) {
  for (const bool after : {false, true}) {
    runs_ = 0;
    EXPECT_OK(CallWith({.method = kGetCustomer, .delay = absl::Milliseconds(120), .after = after}));
    EXPECT_GE(took_, absl::Milliseconds(120));
    EXPECT_EQ(runs_, 1);
  }
}

TEST_F(FaultTest, AFaultForAnotherMethodIsLeftToTheLogic) {
  EXPECT_OK(CallWith({.method = "customers.v1.StockService/ReserveStock", .abort_code = 13}));
  EXPECT_EQ(runs_, 1);
  ASSERT_TRUE(passed_on_.has_value());
  EXPECT_EQ(passed_on_->method, "customers.v1.StockService/ReserveStock");
  EXPECT_EQ(passed_on_->abort_code, 13);
}

TEST_F(FaultTest, ADelayEndsWhenTheCallerGivesUpAndTheLogicNeverRuns) {
  grpc::ClientContext context;
  AddFault(context, {.method = kGetCustomer, .delay = absl::Seconds(60)});
  context.set_deadline(absl::ToChronoTime(SystemClock().Now() + absl::Milliseconds(100)));
  EXPECT_EQ(server_.Call(context).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(Eventually([&] { return server_.Handled("DEADLINE_EXCEEDED") + server_.Handled("CANCELLED") == 1; }));
  EXPECT_EQ(runs_, 0);
}

TEST_F(FaultTest, ADelayDoesNotHoldUpTheEndOfTheServer) {
  grpc::ClientContext context;
  AddFault(context, {.method = kGetCustomer, .delay = absl::Seconds(60)});
  std::thread caller([&] { EXPECT_FALSE(server_.Call(context).ok()); });
  SystemClock().SleepFor(absl::Milliseconds(100));
  const absl::Time started = SystemClock().Now();
  server_.server().Shutdown(absl::Milliseconds(100));
  EXPECT_LT(SystemClock().Now() - started, absl::Seconds(20));
  caller.join();
  EXPECT_EQ(runs_, 0);
}

}  // namespace
}  // namespace sagamesh::rpc
