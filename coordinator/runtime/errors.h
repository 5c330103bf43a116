#ifndef SAGAMESH_COORDINATOR_RUNTIME_ERRORS_H_
#define SAGAMESH_COORDINATOR_RUNTIME_ERRORS_H_

#include <string>

#include "absl/status/status.h"

namespace sagamesh::runtime::error {

absl::Status SagasInFlight(int max);
absl::Status TooManyWaiters(const std::string& saga_id, int max);
absl::Status ShuttingDown();
absl::Status IdempotencyKeyReused(const std::string& key);
absl::Status StillRunning(const std::string& saga_id);
absl::Status Parked(const std::string& saga_id, const std::string& reason);

}  // namespace sagamesh::runtime::error

#endif  // SAGAMESH_COORDINATOR_RUNTIME_ERRORS_H_
