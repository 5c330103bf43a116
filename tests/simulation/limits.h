#ifndef SAGAMESH_TESTS_SIMULATION_LIMITS_H_
#define SAGAMESH_TESTS_SIMULATION_LIMITS_H_

#include "absl/time/time.h"

namespace sagamesh::simulation {

// What the processes of a run may hold. Small in some runs, so that work is refused for want of room.
struct Limits {
  // Each with a connection of its own.
  int writers = 1;
  int queued_writes = 8192;
  int queued_reads = 4096;
  int inflight_sagas = 10'000;
  int waiters_per_saga = 1'000;
  int changes_per_watcher = 1024;
  absl::Duration compensation_wait = absl::Seconds(5);
  // Of the steps that are called in batches.
  int batch_calls = 128;
  int waiting_calls = 20'000;
};

// By how much a machine's clock may be wrong.
inline constexpr absl::Duration kClockErrorMax = absl::Seconds(3);
// And two machines' clocks from each other.
inline constexpr absl::Duration kClocksApartMax = absl::Seconds(6);
// Content keys are free again after this, and direct orders that nobody ended end: a run need not last a day.
inline constexpr absl::Duration kContentKeyWindow = absl::Seconds(20);
inline constexpr absl::Duration kOrderTtl = absl::Seconds(45);

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_LIMITS_H_
