#include "common/exec/threads.h"

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <algorithm>
#include <deque>
#include <queue>
#include <thread>
#include <utility>
#include <vector>

#include "common/exec/mutex.h"

namespace sagamesh {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

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
    std::unique_lock<Mutex> lock(mutex_);
    if (stopping_) return;
    ready_.push_back(std::move(task));
    if (ready_.size() == 1) wake_.notify_one();
  }

  void PostAfter(absl::Duration delay, Task task) override {
    const SteadyTime due = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(delay);
    std::unique_lock<Mutex> lock(mutex_);
    if (stopping_) return;
    timers_.push_back({due, next_timer_++, std::move(task)});
    std::push_heap(timers_.begin(), timers_.end());
    if (timers_.front().due == due) wake_.notify_one();
  }

  void Shutdown() override {
    {
      std::unique_lock<Mutex> lock(mutex_);
      stopping_ = true;
      wake_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
    std::deque<Task> ready;
    std::vector<Timer> timers;
    std::unique_lock<Mutex> lock(mutex_);
    ready.swap(ready_);
    timers.swap(timers_);
    lock.unlock();  // tasks are destroyed outside the lock: their destructors may post
  }

 private:
  struct Timer {
    SteadyTime due;
    uint64_t number;
    Task task;
    // The heap's front is the earliest.
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
    std::unique_lock<Mutex> lock(mutex_);
    while (!stopping_) {
      const SteadyTime now = std::chrono::steady_clock::now();
      while (!timers_.empty() && timers_.front().due <= now) {
        std::pop_heap(timers_.begin(), timers_.end());
        ready_.push_back(std::move(timers_.back().task));
        timers_.pop_back();
      }
      if (!ready_.empty()) {
        batch.swap(ready_);
        return true;
      }
      if (timers_.empty()) {
        wake_.wait(lock);
      } else {
        wake_.wait_until(lock, SteadyTime(timers_.front().due));
      }
    }
    return false;
  }

  Mutex mutex_;
  std::condition_variable_any wake_;
  std::atomic<bool> stopping_{false};
  std::deque<Task> ready_;
  std::vector<Timer> timers_;
  uint64_t next_timer_ = 0;
  std::thread thread_;  // last: it uses the others
};

class ThreadPool final : public WorkerPool {
 public:
  ThreadPool(const std::string& name, int threads) {
    for (int i = 0; i < threads; i++) threads_.push_back(StartThread(name, [this] { Run(); }));
  }
  ~ThreadPool() override { Shutdown(); }

  void Post(Task task) override {
    std::unique_lock<Mutex> lock(mutex_);
    if (stopping_) return;
    ready_.push_back(std::move(task));
    wake_.notify_one();
  }

  void Shutdown() override {
    {
      std::unique_lock<Mutex> lock(mutex_);
      stopping_ = true;
      wake_.notify_all();
    }
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
    std::deque<Task> ready;
    std::unique_lock<Mutex> lock(mutex_);
    ready.swap(ready_);
    lock.unlock();
  }

 private:
  void Run() {
    while (true) {
      Task task;
      {
        std::unique_lock<Mutex> lock(mutex_);
        wake_.wait(lock, [this] { return stopping_ || !ready_.empty(); });
        if (stopping_) return;
        task = std::move(ready_.front());
        ready_.pop_front();
      }
      std::move(task)();
    }
  }

  Mutex mutex_;
  std::condition_variable_any wake_;
  bool stopping_ = false;
  std::deque<Task> ready_;
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
