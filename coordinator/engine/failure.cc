#include <optional>

#include "absl/strings/numbers.h"
#include "common/status/error.h"
#include "coordinator/engine/engine.h"

namespace sagamesh::engine {
namespace {

bool IsRefusing(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kUnimplemented:
      return true;
    default:
      return false;
  }
}

bool IsRetried(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kUnknown:
      return true;
    default:
      return false;
  }
}

}  // namespace

Failure Classify(const absl::Status& status) {
  const std::optional<google::rpc::ErrorInfo> info = GetErrorInfo(status);
  if (!info.has_value()) return Failure::kTransient;
  if (info->reason() == "STALE_EPOCH") return Failure::kStaleEpoch;
  if (info->reason() == "ALREADY_COMPENSATED") return Failure::kAlreadyCompensated;
  if (info->reason() == "TOO_OLD") return Failure::kTooOld;
  if (info->reason() == "FAULT_INJECTED") {
    return IsRetried(status.code()) ? Failure::kTransient : Failure::kDefinite;
  }
  return IsRefusing(status.code()) ? Failure::kDefinite : Failure::kTransient;
}

uint64_t HighestEpoch(const absl::Status& status) {
  const std::optional<google::rpc::ErrorInfo> info = GetErrorInfo(status);
  if (!info.has_value()) return 0;
  const auto told = info->metadata().find("highest_epoch");
  uint64_t epoch = 0;
  if (told == info->metadata().end() || !absl::SimpleAtoi(told->second, &epoch)) return 0;
  return epoch;
}

}  // namespace sagamesh::engine
