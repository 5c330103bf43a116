#include "coordinator/service/errors.h"

#include "absl/strings/str_cat.h"
#include "common/status/error.h"

namespace sagamesh::coordinator::error {

absl::Status DefinitionNotFound(const std::string& definition) {
  return MakeError(absl::StatusCode::kNotFound, {kDomain, "DEFINITION_NOT_FOUND"},
                   absl::StrCat("definition: there is no saga definition ", definition), {{"definition", definition}});
}

absl::Status SagaNotFound(const std::string& saga_id) {
  return MakeError(absl::StatusCode::kNotFound, {kDomain, "SAGA_NOT_FOUND"},
                   absl::StrCat("saga_id: saga ", saga_id, " does not exist"), {{"saga_id", saga_id}});
}

absl::Status SagaMetadataNotAllowed() {
  return MakeError(absl::StatusCode::kInvalidArgument, {kDomain, "SAGA_METADATA_NOT_ALLOWED"},
                   "saga-id: a coordinator is no participant; send no saga-* metadata");
}

absl::Status WatcherTooSlow(size_t max_buffered) {
  return MakeError(absl::StatusCode::kResourceExhausted, {kDomain, "WATCHER_TOO_SLOW"},
                   absl::StrCat(max_buffered, " changes wait for this watcher; resume from the last response"));
}

absl::Status TooManyWatchers(int max) {
  return Overloaded({kDomain, "TOO_MANY_WATCHERS"}, absl::StrCat("all ", max, " watchers that there may be are there"),
                    absl::Seconds(5));
}

absl::Status WatchCancelled() {
  return MakeError(absl::StatusCode::kCancelled, {kDomain, "WATCH_CANCELLED"}, "the watch was cancelled");
}

}  // namespace sagamesh::coordinator::error
