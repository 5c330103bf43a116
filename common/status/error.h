#ifndef SAGAMESH_COMMON_STATUS_ERROR_H_
#define SAGAMESH_COMMON_STATUS_ERROR_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace sagamesh {

// Errors are absl::Status whose payloads are the details of a google.rpc.Status, one of a type, keyed by type URL
// ("type.googleapis.com/google.rpc.ErrorInfo"). common/rpc turns them into gRPC's and back.

struct ErrorReason {
  absl::string_view domain;  // "orders", "customers" or "coordinator"
  absl::string_view reason;  // UPPER_SNAKE
};

using ErrorMetadata = std::vector<std::pair<std::string, std::string>>;

// An error with its ErrorInfo.
absl::Status MakeError(absl::StatusCode code, ErrorReason reason, absl::string_view message,
                       const ErrorMetadata& metadata = {});

// INVALID_ARGUMENT with a BadRequest; the message is "<field>: <description>".
absl::Status InvalidField(absl::string_view domain, absl::string_view field, absl::string_view description,
                          absl::string_view reason = "INVALID_FIELD");

// RESOURCE_EXHAUSTED, with RetryInfo.
absl::Status Overloaded(ErrorReason reason, absl::string_view message, absl::Duration retry_after);

// UNAVAILABLE, reason DATABASE_UNAVAILABLE.
absl::Status DatabaseUnavailable(absl::string_view domain);

// ABORTED, reason CONTENTION: others held the rows too long. Nothing happened; a repeat may succeed.
absl::Status Contended(absl::string_view domain);

// INTERNAL, reason INTERNAL: a defect, whose text is for our logs and not for the caller.
absl::Status InternalFailure(absl::string_view domain);

// UNAVAILABLE, reason SHUTTING_DOWN.
absl::Status ShuttingDown(absl::string_view domain);

// DEADLINE_EXCEEDED, reason TOO_LATE: `what` was not run.
absl::Status TooLate(absl::string_view domain, absl::string_view what);

std::optional<google::rpc::ErrorInfo> GetErrorInfo(const absl::Status& status);

// The ErrorInfo's reason, or "".
std::string GetReason(const absl::Status& status);

// `status` with one more entry in its ErrorInfo's metadata; unchanged if it has no ErrorInfo.
absl::Status WithErrorMetadata(const absl::Status& status, absl::string_view key, absl::string_view value);

// Both directions keep code, message and details. The order of details is that of their type URLs, so that equal errors
// have equal bytes.
google::rpc::Status ToProto(const absl::Status& status);
absl::Status FromProto(const google::rpc::Status& proto);

// Deterministic bytes of ToProto(status).
std::string SerializeStatus(const absl::Status& status);

}  // namespace sagamesh

#define SAGAMESH_RETURN_IF_ERROR(expr)                                \
  do {                                                                \
    if (absl::Status _status = (expr); !_status.ok()) return _status; \
  } while (false)

#define SAGAMESH_CONCAT_INNER(a, b) a##b
#define SAGAMESH_CONCAT(a, b) SAGAMESH_CONCAT_INNER(a, b)
#define SAGAMESH_ASSIGN_OR_RETURN(lhs, expr) \
  SAGAMESH_ASSIGN_OR_RETURN_IMPL(SAGAMESH_CONCAT(_status_or_, __LINE__), lhs, expr)
#define SAGAMESH_ASSIGN_OR_RETURN_IMPL(name, lhs, expr) \
  auto name = (expr);                                   \
  if (!name.ok()) return name.status();                 \
  lhs = *std::move(name)

#endif  // SAGAMESH_COMMON_STATUS_ERROR_H_
