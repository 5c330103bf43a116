#ifndef SAGAMESH_BENCH_CLOSED_LOOP_H_
#define SAGAMESH_BENCH_CLOSED_LOOP_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "bench/histogram.h"
#include "common/clock/clock.h"
#include "common/exec/mutex.h"
#include "grpcpp/grpcpp.h"

namespace sagamesh::bench {

// What happened in a stretch of time.
struct Tally {
  Histogram latencies;  // of the calls that succeeded
  std::atomic<int64_t> failed{0};
};

// Callers that each have one call in flight at a time: a caller's next call starts when its last has been answered.
// Runs on gRPC's threads, without any of its own. Must not be destroyed before Drain.
class ClosedLoop {
 public:
  using Done = std::function<void(grpc::Status)>;
  // Starts the call of this number (0, 1, ...) for this caller; `done` may come at once or later, on any thread. False
  // ends the caller.
  using StartCall = std::function<bool(int caller, int64_t number, Done done)>;

  // Both outlive it.
  ClosedLoop(Clock& clock, StartCall start_call) : clock_(clock), start_call_(std::move(start_call)) {}

  void Start(int callers);

  // From now on answers are counted here, nullptr: not at all. What it pointed to before must outlive Drain.
  void CountInto(Tally* tally) { tally_ = tally; }

  // Blocks until every caller has ended by itself, or, after Stop, has its last answer.
  void Drain();
  // No caller starts another call.
  void Stop() { stopped_ = true; }

  // The first error of all, for people.
  std::string first_error() const;

 private:
  void Next(int caller);
  void Answered(int caller, absl::Time started, const grpc::Status& status);

  Clock& clock_;
  const StartCall start_call_;
  std::atomic<Tally*> tally_{nullptr};
  std::atomic<bool> stopped_{false};
  std::atomic<int64_t> next_number_{0};
  std::atomic<int> callers_{0};
  mutable Mutex mutex_;
  std::string first_error_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sagamesh::bench

#endif  // SAGAMESH_BENCH_CLOSED_LOOP_H_
