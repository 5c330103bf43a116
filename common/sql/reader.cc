#include "common/sql/reader.h"

#include <spdlog/spdlog.h>

#include <deque>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/error.h"

namespace sagamesh::sql {

// Kept alive by its tasks.
struct Reader::State : std::enable_shared_from_this<State> {
  State(ReaderOptions given, Database& database, WorkerPool& pool, const Clock& clock)
      : options(std::move(given)), pool(pool), clock(clock) {
    for (int i = 0; i < options.connections; i++) idle.push_back(std::make_unique<Session>(database, Access::kRead));
  }

  // Runs what waits on one session until nothing does.
  void Drain(std::unique_ptr<Session> session) {
    while (true) {
      Query query;
      {
        MutexLock lock(mutex);
        if (queue.empty()) {
          idle.push_back(std::move(session));
          return;
        }
        query = std::move(queue.front());
        queue.pop_front();
      }
      query(session.get());
    }
  }

  const ReaderOptions options;
  WorkerPool& pool;
  const Clock& clock;
  Mutex mutex;
  std::deque<Query> queue ABSL_GUARDED_BY(mutex);
  std::vector<std::unique_ptr<Session>> idle ABSL_GUARDED_BY(mutex);
};

Reader::Reader(ReaderOptions options, Database& database, WorkerPool& pool, const Clock& clock)
    : state_(std::make_shared<State>(std::move(options), database, pool, clock)) {}

void Reader::Submit(Query query) {
  std::unique_ptr<Session> session;
  {
    MutexLock lock(state_->mutex);
    if (state_->queue.size() < static_cast<size_t>(state_->options.max_queued)) {
      state_->queue.push_back(std::move(query));
      if (state_->idle.empty()) return;
      session = std::move(state_->idle.back());
      state_->idle.pop_back();
    }
  }
  if (session == nullptr) {
    return query(Overloaded({state_->options.domain, "QUEUE_FULL"},
                            absl::StrCat(state_->options.max_queued, " queries wait already"), absl::Seconds(1)));
  }
  state_->pool.Post([state = state_, session = std::move(session)]() mutable { state->Drain(std::move(session)); });
}

absl::Status Reader::Failure(const State& state, const absl::Status& status) {
  if (GetErrorInfo(status).has_value()) return status;
  spdlog::warn("{}: a query failed: {}", state.options.domain, status.ToString());
  const bool passing = status.code() == absl::StatusCode::kUnavailable || status.code() == absl::StatusCode::kAborted;
  return passing ? DatabaseUnavailable(state.options.domain) : InternalFailure(state.options.domain);
}

bool Reader::IsPast(const State& state, absl::Time deadline) { return state.clock.Now() >= deadline; }

absl::Status Reader::Late(const State& state) { return TooLate(state.options.domain, "the query"); }

}  // namespace sagamesh::sql
