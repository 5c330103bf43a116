#include "common/clock/clock.h"

#include "absl/time/clock.h"

namespace sagamesh {

absl::Time SystemClock::Now() const { return absl::Now(); }

void SystemClock::SleepFor(absl::Duration duration) { absl::SleepFor(duration); }

}  // namespace sagamesh
