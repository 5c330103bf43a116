#ifndef SAGAMESH_BENCH_CLOSED_LOOP_H_
#define SAGAMESH_BENCH_CLOSED_LOOP_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "bench/tally.h"
#include "common/clock/clock.h"

namespace sagamesh::bench {

// Callers that each have one call in flight at a time: a caller's next call starts when its last has been answered. One
// whose call failed ends. Runs on the threads that tell the answers, without any of its own. Must not be destroyed
// before Drain.
class ClosedLoop {
 public:
  using Done = std::function<void(absl::Status)>;
  // Starts the call of this number (0, 1, ...); `done` may come at once or later, on any thread. False ends the caller.
  using StartCall = std::function<bool(int64_t number, Done done)>;

  // Both outlive it.
  ClosedLoop(Clock& clock, StartCall start_call) : clock_(clock), start_call_(std::move(start_call)) {}

  void Start(int callers);

  // From now on answers are counted here, nullptr: not at all. What it pointed to before must outlive Drain.
  void CountInto(Tally* tally) { tally_ = tally; }

  // No caller starts another call.
  void Stop() { stopped_ = true; }
  // Blocks until every caller has ended by itself, or, after Stop, has its last answer. The first error of all.
  absl::Status Drain();

 private:
  void Next();
  void Answered(absl::Time started, const absl::Status& status);

  Clock& clock_;
  const StartCall start_call_;
  std::atomic<Tally*> tally_{nullptr};
  std::atomic<bool> stopped_{false};
  std::atomic<int64_t> next_number_{0};
  std::atomic<int> callers_{0};
  FirstError error_;
};

}  // namespace sagamesh::bench

#endif  // SAGAMESH_BENCH_CLOSED_LOOP_H_
