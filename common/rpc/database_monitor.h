#ifndef SAGAMESH_COMMON_RPC_DATABASE_MONITOR_H_
#define SAGAMESH_COMMON_RPC_DATABASE_MONITOR_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "common/exec/executor.h"
#include "common/sql/counted.h"

namespace sagamesh::rpc {

// Opens a service's database, however long it is away, and then watches it: each second, by what others were answered
// meanwhile, else by a query of its own; one that may move by its Check. A database that is away stops no process; it
// makes it unhealthy, after two seconds at most, or four if it does not even refuse. Goes on until its executors shut
// down. Thread-safe.
class DatabaseMonitor {
 public:
  struct Options {
    std::string domain;  // of the error that Ready answers
    // Run on a worker until it is OK: migrations, taking up work. Run again every 500 ms while it is UNAVAILABLE,
    // ABORTED or UNKNOWN, the errors of common/sql that pass.
    absl::AnyInvocable<absl::Status()> open;
    // Told each change, the first included; on the loop, so that a worker that hangs holds up nothing. Must not block.
    std::function<void(bool healthy)> on_change;
    // Any other error of `open` (the schema is newer than this program): the process cannot go on.
    std::function<void(const absl::Status&)> on_fatal;
  };

  DatabaseMonitor(Options options, sql::CountedDatabase& database, WorkerPool& pool, EventLoop& timers);

  void Start();

  // OK once opened; else UNAVAILABLE (DATABASE_UNAVAILABLE).
  absl::Status Ready() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace sagamesh::rpc

#endif  // SAGAMESH_COMMON_RPC_DATABASE_MONITOR_H_
