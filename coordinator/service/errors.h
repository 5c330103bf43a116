#ifndef SAGAMESH_COORDINATOR_SERVICE_ERRORS_H_
#define SAGAMESH_COORDINATOR_SERVICE_ERRORS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "coordinator/engine/command.h"

namespace sagamesh::coordinator {

inline constexpr absl::string_view kDomain = "coordinator";

namespace error {

absl::Status DefinitionNotFound(const std::string& definition);
absl::Status SagaNotFound(const std::string& saga_id);
// Why a command changed nothing; OK if it did, or if there was nothing to change.
absl::Status CommandRefused(engine::CommandOutcome outcome, const std::string& saga_id);
// A step's metadata on a call that no step makes.
absl::Status SagaMetadataNotAllowed();
absl::Status WatcherTooSlow(size_t max_buffered);
absl::Status TooManyWatchers(int max);
absl::Status WatchCancelled();

}  // namespace error
}  // namespace sagamesh::coordinator

#endif  // SAGAMESH_COORDINATOR_SERVICE_ERRORS_H_
