#ifndef SAGAMESH_COMMON_CLOCK_CLOCK_H_
#define SAGAMESH_COMMON_CLOCK_CLOCK_H_

#include "absl/time/time.h"

namespace sagamesh {

// The only source of time. Thread-safe. The simulation has its own.
class Clock {
 public:
  virtual ~Clock() = default;

  // Wall time, for timestamps, ages and deadlines.
  virtual absl::Time Now() const = 0;

  // Blocks the calling worker. Never call it on an event loop or a gRPC thread.
  virtual void SleepFor(absl::Duration duration) = 0;
};

class SystemClock final : public Clock {
 public:
  absl::Time Now() const override;
  void SleepFor(absl::Duration duration) override;
};

}  // namespace sagamesh

#endif  // SAGAMESH_COMMON_CLOCK_CLOCK_H_
