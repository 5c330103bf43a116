#include "common/fault/crash_at.h"

#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace sagamesh {

absl::StatusOr<CrashAt> CrashAt::FromFlag(std::string point, const std::vector<std::string>& known, bool enabled) {
  if (point.empty()) return CrashAt();
  if (!enabled) return absl::InvalidArgumentError("--crash-at: needs --enable-fault-injection");
  if (std::find(known.begin(), known.end(), point) == known.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--crash-at: there is no point \"", point, "\"; there are ", absl::StrJoin(known, ", ")));
  }
  CrashAt crash_at;
  crash_at.point_ = std::move(point);
  return crash_at;
}

bool CrashAt::Is(absl::string_view point, absl::string_view detail) const {
  return detail.empty() ? point_ == point : point_ == absl::StrCat(point, "/", detail);
}

void CrashAt::Die() const {
  spdlog::critical("crash point {}: killed", point_);
  kill(getpid(), SIGKILL);
  while (true) pause();
}

}  // namespace sagamesh
