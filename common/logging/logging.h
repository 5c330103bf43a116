#ifndef SAGAMESH_COMMON_LOGGING_LOGGING_H_
#define SAGAMESH_COMMON_LOGGING_LOGGING_H_

#include <string>

#include "absl/status/status.h"

namespace sagamesh {

// Sends spdlog's default logger to stderr, one line an event, under the process's name. `level` is trace, debug, info,
// warn, error or off; INVALID_ARGUMENT otherwise. Call it once, at the start of main.
absl::Status SetUpLogging(const std::string& process, const std::string& level);

}  // namespace sagamesh

#endif  // SAGAMESH_COMMON_LOGGING_LOGGING_H_
