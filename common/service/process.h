#ifndef SAGAMESH_COMMON_SERVICE_PROCESS_H_
#define SAGAMESH_COMMON_SERVICE_PROCESS_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock/clock.h"
#include "common/exec/executor.h"
#include "common/metrics/metrics.h"
#include "common/random/random.h"
#include "common/rpc/database_monitor.h"
#include "common/rpc/server.h"
#include "common/rpc/unary.h"
#include "common/sql/counted.h"

namespace sagamesh {

struct ProcessOptions {
  std::string domain;  // "orders": of errors and in logs
  std::string listen;  // "127.0.0.1:50052"
  std::string db;      // "sqlite:var/orders.db", "mysql://USER@HOST:PORT/DATABASE"
  bool allow_relaxed_durability = false;
  int db_writers = 2;   // on a database server; a file has one
  std::string metrics;  // "127.0.0.1:9052"; empty: not served
  bool enable_fault_injection = false;
  std::string crash_at;  // the name of a crash point; empty: none
  absl::Duration grace = absl::Seconds(10);
};

// What every service's process is made of, in production: the seams and the edge. A service's environment makes its own
// objects from these, then calls Serve, and Run from main. Not thread-safe; its parts are.
class Process {
 public:
  // The password of a database server comes from SAGAMESH_DB_PASSWORD, or from the file that SAGAMESH_DB_PASSWORD_FILE
  // names. Errors: a database file that another process holds, a metrics port that is taken, a bad --db.
  static absl::StatusOr<std::unique_ptr<Process>> Create(const ProcessOptions& options);
  ~Process();

  Clock& clock() { return clock_; }
  Random& random() { return *random_; }
  metrics::Registry& registry() { return registry_; }
  sql::Database& database() { return *database_; }
  // For database work.
  WorkerPool& workers() { return *workers_; }
  // For timers and whatever must not block.
  EventLoop& timers() { return *timers_; }
  rpc::Edge& edge() { return *edge_; }

  // Listens, and opens the database by `open` (on a worker, until it is there); `opened` runs once after that, before
  // the process is healthy. UNAVAILABLE, naming the address, if the port is taken.
  absl::Status Serve(std::vector<grpc::Service*> services, absl::AnyInvocable<absl::Status()> open,
                     std::function<void()> opened);

  // Waits for SIGTERM or SIGINT, then: NOT_SERVING, a moment for clients to leave, `drain`, no more calls, those under
  // way at most until the grace is over, which `drain` is told. A process that is still there 2 s after that exits with
  // 1 wherever it is.
  void Run(absl::AnyInvocable<void(absl::Time end_of_grace)> drain);

  // Ends the workers and timers; call it before anything that they use is destroyed.
  void StopExecutors();

 private:
  explicit Process(const ProcessOptions& options) : options_(options) {}

  const ProcessOptions options_;
  std::unique_ptr<EventLoop> watchdog_;  // while it shuts down; ends last
  SystemClock clock_;
  metrics::Registry registry_;
  std::unique_ptr<Random> random_;
  std::unique_ptr<sql::CountedDatabase> database_;
  std::unique_ptr<WorkerPool> workers_;
  std::unique_ptr<EventLoop> timers_;
  std::unique_ptr<rpc::DatabaseMonitor> monitor_;
  std::unique_ptr<rpc::Edge> edge_;
  std::unique_ptr<rpc::Server> server_;
};

}  // namespace sagamesh

#endif  // SAGAMESH_COMMON_SERVICE_PROCESS_H_
