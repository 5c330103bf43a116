#ifndef SAGAMESH_BENCH_TALLY_H_
#define SAGAMESH_BENCH_TALLY_H_

#include <atomic>
#include <cstdint>

#include "absl/status/status.h"
#include "bench/histogram.h"
#include "common/exec/mutex.h"

namespace sagamesh::bench {

// What happened in a stretch of time. Thread-safe.
struct Tally {
  Histogram latencies;  // of the calls that succeeded
  std::atomic<int64_t> failed{0};

  void Count(absl::Duration latency, const absl::Status& status) {
    if (status.ok()) {
      latencies.Add(latency);
    } else {
      failed++;
    }
  }
};

// The first error of all, for people. Thread-safe.
class FirstError {
 public:
  void Note(const absl::Status& status) {
    if (status.ok()) return;
    MutexLock lock(mutex_);
    first_.Update(status);
  }

  absl::Status status() const {
    MutexLock lock(mutex_);
    return first_;
  }

 private:
  mutable Mutex mutex_;
  absl::Status first_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sagamesh::bench

#endif  // SAGAMESH_BENCH_TALLY_H_
