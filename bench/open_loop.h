#ifndef SAGAMESH_BENCH_OPEN_LOOP_H_
#define SAGAMESH_BENCH_OPEN_LOOP_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "bench/tally.h"
#include "common/clock/clock.h"
#include "common/random/random.h"

namespace sagamesh::bench {

struct OpenLoopOptions {
  double calls_per_second = 1;
  bool poisson = true;  // false: as many, at even distances
  // A call that is due while so many are in flight waits, and its wait counts.
  int in_flight_max = 1;
};

// Calls that arrive by a schedule, whether the earlier ones have been answered or not. A latency counts from the
// scheduled time, so that what a stall keeps from being sent counts too. One thread sends. Must not be destroyed before
// Drain.
class OpenLoop {
 public:
  using Done = std::function<void(absl::Status)>;
  // Starts the call of this number (0, 1, ...); `done` may come at once or later, on any thread.
  using StartCall = std::function<void(int64_t number, Done done)>;

  // Both outlive it. The first call is due after the first gap from now on.
  OpenLoop(Clock& clock, Random& random, OpenLoopOptions options, StartCall start_call);

  // Sends the calls that are scheduled before `end`, counts them into `tally` (nullptr: not at all), which must outlive
  // Drain, and blocks until then. DEADLINE_EXCEEDED if the calls lag too far behind the schedule.
  absl::Status Send(absl::Time end, Tally* tally);

  // Blocks until every call has been answered. The first error of all.
  absl::Status Drain();

  // Calls that have succeeded so far.
  int64_t succeeded() const { return succeeded_; }

 private:
  void SendOne(Tally* tally);
  absl::Duration Gap();

  Clock& clock_;
  Random& random_;
  const OpenLoopOptions options_;
  const StartCall start_call_;
  absl::Time due_;
  int64_t next_number_ = 0;
  std::atomic<int> in_flight_{0};
  std::atomic<int64_t> succeeded_{0};
  FirstError error_;
};

}  // namespace sagamesh::bench

#endif  // SAGAMESH_BENCH_OPEN_LOOP_H_
