#include "orders/service/step_stock_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>

#include "common/status/error.h"
#include "common/testing/status_matchers.h"

namespace sagamesh::orders {
namespace {

using ::sagamesh::testing::IsError;
using ::testing::HasSubstr;
using ::testing::Not;
using Code = absl::StatusCode;

constexpr char kTransportText[] = "failed to connect to 10.1.2.3:9090";

// Answers every call alike.
class OneAnswer final : public rpc::StepCaller {
 public:
  explicit OneAnswer(absl::StatusOr<std::string> answer) : answer_(std::move(answer)) {}

  void Call(const std::string&, std::string, const CallContext&,
            absl::AnyInvocable<void(absl::StatusOr<std::string>)> done) override {
    done(answer_);
  }

 private:
  absl::StatusOr<std::string> answer_;
};

absl::Status Told(absl::StatusOr<std::string> answer) {
  OneAnswer caller(std::move(answer));
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

// Nor may it become a definite refusal, which would end the order.
TEST(StepStockClient, OtherCodesWithoutAReasonAreFailures) {
  EXPECT_THAT(Told(absl::NotFoundError("no route")), IsError(Code::kInternal, "BACKEND_FAILED"));
  EXPECT_THAT(Told(absl::UnimplementedError("no such method")), IsError(Code::kInternal, "BACKEND_FAILED"));
  EXPECT_THAT(Told(absl::InternalError(kTransportText)), IsError(Code::kInternal, "BACKEND_FAILED"));
}

TEST(StepStockClient, AnAnswerThatIsNoneIsAFailure) {
  EXPECT_THAT(Told(std::string("\x0a\xff")), IsError(Code::kInternal, "BACKEND_FAILED"));
}

}  // namespace
}  // namespace sagamesh::orders
