#ifndef SAGAMESH_COMMON_EXEC_EXECUTOR_H_
#define SAGAMESH_COMMON_EXEC_EXECUTOR_H_

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"

namespace sagamesh {

using Task = absl::AnyInvocable<void()>;

// Where work runs. Everything that runs concurrently in production code goes through one of these, so that the
// simulation can run the same code on cooperative fibres, one at a time.
class Executor {
 public:
  virtual ~Executor() = default;

  // Thread-safe; never blocks and never runs the task in the caller. After Shutdown the task is destroyed unrun.
  virtual void Post(Task task) = 0;

  // Waits for the tasks that run, destroys those that wait, and ends the threads. Whoever owns objects whose tasks run
  // here shuts it down before it destroys them; the executor itself may live on. Not from a task of its own.
  virtual void Shutdown() = 0;
};

// One thread that runs its tasks one after the other, in the order they came. Its tasks must never block.
class EventLoop : public Executor {
 public:
  // Thread-safe. Runs the task on this loop, not before `delay` is over. Timers cannot be cancelled: a task checks
  // whether it is still wanted.
  virtual void PostAfter(absl::Duration delay, Task task) = 0;
};

// Threads whose tasks may block: database connections are used here and nowhere else. It is an Executor like any other;
// the alias says what a caller needs.
using WorkerPool = Executor;

}  // namespace sagamesh

#endif  // SAGAMESH_COMMON_EXEC_EXECUTOR_H_
