#include "common/status/error.h"

#include <google/protobuf/util/time_util.h>

#include <map>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "common/proto/deterministic.h"

namespace sagamesh {
namespace {

using ::google::protobuf::util::TimeUtil;

constexpr absl::string_view kTypePrefix = "type.googleapis.com/";

void SetDetail(absl::Status& status, const google::protobuf::Message& detail) {
  status.SetPayload(absl::StrCat(kTypePrefix, detail.GetDescriptor()->full_name()),
                    absl::Cord(SerializeDeterministic(detail)));
}

}  // namespace

absl::Status MakeError(absl::StatusCode code, ErrorReason reason, absl::string_view message,
                       const ErrorMetadata& metadata) {
  google::rpc::ErrorInfo info;
  info.set_domain(std::string(reason.domain));
  info.set_reason(std::string(reason.reason));
  for (const auto& [key, value] : metadata) (*info.mutable_metadata())[key] = value;
  absl::Status status(code, message);
  SetDetail(status, info);
  return status;
}

absl::Status InvalidField(absl::string_view domain, absl::string_view field, absl::string_view description,
                          absl::string_view reason) {
  absl::Status status = MakeError(absl::StatusCode::kInvalidArgument, {domain, reason},
                                  absl::StrCat(field, ": ", description), {{"field", std::string(field)}});
  google::rpc::BadRequest bad_request;
  auto* violation = bad_request.add_field_violations();
  violation->set_field(std::string(field));
  violation->set_description(std::string(description));
  SetDetail(status, bad_request);
  return status;
}

absl::Status Overloaded(ErrorReason reason, absl::string_view message, absl::Duration retry_after) {
  absl::Status status = MakeError(absl::StatusCode::kResourceExhausted, reason, message);
  google::rpc::RetryInfo retry;
  *retry.mutable_retry_delay() = TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(retry_after));
  SetDetail(status, retry);
  return status;
}

absl::Status DatabaseUnavailable(absl::string_view domain) {
  return MakeError(absl::StatusCode::kUnavailable, {domain, "DATABASE_UNAVAILABLE"}, "the database is away");
}

absl::Status Contended(absl::string_view domain) {
  return MakeError(absl::StatusCode::kAborted, {domain, "CONTENTION"}, "others held what this needs for too long");
}

absl::Status InternalFailure(absl::string_view domain) {
  return MakeError(absl::StatusCode::kInternal, {domain, "INTERNAL"}, "internal error");
}

absl::Status ShuttingDown(absl::string_view domain) {
  return MakeError(absl::StatusCode::kUnavailable, {domain, "SHUTTING_DOWN"},
                   absl::StrCat(domain, " is shutting down"));
}

absl::Status TooLate(absl::string_view domain, absl::string_view what) {
  return MakeError(absl::StatusCode::kDeadlineExceeded, {domain, "TOO_LATE"},
                   absl::StrCat(what, " is past its deadline and was not run"));
}

std::optional<google::rpc::ErrorInfo> GetErrorInfo(const absl::Status& status) {
  google::rpc::ErrorInfo info;
  const auto payload = status.GetPayload(absl::StrCat(kTypePrefix, google::rpc::ErrorInfo::descriptor()->full_name()));
  if (!payload.has_value() || !info.ParseFromString(std::string(*payload))) return std::nullopt;
  return info;
}

std::string GetReason(const absl::Status& status) {
  const std::optional<google::rpc::ErrorInfo> info = GetErrorInfo(status);
  return info.has_value() ? info->reason() : "";
}

absl::Status WithErrorMetadata(const absl::Status& status, absl::string_view key, absl::string_view value) {
  std::optional<google::rpc::ErrorInfo> info = GetErrorInfo(status);
  if (!info.has_value()) return status;
  (*info->mutable_metadata())[std::string(key)] = std::string(value);
  absl::Status changed = status;
  SetDetail(changed, *info);
  return changed;
}

google::rpc::Status ToProto(const absl::Status& status) {
  google::rpc::Status proto;
  proto.set_code(status.raw_code());
  proto.set_message(std::string(status.message()));
  std::map<std::string, std::string> details;
  status.ForEachPayload([&details](absl::string_view type_url, const absl::Cord& bytes) {
    details.emplace(std::string(type_url), std::string(bytes));
  });
  for (auto& [type_url, bytes] : details) {
    google::protobuf::Any* detail = proto.add_details();
    detail->set_type_url(type_url);
    detail->set_value(std::move(bytes));
  }
  return proto;
}

absl::Status FromProto(const google::rpc::Status& proto) {
  absl::Status status(static_cast<absl::StatusCode>(proto.code()), proto.message());
  for (const google::protobuf::Any& detail : proto.details()) {
    status.SetPayload(detail.type_url(), absl::Cord(detail.value()));
  }
  return status;
}

std::string SerializeStatus(const absl::Status& status) { return SerializeDeterministic(ToProto(status)); }

}  // namespace sagamesh
