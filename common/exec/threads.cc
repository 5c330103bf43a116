#include "common/exec/threads.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "common/exec/mutex.h"

namespace sagamesh {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

// Longer timers are cut to this, so that an infinite one does not overflow the clock.
constexpr absl::Duration kTimerDelayMax = absl::Hours(24 * 365);

std::thread StartThread(const std::string& name, Task main) {
  std::thread thread(std::move(main));
  pthread_setname_np(thread.native_handle(), name.substr(0, 15).c_str());
  return thread;
}

class ThreadEventLoop final : public EventLoop {
 public:
  explicit ThreadEventLoop(const std::string& name) : thread_(StartThread(name, [this] { Run(); })) {}
  ~ThreadEventLoop() override { Shutdown(); }

  void Post(Task task) override {
    MutexLock lock(mutex_);
    if (stopping_) return;
    ready_.push_back(std::move(task));
    // With more than one the loop is awake or about to be: it takes all that is ready at a time.
    if (ready_.size() == 1) wake_.notify_one();
  }

  void PostAfter(absl::Duration delay, Task task) override {
    delay = std::clamp(delay, absl::ZeroDuration(), kTimerDelayMax);
    const SteadyTime due = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(delay);
    MutexLock lock(mutex_);
    if (stopping_) return;
    timers_.push_back({due, timers_made_++, std::move(task)});
    std::push_heap(timers_.begin(), timers_.end());
    if (timers_.front().due == due) wake_.notify_one();
  }

  void Shutdown() override {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
      wake_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
    // Tasks are destroyed outside the lock: their destructors may post.
    std::deque<Task> ready;
    std::vector<Timer> timers;
    MutexLock lock(mutex_);
    ready.swap(ready_);
    timers.swap(timers_);
  }

 private:
  struct Timer {
    SteadyTime due;
    uint64_t number;  // in the order they were posted
    Task task;
    // The heap's front is the earliest; of those due at once, the one posted first.
    bool operator<(const Timer& other) const { return std::tie(due, number) > std::tie(other.due, other.number); }
  };

  void Run() {
    std::deque<Task> batch;
    while (TakeReady(batch)) {
      for (Task& task : batch) {
        if (stopping_) break;
        std::move(task)();
        task = nullptr;
      }
      batch.clear();
    }
  }

  // Waits for tasks that are ready or due; false when it is time to stop.
  bool TakeReady(std::deque<Task>& batch) {
    MutexLock lock(mutex_);
    while (!stopping_) {
      MoveDueTimers();
      if (!ready_.empty()) {
        batch.swap(ready_);
        return true;
      }
      if (timers_.empty()) {
        wake_.wait(mutex_);
      } else {
        wake_.wait_until(mutex_, SteadyTime(timers_.front().due));
      }
    }
    return false;
  }

  void MoveDueTimers() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (timers_.empty()) return;
    const SteadyTime now = std::chrono::steady_clock::now();
    while (!timers_.empty() && timers_.front().due <= now) {
      std::pop_heap(timers_.begin(), timers_.end());
      ready_.push_back(std::move(timers_.back().task));
      timers_.pop_back();
    }
  }

  Mutex mutex_;
  std::condition_variable_any wake_;
  std::atomic<bool> stopping_{false};  // written under the mutex; read between tasks without it
  std::deque<Task> ready_ ABSL_GUARDED_BY(mutex_);
  std::vector<Timer> timers_ ABSL_GUARDED_BY(mutex_);  // a heap
  uint64_t timers_made_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread thread_;  // last: it uses the others
};

class ThreadPool final : public WorkerPool {
 public:
  ThreadPool(const std::string& name, int threads) {
    for (int i = 0; i < threads; i++) threads_.push_back(StartThread(name, [this] { Run(); }));
  }
  ~ThreadPool() override { Shutdown(); }

  void Post(Task task) override {
    MutexLock lock(mutex_);
    if (stopping_) return;
    ready_.push_back(std::move(task));
    wake_.notify_one();
  }

  void Shutdown() override {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
      wake_.notify_all();
    }
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
    std::deque<Task> ready;  // destroyed outside the lock
    MutexLock lock(mutex_);
    ready.swap(ready_);
  }

 private:
  void Run() {
    while (Task task = Take()) std::move(task)();
  }

  // Waits for a task; null when it is time to stop.
  Task Take() {
    MutexLock lock(mutex_);
    while (!stopping_ && ready_.empty()) wake_.wait(mutex_);
    if (stopping_) return nullptr;
    Task task = std::move(ready_.front());
    ready_.pop_front();
    return task;
  }

  Mutex mutex_;
  std::condition_variable_any wake_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<Task> ready_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

}  // namespace

std::unique_ptr<EventLoop> MakeThreadEventLoop(const std::string& name) {
  return std::make_unique<ThreadEventLoop>(name);
}

std::unique_ptr<WorkerPool> MakeThreadPool(const std::string& name, int threads) {
  return std::make_unique<ThreadPool>(name, threads);
}

}  // namespace sagamesh
