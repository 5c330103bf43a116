#ifndef SAGAMESH_COMMON_TESTING_MANUAL_LOOP_H_
#define SAGAMESH_COMMON_TESTING_MANUAL_LOOP_H_

#include <deque>
#include <map>
#include <utility>

#include "common/exec/executor.h"
#include "common/testing/fake_clock.h"

namespace sagamesh::testing {

// Runs tasks when the test says so, in the caller's thread.
class ManualLoop final : public EventLoop {
 public:
  explicit ManualLoop(FakeClock& clock) : clock_(clock) {}
  void Post(Task task) override { ready_.push_back(std::move(task)); }
  void PostAfter(absl::Duration delay, Task task) override { timers_.emplace(clock_.Now() + delay, std::move(task)); }
  void Shutdown() override {
    ready_.clear();
    timers_.clear();
  }
  // All that is ready or due now, and what comes of it.
  void Run() {
    while (true) {
      while (!timers_.empty() && timers_.begin()->first <= clock_.Now()) {
        ready_.push_back(std::move(timers_.begin()->second));
        timers_.erase(timers_.begin());
      }
      if (ready_.empty()) return;
      Task task = std::move(ready_.front());
      ready_.pop_front();
      std::move(task)();
    }
  }

 private:
  FakeClock& clock_;
  std::deque<Task> ready_;
  std::multimap<absl::Time, Task> timers_;
};

}  // namespace sagamesh::testing

#endif  // SAGAMESH_COMMON_TESTING_MANUAL_LOOP_H_
