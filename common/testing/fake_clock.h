#ifndef SAGAMESH_COMMON_TESTING_FAKE_CLOCK_H_
#define SAGAMESH_COMMON_TESTING_FAKE_CLOCK_H_

#include "common/clock/clock.h"

namespace sagamesh::testing {

// Stands still but for SleepFor and Advance. Not thread-safe.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(absl::Time now = absl::FromUnixSeconds(1'800'000'000)) : now_(now) {}

  absl::Time Now() const override { return now_; }
  void SleepFor(absl::Duration duration) override { now_ += duration; }
  void Advance(absl::Duration duration) { now_ += duration; }

 private:
  absl::Time now_;
};

}  // namespace sagamesh::testing

#endif  // SAGAMESH_COMMON_TESTING_FAKE_CLOCK_H_
