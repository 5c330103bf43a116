#ifndef SAGAMESH_COMMON_TESTING_MANUAL_POOL_H_
#define SAGAMESH_COMMON_TESTING_MANUAL_POOL_H_

#include <deque>
#include <utility>

#include "common/exec/executor.h"

namespace sagamesh::testing {

// A worker pool whose tasks run when the test says so, in its thread.
class ManualPool final : public WorkerPool {
 public:
  void Post(Task task) override {
    if (!shut_down_) tasks_.push_back(std::move(task));
  }

  void Shutdown() override {
    shut_down_ = true;
    std::deque<Task>().swap(tasks_);
  }

  // Until none is left, those included that tasks post.
  void RunAll() {
    while (!tasks_.empty()) RunOne();
  }

  void RunOne() {
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    task();
  }

  size_t size() const { return tasks_.size(); }

 private:
  std::deque<Task> tasks_;
  bool shut_down_ = false;
};

}  // namespace sagamesh::testing

#endif  // SAGAMESH_COMMON_TESTING_MANUAL_POOL_H_
