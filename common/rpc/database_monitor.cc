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
// A question that so many later looks find unanswered: the database is silent.
constexpr int kSilentLooksMax = 2;

bool MayPass(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable || status.code() == absl::StatusCode::kAborted ||
         status.code() == absl::StatusCode::kUnknown;
}

}  // namespace

// Kept alive by its tasks. Everything but `opened` and `session` is used on the loop alone.
struct DatabaseMonitor::State : std::enable_shared_from_this<State> {
  State(Options options, sql::CountedDatabase& database, WorkerPool& pool, EventLoop& timers)
      : options(std::move(options)),
        database(database),
        session(database, sql::Access::kRead),
        pool(pool),
        timers(timers) {}

  // Runs `ask` on a worker, then `next` with what came of it on the loop.
  void Ask(absl::Status (State::*ask)(), void (State::*next)(const absl::Status&)) {
    pool.Post([self = shared_from_this(), ask, next] {
      self->timers.Post([self, next, status = ((*self).*ask)()] { ((*self).*next)(status); });
    });
  }

  void Open() { Ask(&State::TryToOpen, &State::Opened); }

  absl::Status TryToOpen() {
    absl::Status status = options.open();
    if (status.ok()) opened = true;
    return status;
  }

  void Opened(const absl::Status& status) {
    if (status.ok()) return Watch();
    if (!MayPass(status)) return options.on_fatal(status);
    Tell(status);
    After(kOpenInterval, &State::Open);
  }

  void Watch() {
    After(kWatchInterval, &State::Watch);
    const bool answered = database.TakeFinding() == sql::CountedDatabase::Finding::kAnswered;
    if (answered) silent_looks = 0;
    if (answered && !database.may_move()) {
      Tell(absl::OkStatus());
    } else if (!asked) {
      asked = true;
      Ask(&State::Ping, &State::Answered);
    } else if (!answered && ++silent_looks >= kSilentLooksMax) {
      Tell(absl::UnavailableError("it does not answer"));
    }
  }

  absl::Status Ping() {
    if (database.may_move()) return database.Check().status();
    SAGAMESH_ASSIGN_OR_RETURN(sql::Connection* const connection, session.Get());
    return connection->Query("SELECT 1").status();
  }

  void Answered(const absl::Status& status) {
    asked = false;
    silent_looks = 0;
    database.TakeFinding();  // its own
    Tell(status);
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
    timers.PostAfter(delay, [self = shared_from_this(), next] { ((*self).*next)(); });
  }

  Options options;
  sql::CountedDatabase& database;
  sql::Session session;
  WorkerPool& pool;
  EventLoop& timers;
  std::atomic<bool> opened{false};
  bool asked = false;           // a question of its own is under way
  int silent_looks = 0;         // since when nobody was answered
  std::optional<bool> healthy;  // as it was told last
};

DatabaseMonitor::DatabaseMonitor(Options options, sql::CountedDatabase& database, WorkerPool& pool, EventLoop& timers)
    : state_(std::make_shared<State>(std::move(options), database, pool, timers)) {}

void DatabaseMonitor::Start() { state_->Open(); }

absl::Status DatabaseMonitor::Ready() const {
  if (state_->opened) return absl::OkStatus();
  return DatabaseUnavailable(state_->options.domain);
}

}  // namespace sagamesh::rpc
