#include "tests/simulation/mysql/threaded_database.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "tests/simulation/mysql/server.h"

namespace sagamesh::simulation::mysql {
namespace {

constexpr int kWriters = 2;

// What a database and its connections share. The connections may outlive the database.
struct Shared {
  explicit Shared(const Clock& clock, absl::Duration lock_wait)
      : server(clock), lock_wait(absl::ToChronoMicroseconds(lock_wait)) {}

  std::mutex mutex;  // one statement at a time, but for those that wait
  Server server;
  const std::chrono::microseconds lock_wait;
};

class ThreadWaiter final : public Waiter {
 public:
  explicit ThreadWaiter(Shared& shared) : shared_(shared) {}

  bool Wait(absl::FunctionRef<bool()> ended) override {
    std::unique_lock lock(shared_.mutex, std::adopt_lock);
    const bool in_time = changed_.wait_for(lock, shared_.lock_wait, ended);
    lock.release();  // the caller has it
    return in_time;
  }
  void Wake() override { changed_.notify_all(); }

 private:
  Shared& shared_;
  std::condition_variable changed_;
};

class ThreadedConnection final : public sql::Connection {
 public:
  explicit ThreadedConnection(std::shared_ptr<Shared> shared)
      : shared_(std::move(shared)), waiter_(*shared_), session_(shared_->server, waiter_) {}
  ~ThreadedConnection() override { Rollback().IgnoreError(); }

  sql::Dialect dialect() const override { return session_.dialect(); }
  bool alive() const override { return true; }
  absl::Status Begin() override {
    std::lock_guard lock(shared_->mutex);
    return session_.Begin();
  }
  absl::Status Commit() override {
    std::lock_guard lock(shared_->mutex);
    return session_.Commit();
  }
  absl::Status Rollback() override {
    std::lock_guard lock(shared_->mutex);
    return session_.Rollback();
  }
  absl::StatusOr<int64_t> Execute(absl::string_view statement, absl::Span<const sql::Value> parameters) override {
    std::lock_guard lock(shared_->mutex);
    return session_.Execute(statement, parameters);
  }
  absl::StatusOr<std::vector<sql::Row>> Query(absl::string_view statement,
                                              absl::Span<const sql::Value> parameters) override {
    std::lock_guard lock(shared_->mutex);
    return session_.Query(statement, parameters);
  }

 private:
  const std::shared_ptr<Shared> shared_;
  ThreadWaiter waiter_;
  Session session_;
};

class ThreadedDatabase final : public sql::Database {
 public:
  ThreadedDatabase(const Clock& clock, absl::Duration lock_wait)
      : shared_(std::make_shared<Shared>(clock, lock_wait)) {}

  sql::Dialect dialect() const override { return sql::Dialect::kMysql; }
  int max_writers() const override { return kWriters; }
  bool exclusive() const override { return false; }
  absl::StatusOr<std::unique_ptr<sql::Connection>> Connect(sql::Access) override {
    return std::make_unique<ThreadedConnection>(shared_);
  }

 private:
  const std::shared_ptr<Shared> shared_;
};

}  // namespace

std::unique_ptr<sql::Database> MakeThreadedDatabase(const Clock& clock, absl::Duration lock_wait) {
  return std::make_unique<ThreadedDatabase>(clock, lock_wait);
}

}  // namespace sagamesh::simulation::mysql
