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

absl::Status CommandRefused(engine::CommandOutcome outcome, const std::string& saga_id) {
  const auto refused = [&saga_id](absl::string_view reason, absl::string_view why) {
    return MakeError(absl::StatusCode::kFailedPrecondition, {kDomain, reason}, absl::StrCat("saga ", saga_id, why),
                     {{"saga_id", saga_id}});
  };
  switch (outcome) {
    case engine::CommandOutcome::kDone:
    case engine::CommandOutcome::kUnchanged:
      return absl::OkStatus();
    case engine::CommandOutcome::kNotParked:
      return refused("SAGA_NOT_PARKED", " is running: there is nothing to retry");
    case engine::CommandOutcome::kFinal:
      return refused("SAGA_FINAL", " has ended");
    case engine::CommandOutcome::kEpochExhausted:
      return refused("SAGA_EPOCH_EXHAUSTED", " met an epoch at a participant that leaves none to go on with");
    case engine::CommandOutcome::kUnreadable:
      return refused("SAGA_UNREADABLE", " was written by another program, and cannot be read by this one");
    case engine::CommandOutcome::kNotFound:
      return SagaNotFound(saga_id);
  }
  return InternalFailure(kDomain);
}

absl::Status SagaMetadataNotAllowed() {
  return InvalidField(kDomain, "saga-id", "a coordinator is no participant; send no saga-* metadata",
                      "SAGA_METADATA_NOT_ALLOWED");
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
