#include "coordinator/runtime/errors.h"

#include "absl/strings/str_cat.h"
#include "common/status/error.h"

namespace sagamesh::runtime::error {
namespace {

constexpr absl::string_view kDomain = "coordinator";

}  // namespace

absl::Status SagasInFlight(int max) {
  return Overloaded({kDomain, "SAGAS_IN_FLIGHT"}, absl::StrCat("all ", max, " sagas that may be in flight are"),
                    absl::Seconds(1));
}

absl::Status TooManyWaiters(const std::string& saga_id, int max) {
  const absl::Status full =
      Overloaded({kDomain, "TOO_MANY_WAITERS"},
                 absl::StrCat("saga ", saga_id, " has ", max, " callers that wait for it already"), absl::Seconds(1));
  return WithErrorMetadata(full, "saga_id", saga_id);
}

absl::Status ShuttingDown() { return sagamesh::ShuttingDown(kDomain); }

absl::Status IdempotencyKeyReused(const std::string& key) {
  return MakeError(absl::StatusCode::kInvalidArgument, {kDomain, "IDEMPOTENCY_KEY_REUSED"},
                   "idempotency-key: was used with another payload", {{"idempotency_key", key}});
}

absl::Status StillRunning(const std::string& saga_id) {
  return MakeError(absl::StatusCode::kDeadlineExceeded, {kDomain, "SAGA_STILL_RUNNING"},
                   "the caller's time is over; the saga goes on", {{"saga_id", saga_id}});
}

absl::Status Parked(const std::string& saga_id, const std::string& reason) {
  return MakeError(absl::StatusCode::kAborted, {kDomain, "SAGA_PARKED"}, "the saga waits for an operator",
                   {{"saga_id", saga_id}, {"park_reason", reason}});
}

}  // namespace sagamesh::runtime::error
