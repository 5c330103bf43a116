#include "common/rpc/database_monitor.h"

#include <spdlog/spdlog.h>

#include <atomic>
#include <optional>
#include <string>
#include <utility>

#include "common/status/error.h"

namespace sagamesh::rpc {
namespace {

constexpr absl::Duration kOpenInterval = absl::Milliseconds(500);
constexpr absl::Duration kWatchInterval = absl::Seconds(1);

bool MayPass(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable || status.code() == absl::StatusCode::kAborted ||
         status.code() == absl::StatusCode::kUnknown;
}

}  // namespace

// Kept alive by its tasks. Everything but `opened` is used by one task at a time.
struct DatabaseMonitor::State : std::enable_shared_from_this<State> {
  State(Options options, sql::CountedDatabase& database, WorkerPool& pool, EventLoop& timers)
      : options(std::move(options)),
        database(database),
        session(database, sql::Access::kRead),
        pool(pool),
        timers(timers) {}

  void Open() {
    const absl::Status status = options.open();
    if (status.ok()) {
      opened = true;
      return Watch();
    }
    if (!MayPass(status)) return options.on_fatal(status);
    Tell(status);
    After(kOpenInterval, &State::Open);
  }

  void Watch() {
    const bool answered = database.TakeFinding() == sql::CountedDatabase::Finding::kAnswered;
    Tell(answered ? absl::OkStatus() : Ping());
    After(kWatchInterval, &State::Watch);
  }

  absl::Status Ping() {
    const absl::StatusOr<sql::Connection*> connection = session.Get();
    absl::Status status = connection.ok() ? (*connection)->Query("SELECT 1").status() : connection.status();
    database.TakeFinding();  // its own
    return status;
  }

  void Tell(const absl::Status& status) {
    if (healthy == status.ok()) return;
    healthy = status.ok();
    if (status.ok()) {
      spdlog::info("the database answers");
    } else {
      spdlog::warn("the database is away: {}", std::string(status.message()));
    }
    options.on_change(*healthy);
  }

  void After(absl::Duration delay, void (State::*next)()) {
    timers.PostAfter(delay,
                     [self = shared_from_this(), next] { self->pool.Post([self, next] { ((*self).*next)(); }); });
  }

  Options options;
  sql::CountedDatabase& database;
  sql::Session session;
  WorkerPool& pool;
  EventLoop& timers;
  std::atomic<bool> opened{false};
  std::optional<bool> healthy;  // as it was told last
};

DatabaseMonitor::DatabaseMonitor(Options options, sql::CountedDatabase& database, WorkerPool& pool, EventLoop& timers)
    : state_(std::make_shared<State>(std::move(options), database, pool, timers)) {}

void DatabaseMonitor::Start() {
  state_->pool.Post([state = state_] { state->Open(); });
}

absl::Status DatabaseMonitor::Ready() const {
  if (state_->opened) return absl::OkStatus();
  return DatabaseUnavailable(state_->options.domain);
}

}  // namespace sagamesh::rpc
