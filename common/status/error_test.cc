#include "common/status/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/status_matchers.h"

namespace sagamesh {
namespace {

using ::sagamesh::testing::HasCode;
using ::sagamesh::testing::IsError;

absl::Status InsufficientStock() {
  return MakeError(absl::StatusCode::kFailedPrecondition, {"customers", "INSUFFICIENT_STOCK"},
                   "Stock insuficiente para prod-123: solicitado 101, disponible 100",
                   {{"sku", "prod-123"}, {"requested", "101"}, {"available", "100"}});
}

template <typename Detail>
std::optional<Detail> GetDetail(const absl::Status& status) {
  const google::rpc::Status proto = ToProto(status);
  for (const google::protobuf::Any& any : proto.details()) {
    Detail detail;
    if (any.UnpackTo(&detail)) return detail;
  }
  return std::nullopt;
}

TEST(ErrorTest, AnErrorCarriesItsErrorInfo) {
  const absl::Status status = InsufficientStock();
  EXPECT_THAT(status, IsError(absl::StatusCode::kFailedPrecondition, "INSUFFICIENT_STOCK"));
  const std::optional<google::rpc::ErrorInfo> info = GetErrorInfo(status);
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->domain(), "customers");
  EXPECT_EQ(info->metadata().at("sku"), "prod-123");
}

TEST(ErrorTest, AStatusWithoutDetailsHasNoReason) {
  EXPECT_EQ(GetReason(absl::InternalError("x")), "");
  EXPECT_EQ(GetReason(absl::OkStatus()), "");
}

TEST(ErrorTest, TheMessageOfAnInvalidFieldBeginsWithTheField) {
  const absl::Status status = InvalidField("orders", "items[2].quantity", "must be at least 1");
  EXPECT_THAT(status, IsError(absl::StatusCode::kInvalidArgument, "INVALID_FIELD"));
  EXPECT_EQ(status.message(), "items[2].quantity: must be at least 1");
  const auto bad_request = GetDetail<google::rpc::BadRequest>(status);
  ASSERT_TRUE(bad_request.has_value());
  ASSERT_EQ(bad_request->field_violations_size(), 1);
  EXPECT_EQ(bad_request->field_violations(0).field(), "items[2].quantity");
  EXPECT_EQ(bad_request->field_violations(0).description(), "must be at least 1");
}

TEST(ErrorTest, AnInvalidFieldMayHaveAReasonOfItsOwn) {
  EXPECT_THAT(InvalidField("orders", "idempotency-key", "is required", "IDEMPOTENCY_KEY_REQUIRED"),
              IsError(absl::StatusCode::kInvalidArgument, "IDEMPOTENCY_KEY_REQUIRED"));
}

TEST(ErrorTest, AnOverloadSaysWhenToComeAgain) {
  const absl::Status status = Overloaded({"orders", "QUEUE_FULL"}, "the queue is full", absl::Milliseconds(1500));
  EXPECT_THAT(status, IsError(absl::StatusCode::kResourceExhausted, "QUEUE_FULL"));
  const auto retry = GetDetail<google::rpc::RetryInfo>(status);
  ASSERT_TRUE(retry.has_value());
  EXPECT_EQ(retry->retry_delay().seconds(), 1);
  EXPECT_EQ(retry->retry_delay().nanos(), 500'000'000);
}

TEST(ErrorTest, CodeMessageAndDetailsSurviveTheRoundTrip) {
  const absl::Status statuses[] = {InsufficientStock(), InvalidField("orders", "sku", "is empty"),
                                   Overloaded({"orders", "QUEUE_FULL"}, "full", absl::Seconds(1)),
                                   absl::NotFoundError("no details"), absl::OkStatus()};
  for (const absl::Status& status : statuses) {
    google::rpc::Status parsed;
    ASSERT_TRUE(parsed.ParseFromString(SerializeStatus(status)));
    EXPECT_EQ(FromProto(parsed), status);
  }
}

TEST(ErrorTest, EqualErrorsHaveEqualBytesHoweverTheyWereMade) {
  const absl::Status one =
      MakeError(absl::StatusCode::kInternal, {"orders", "R"}, "m", {{"a", "1"}, {"b", "2"}, {"c", "3"}, {"d", "4"}});
  const absl::Status other =
      MakeError(absl::StatusCode::kInternal, {"orders", "R"}, "m", {{"d", "4"}, {"c", "3"}, {"b", "2"}, {"a", "1"}});
  EXPECT_EQ(SerializeStatus(one), SerializeStatus(other));

  google::rpc::Status reversed = ToProto(InvalidField("orders", "sku", "is empty"));
  ASSERT_EQ(reversed.details_size(), 2);
  reversed.mutable_details()->SwapElements(0, 1);
  EXPECT_EQ(SerializeStatus(FromProto(reversed)), SerializeStatus(InvalidField("orders", "sku", "is empty")));
}

TEST(ErrorTest, MetadataIsAddedToTheErrorInfoAndNothingElseChanges) {
  const absl::Status status = WithErrorMetadata(InsufficientStock(), "saga_id", "s1");
  EXPECT_EQ(status.code(), InsufficientStock().code());
  EXPECT_EQ(status.message(), InsufficientStock().message());
  EXPECT_EQ(GetErrorInfo(status)->metadata().at("saga_id"), "s1");
  EXPECT_EQ(GetErrorInfo(status)->metadata().at("sku"), "prod-123");
}

TEST(ErrorTest, AStatusWithoutErrorInfoGetsNoMetadata) {
  EXPECT_EQ(WithErrorMetadata(absl::InternalError("x"), "saga_id", "s1"), absl::InternalError("x"));
}

TEST(ErrorTest, TheMacrosReturnTheErrorAndPassTheValue) {
  const auto twice = [](absl::StatusOr<int> in) -> absl::StatusOr<int> {
    SAGAMESH_RETURN_IF_ERROR(in.status());
    SAGAMESH_ASSIGN_OR_RETURN(const int value, std::move(in));
    return 2 * value;
  };
  EXPECT_EQ(*twice(21), 42);
  EXPECT_THAT(twice(absl::NotFoundError("x")), HasCode(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace sagamesh
