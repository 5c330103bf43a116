#ifndef SAGAMESH_COORDINATOR_ENGINE_COMMAND_H_
#define SAGAMESH_COORDINATOR_ENGINE_COMMAND_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "coordinator/engine/saga.h"

// What an operator may make of a saga.

namespace sagamesh::engine {

// A command goes on under an epoch up to this; the takeovers that may follow have room up to the 2^63 - 1 that a
// database and a participant take.
inline constexpr uint64_t kCommandEpochMax = (uint64_t{1} << 63) - (uint64_t{1} << 32);

struct Command {
  enum class Kind {
    kRetry,       // goes on where it was
    kCompensate,  // undoes every step
  };
  Kind kind = Kind::kRetry;
  std::string id;  // never used again
  std::string principal;
  std::string reason;
};

enum class CommandOutcome {
  kDone,            // the record is changed
  kUnchanged,       // it is as the command wants it already
  kNotParked,       // there is nothing to retry: it runs
  kFinal,           // it has ended
  kEpochExhausted,  // a participant has met an epoch that leaves none to go on with
  kUnreadable,      // the journal's: nobody may overwrite what this program cannot read
  kNotFound,        // the journal's: there is no such saga
};

// Pure. What the command makes of a saga of the phase, error and epochs in `record`, which is changed only by kDone: a
// takeover by `owner` under a new epoch, above all that participants have told of, so that whatever is still done for
// the saga elsewhere is fenced.
CommandOutcome Apply(const Command& command, const std::string& owner, absl::Time now, SagaRecord& record);

// Whether the record shows this very command as done.
bool IsApplied(const Command& command, const SagaRecord& record);

}  // namespace sagamesh::engine

#endif  // SAGAMESH_COORDINATOR_ENGINE_COMMAND_H_
