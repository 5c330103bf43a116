#ifndef SAGAMESH_COMMON_TESTING_SCRIPTED_DATABASE_H_
#define SAGAMESH_COMMON_TESTING_SCRIPTED_DATABASE_H_

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "common/exec/mutex.h"
#include "common/sql/sql.h"

namespace sagamesh::testing {

// A real database whose next calls end as a test has scripted: each kind of call uses its script up from the front; OK,
// and an empty script, let the call through. After UNAVAILABLE or UNKNOWN a connection is dead. Thread-safe; outlives
// its connections.
class ScriptedDatabase final : public sql::Database {
 public:
  explicit ScriptedDatabase(std::unique_ptr<sql::Database> inner) : inner_(std::move(inner)) {}

  // Appends to a script.
  void ScriptConnect(absl::Status status) { connects_.Append({std::move(status)}); }
  void ScriptBegin(absl::Status status) { begins_.Append({std::move(status)}); }
  // `happens`: the transaction is committed although an error is told. `then_away`: from then on nobody can connect.
  void ScriptCommit(absl::Status status, bool happens, bool then_away = false) {
    commits_.Append({std::move(status), happens, then_away});
  }

  // While it is away nobody can connect; connections go on.
  void SetAway(bool away) { away_ = away; }

  // Before others use it. The real one's connections still write one after the other.
  void SetMaxWriters(int writers) { max_writers_ = writers; }

  // How often it was done, whatever was told.
  int connects() const { return connects_done_; }
  int commits() const { return commits_done_; }
  int rollbacks() const { return rollbacks_done_; }

  // COMMITs that are scripted and did not come yet.
  size_t commits_to_come() const { return commits_.size(); }

  sql::Dialect dialect() const override { return inner_->dialect(); }
  int max_writers() const override { return max_writers_.value_or(inner_->max_writers()); }
  bool exclusive() const override { return max_writers() == 1 && inner_->exclusive(); }
  absl::StatusOr<std::unique_ptr<sql::Connection>> Connect(sql::Access access) override {
    if (away_) return absl::UnavailableError("away");
    if (absl::Status status = connects_.Take().status; !status.ok()) return status;
    absl::StatusOr<std::unique_ptr<sql::Connection>> inner = inner_->Connect(access);
    if (!inner.ok()) return inner.status();
    connects_done_++;
    return std::make_unique<ScriptedConnection>(*this, *std::move(inner));
  }

 private:
  struct End {
    absl::Status status;
    bool happens = false;
    bool then_away = false;
  };

  class Script {
   public:
    void Append(End end) {
      MutexLock lock(mutex_);
      ends_.push_back(std::move(end));
    }
    End Take() {
      MutexLock lock(mutex_);
      if (ends_.empty()) return {};
      End end = std::move(ends_.front());
      ends_.pop_front();
      return end;
    }
    size_t size() const {
      MutexLock lock(mutex_);
      return ends_.size();
    }

   private:
    mutable Mutex mutex_;
    std::deque<End> ends_ ABSL_GUARDED_BY(mutex_);
  };

  class ScriptedConnection final : public sql::Connection {
   public:
    ScriptedConnection(ScriptedDatabase& database, std::unique_ptr<sql::Connection> inner)
        : database_(database), inner_(std::move(inner)) {}

    sql::Dialect dialect() const override { return inner_->dialect(); }
    bool alive() const override { return alive_ && inner_->alive(); }
    absl::Status Begin() override {
      if (absl::Status status = database_.begins_.Take().status; !status.ok()) return Fail(std::move(status));
      return inner_->Begin();
    }
    absl::Status Commit() override {
      End end = database_.commits_.Take();
      if (end.status.ok() || end.happens) {
        if (absl::Status status = inner_->Commit(); !status.ok()) return status;
        database_.commits_done_++;
      } else {
        inner_->Rollback().IgnoreError();
      }
      if (end.then_away) database_.away_ = true;
      return Fail(std::move(end.status));
    }
    absl::Status Rollback() override {
      database_.rollbacks_done_++;
      return inner_->Rollback();
    }
    absl::StatusOr<int64_t> Execute(absl::string_view statement, absl::Span<const sql::Value> parameters) override {
      return inner_->Execute(statement, parameters);
    }
    absl::StatusOr<std::vector<sql::Row>> Query(absl::string_view statement,
                                                absl::Span<const sql::Value> parameters) override {
      return inner_->Query(statement, parameters);
    }

   private:
    absl::Status Fail(absl::Status status) {
      if (absl::IsUnavailable(status) || absl::IsUnknown(status)) alive_ = false;
      return status;
    }

    ScriptedDatabase& database_;
    const std::unique_ptr<sql::Connection> inner_;
    bool alive_ = true;
  };

  const std::unique_ptr<sql::Database> inner_;
  std::optional<int> max_writers_;
  std::atomic<bool> away_{false};
  Script connects_;
  Script begins_;
  Script commits_;
  std::atomic<int> connects_done_{0};
  std::atomic<int> commits_done_{0};
  std::atomic<int> rollbacks_done_{0};
};

}  // namespace sagamesh::testing

#endif  // SAGAMESH_COMMON_TESTING_SCRIPTED_DATABASE_H_
