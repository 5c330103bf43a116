#ifndef SAGAMESH_COMMON_FAULT_CRASH_AT_H_
#define SAGAMESH_COMMON_FAULT_CRASH_AT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sagamesh {

// The point in the code at which this process dies by SIGKILL, to show what a crash exactly there leaves behind. Each
// service lists its points in service/crash_points.h (the coordinator in runtime/crash_points.h). By default there is
// none, and reaching a point costs one comparison. Immutable, so thread-safe.
class CrashAt {
 public:
  CrashAt() = default;

  // From --crash-at; empty: none. INVALID_ARGUMENT if it is none of `known`, which the message lists, and if faults are
  // not `enabled`.
  static absl::StatusOr<CrashAt> FromFlag(std::string point, const std::vector<std::string>& known, bool enabled);

  // Does not return if this is the point. A point that belongs to one step or method has it as its detail:
  // "step-replied/confirm".
  void Reached(absl::string_view point, absl::string_view detail = "") const {
    if (!point_.empty() && Is(point, detail)) Die();
  }

 private:
  bool Is(absl::string_view point, absl::string_view detail) const;
  [[noreturn]] void Die() const;

  std::string point_;
};

}  // namespace sagamesh

#endif  // SAGAMESH_COMMON_FAULT_CRASH_AT_H_
