#ifndef SAGAMESH_COMMON_EXEC_THREADS_H_
#define SAGAMESH_COMMON_EXEC_THREADS_H_

#include <memory>
#include <string>

#include "common/exec/executor.h"

namespace sagamesh {

// Production executors. Their destructors call Shutdown.

// An event loop with a thread of its own; `name` is at most 15 characters and shows in the process list.
std::unique_ptr<EventLoop> MakeThreadEventLoop(const std::string& name);

// `threads` >= 1.
std::unique_ptr<WorkerPool> MakeThreadPool(const std::string& name, int threads);

}  // namespace sagamesh

#endif  // SAGAMESH_COMMON_EXEC_THREADS_H_
