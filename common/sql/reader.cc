#include "common/sql/reader.h"

#include <deque>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/error.h"

namespace sagamesh::sql {

// Kept alive by its tasks.
struct Reader::State : std::enable_shared_from_this<State> {
  State(Database& database, WorkerPool& pool, int connections, int max_queued) : pool(pool), max_queued(max_queued) {
    for (int i = 0; i < connections; i++) idle.push_back(std::make_unique<Session>(database, Access::kRead));
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
      query(session->Get());
    }
  }

  WorkerPool& pool;
  const size_t max_queued;
  Mutex mutex;
  std::deque<Query> queue ABSL_GUARDED_BY(mutex);
  std::vector<std::unique_ptr<Session>> idle ABSL_GUARDED_BY(mutex);
};

Reader::Reader(Database& database, WorkerPool& pool, int connections, int max_queued)
    : state_(std::make_shared<State>(database, pool, connections, max_queued)) {}

void Reader::Submit(Query query) {
  std::unique_ptr<Session> session;
  {
    MutexLock lock(state_->mutex);
    if (state_->queue.size() < state_->max_queued) {
      state_->queue.push_back(std::move(query));
      if (state_->idle.empty()) return;
      session = std::move(state_->idle.back());
      state_->idle.pop_back();
    }
  }
  if (session == nullptr) {
    return query(Overloaded({"database", "READ_QUEUE_FULL"}, absl::StrCat(state_->max_queued, " queries wait already"),
                            absl::Seconds(1)));
  }
  state_->pool.Post([state = state_, session = std::move(session)]() mutable { state->Drain(std::move(session)); });
}

}  // namespace sagamesh::sql
