#include "orders/service/step_stock_client.h"

#include <optional>
#include <string>
#include <utility>

#include "common/status/error.h"
#include "common/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sagamesh::orders {
namespace {

using ::sagamesh::testing::HasCode;
using ::sagamesh::testing::IsError;
using ::testing::HasSubstr;
using ::testing::Not;
using Code = absl::StatusCode;

constexpr char kTransportText[] = "failed to connect to 10.1.2.3:9090";

// Answers every call with one status.
class FailingCaller final : public rpc::StepCaller {
 public:
  explicit FailingCaller(absl::Status status) : status_(std::move(status)) {}

  void Call(const std::string&, std::string, const CallContext&,
            absl::AnyInvocable<void(absl::StatusOr<std::string>)> done) override {
    done(status_);
  }

 private:
  absl::Status status_;
};

absl::Status Told(absl::Status status) {
  FailingCaller caller(std::move(status));
  StepStockClient client(caller);
  std::optional<absl::Status> told;
  client.ReserveStock({}, {}, [&](absl::StatusOr<::customers::v1::ReserveStockResponse> response, ReplyInfo) {
    told = response.status();
  });
  return told.value_or(absl::OkStatus());
}

TEST(StepStockClient, WhatNoServiceSaidIsNamedAndDoesNotTellAddresses) {
  EXPECT_THAT(Told(absl::UnavailableError(kTransportText)), IsError(Code::kUnavailable, "BACKEND_UNAVAILABLE"));
  EXPECT_THAT(Told(absl::CancelledError(kTransportText)), IsError(Code::kUnavailable, "BACKEND_UNAVAILABLE"));
  EXPECT_THAT(Told(absl::DeadlineExceededError(kTransportText)), IsError(Code::kDeadlineExceeded, "BACKEND_TIMEOUT"));
  EXPECT_THAT(std::string(Told(absl::UnavailableError(kTransportText)).message()), Not(HasSubstr("10.1.2.3")));
}

TEST(StepStockClient, WhatCustomersSaysIsPassedOnAsItIs) {
  const absl::Status away = DatabaseUnavailable("customers");
  EXPECT_EQ(Told(away), away);
  EXPECT_EQ(GetErrorInfo(Told(away))->domain(), "customers");
  EXPECT_THAT(Told(TooLate("customers", "the call")), IsError(Code::kDeadlineExceeded, "TOO_LATE"));
}

// Without a reason it is no definite refusal, and must not become one.
TEST(StepStockClient, OtherCodesWithoutAReasonGetNone) {
  EXPECT_THAT(Told(absl::NotFoundError("no route")), IsError(Code::kNotFound, ""));
  EXPECT_THAT(Told(absl::UnimplementedError("no such method")), HasCode(Code::kUnimplemented));
}

}  // namespace
}  // namespace sagamesh::orders
