#ifndef SAGAMESH_COMMON_EXEC_MUTEX_H_
#define SAGAMESH_COMMON_EXEC_MUTEX_H_

#include <mutex>

#include "absl/base/thread_annotations.h"

namespace sagamesh {

// std::mutex with thread-safety annotations. Not absl::Mutex: Debian builds Abseil without instrumentation, so
// ThreadSanitizer reports false races under it. Held only for a few memory operations, never across I/O, so it needs no
// seam for the simulation.
class ABSL_LOCKABLE Mutex {
 public:
  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mutex_.lock(); }
  void Unlock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock(); }

  // For std::unique_lock and std::condition_variable_any.
  void lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mutex_.lock(); }
  void unlock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(mutex) { mutex_.Lock(); }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace sagamesh

#endif  // SAGAMESH_COMMON_EXEC_MUTEX_H_
