#include "common/service/process.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "common/exec/threads.h"
#include "common/sql/open.h"
#include "common/status/error.h"

namespace sagamesh {
namespace {

// For what comes after the grace and does not wait: giving the lease up, closing files.
constexpr absl::Duration kCleanupMax = absl::Seconds(2);
// Clients that watch our health send calls elsewhere meanwhile, which takes them less than 20 ms. What still comes when
// the server is shut down ends as CANCELLED, before gRPC tells its client to go away.
constexpr absl::Duration kLeaveTime = absl::Milliseconds(200);
// Threads beside those of the writers, which may all wait for locks: for readers, the lease and the monitor.
constexpr int kOtherWorkers = 4;

// Never a flag: those show in the process list.
absl::StatusOr<std::string> ReadPassword() {
  const char* password = std::getenv("SAGAMESH_DB_PASSWORD");
  const char* path = std::getenv("SAGAMESH_DB_PASSWORD_FILE");
  if (path == nullptr) return std::string(password == nullptr ? "" : password);
  if (password != nullptr) {
    return absl::InvalidArgumentError("SAGAMESH_DB_PASSWORD and SAGAMESH_DB_PASSWORD_FILE are both set");
  }
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) {
    return absl::InvalidArgumentError(absl::StrCat("SAGAMESH_DB_PASSWORD_FILE: there is no password in ", path));
  }
  return line;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Process>> Process::Create(const ProcessOptions& options) {
  // Debian's Abseil looks for deadlocks at every lock, gRPC's included, unless it is told not to.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  auto process = std::unique_ptr<Process>(new Process(options));
  process->random_ = MakeSystemRandom();
  sql::ServerLogin login{.allow_relaxed_durability = options.allow_relaxed_durability,
                         .max_writers = options.db_writers};
  SAGAMESH_ASSIGN_OR_RETURN(login.password, ReadPassword());
  SAGAMESH_ASSIGN_OR_RETURN(std::unique_ptr<sql::Database> database, sql::OpenDatabase(options.db, login));
  process->database_ = std::make_unique<sql::CountedDatabase>(std::move(database), process->registry_);
  if (!options.metrics.empty()) SAGAMESH_RETURN_IF_ERROR(process->registry_.Serve(options.metrics));
  process->workers_ = MakeThreadPool("worker", process->database_->max_writers() + kOtherWorkers);
  process->timers_ = MakeThreadEventLoop("timers");
  rpc::EdgeOptions edge;
  edge.domain = options.domain;
  edge.enable_fault_injection = options.enable_fault_injection;
  edge.clock = &process->clock_;
  edge.timers = process->timers_.get();
  edge.registry = &process->registry_;
  edge.admission = [raw = process.get()] { return raw->monitor_->Ready(); };
  process->edge_ = std::make_unique<rpc::Edge>(std::move(edge));
  return process;
}

Process::~Process() { StopExecutors(); }

absl::Status Process::Serve(std::vector<grpc::Service*> services, absl::AnyInvocable<absl::Status()> open,
                            std::function<void()> opened) {
  rpc::DatabaseMonitor::Options monitor;
  monitor.domain = options_.domain;
  monitor.open = [open = std::move(open), opened = std::move(opened)]() mutable {
    absl::Status status = open();
    if (status.ok() && opened) opened();
    return status;
  };
  monitor.on_change = [this](bool healthy) {
    spdlog::info("database {}: {}", options_.db, healthy ? "connected" : "disconnected");
    server_->SetServing(healthy);
  };
  monitor.on_fatal = [](const absl::Status& status) {
    spdlog::critical("cannot go on: {}", status.ToString());
    std::_Exit(1);
  };
  monitor_ = std::make_unique<rpc::DatabaseMonitor>(std::move(monitor), *database_, *workers_, *timers_);
  SAGAMESH_ASSIGN_OR_RETURN(server_, rpc::Server::Start({options_.listen, std::move(services)}));
  spdlog::info("listening on {}", options_.listen);
  monitor_->Start();
  return absl::OkStatus();
}

void Process::Run(absl::AnyInvocable<void(absl::Time)> drain) {
  rpc::WaitForTermination();
  const absl::Time until = clock_.Now() + options_.grace;
  spdlog::info("shutting down");
  // What hangs even so, such as a COMMIT on a disk that fails, is cut off as by a crash, which loses nothing.
  watchdog_ = MakeThreadEventLoop("watchdog");
  watchdog_->PostAfter(options_.grace + kCleanupMax, [] {
    spdlog::warn("not done in time: the rest is left to the next start");
    std::_Exit(1);
  });
  server_->StopServing();
  clock_.SleepFor(std::min(kLeaveTime, options_.grace / 10));
  drain(until);
  server_->Shutdown(until - clock_.Now());
}

void Process::StopExecutors() {
  if (timers_ != nullptr) timers_->Shutdown();
  if (workers_ != nullptr) workers_->Shutdown();
}

}  // namespace sagamesh
