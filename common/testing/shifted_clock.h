#ifndef SAGAMESH_COMMON_TESTING_SHIFTED_CLOCK_H_
#define SAGAMESH_COMMON_TESTING_SHIFTED_CLOCK_H_

#include <atomic>
#include <cstdint>

#include "common/clock/clock.h"

namespace sagamesh::testing {

// Real time that a test can put forward, for code that runs on threads. Thread-safe.
class ShiftedClock final : public Clock {
 public:
  absl::Time Now() const override { return system_.Now() + absl::Nanoseconds(shift_ns_.load()); }
  void SleepFor(absl::Duration duration) override { system_.SleepFor(duration); }
  void Advance(absl::Duration duration) { shift_ns_ += absl::ToInt64Nanoseconds(duration); }

 private:
  SystemClock system_;
  std::atomic<int64_t> shift_ns_{0};
};

}  // namespace sagamesh::testing

#endif  // SAGAMESH_COMMON_TESTING_SHIFTED_CLOCK_H_
