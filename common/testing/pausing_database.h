#ifndef SAGAMESH_COMMON_TESTING_PAUSING_DATABASE_H_
#define SAGAMESH_COMMON_TESTING_PAUSING_DATABASE_H_

#include <chrono>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/sql/sql.h"

namespace sagamesh::testing {

// A real database whose writers stop where a test says: before the n-th call of a transaction's (BEGIN and COMMIT
// included), counted over all transactions. Thread-safe; outlives its connections.
class PausingDatabase final : public sql::Database {
 public:
  explicit PausingDatabase(std::unique_ptr<sql::Database> inner, int max_writers = 1)
      : inner_(std::move(inner)), max_writers_(max_writers) {}
  ~PausingDatabase() override {
    Resume();
    for (std::thread& thread : late_commits_) thread.join();
  }

  // From now on; 0 is the next call.
  void PauseAt(int call) {
    std::lock_guard lock(mutex_);
    calls_left_ = call;
    stopped_at_.clear();
  }
  // The call before which it stands, once it does; "" if `other` is ready before that.
  template <typename Result>
  std::string AwaitPause(const std::future<Result>& other) {
    std::unique_lock lock(mutex_);
    while (stopped_at_.empty()) {
      if (other.wait_for(std::chrono::seconds(0)) == std::future_status::ready) return "";
      changed_.wait_for(lock, std::chrono::milliseconds(1));
    }
    return stopped_at_;
  }
  void Resume() {
    std::lock_guard lock(mutex_);
    calls_left_.reset();
    stopped_at_.clear();
    resumed_++;
    changed_.notify_all();
  }

  // The next COMMIT is told to be of unknown outcome while the server still does it, and this side does not know the
  // connection as lost.
  void LeaveNextCommit() {
    std::lock_guard lock(mutex_);
    leave_commit_ = true;
  }

  sql::Dialect dialect() const override { return inner_->dialect(); }
  int max_writers() const override { return max_writers_; }
  bool exclusive() const override { return false; }
  absl::StatusOr<std::unique_ptr<sql::Connection>> Connect(sql::Access access) override {
    absl::StatusOr<std::unique_ptr<sql::Connection>> inner = inner_->Connect(access);
    if (!inner.ok() || access == sql::Access::kRead) return inner;
    return std::make_unique<PausingConnection>(*this, *std::move(inner));
  }

 private:
  class PausingConnection final : public sql::Connection {
   public:
    PausingConnection(PausingDatabase& database, std::unique_ptr<sql::Connection> inner)
        : database_(database), inner_(std::move(inner)) {}

    sql::Dialect dialect() const override { return database_.dialect(); }
    bool alive() const override { return inner_ != nullptr && inner_->alive(); }
    absl::Status Begin() override {
      in_transaction_ = true;
      database_.Reach("BEGIN");
      return inner_->Begin();
    }
    absl::Status Commit() override {
      database_.Reach("COMMIT");
      in_transaction_ = false;
      if (!database_.TakeLeaveCommit()) return inner_->Commit();
      database_.late_commits_.emplace_back([inner = std::move(inner_)] { inner->Commit().IgnoreError(); });
      return absl::UnknownError("left while the server commits");
    }
    absl::Status Rollback() override {
      if (in_transaction_) database_.Reach("ROLLBACK");
      in_transaction_ = false;
      return inner_->Rollback();
    }
    absl::StatusOr<int64_t> Execute(absl::string_view statement, absl::Span<const sql::Value> parameters) override {
      if (in_transaction_) database_.Reach(statement);
      return inner_->Execute(statement, parameters);
    }
    absl::StatusOr<std::vector<sql::Row>> Query(absl::string_view statement,
                                                absl::Span<const sql::Value> parameters) override {
      if (in_transaction_) database_.Reach(statement);
      return inner_->Query(statement, parameters);
    }

   private:
    PausingDatabase& database_;
    std::unique_ptr<sql::Connection> inner_;
    bool in_transaction_ = false;
  };

  void Reach(absl::string_view call) {
    std::unique_lock lock(mutex_);
    if (!calls_left_.has_value() || (*calls_left_)-- > 0) return;
    calls_left_.reset();
    stopped_at_ = std::string(call.substr(0, 60));
    changed_.notify_all();
    changed_.wait(lock, [this, before = resumed_] { return resumed_ != before; });
  }
  bool TakeLeaveCommit() {
    std::lock_guard lock(mutex_);
    return std::exchange(leave_commit_, false);
  }

  const std::unique_ptr<sql::Database> inner_;
  const int max_writers_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<int> calls_left_;
  std::string stopped_at_;
  int resumed_ = 0;
  bool leave_commit_ = false;
  std::vector<std::thread> late_commits_;
};

}  // namespace sagamesh::testing

#endif  // SAGAMESH_COMMON_TESTING_PAUSING_DATABASE_H_
