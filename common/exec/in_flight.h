#ifndef SAGAMESH_COMMON_EXEC_IN_FLIGHT_H_
#define SAGAMESH_COMMON_EXEC_IN_FLIGHT_H_

#include <condition_variable>
#include <mutex>

#include "absl/base/thread_annotations.h"
#include "common/exec/mutex.h"

namespace sagamesh {

// Counts what is under way, so that its end can be waited for. Thread-safe.
class InFlight {
 public:
  void Begin() {
    MutexLock lock(mutex_);
    count_++;
  }

  void End() {
    MutexLock lock(mutex_);
    if (--count_ == 0) none_.notify_all();
  }

  // Blocks: never on a loop.
  void WaitForNone() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    std::unique_lock<Mutex> lock(mutex_);
    none_.wait(lock, [this] { return count_ == 0; });
  }

 private:
  Mutex mutex_;
  std::condition_variable_any none_;
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace sagamesh

#endif  // SAGAMESH_COMMON_EXEC_IN_FLIGHT_H_
