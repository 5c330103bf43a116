#ifndef SAGAMESH_COMMON_TESTING_SCRIPTED_DATABASE_H_
#define SAGAMESH_COMMON_TESTING_SCRIPTED_DATABASE_H_

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/sql/sql.h"

namespace sagamesh::testing {

// A real database whose next calls fail as a test has scripted: each list is used up from its front, OK lets the call
// through. Not thread-safe; outlives its connections.
class ScriptedDatabase final : public sql::Database {
 public:
  struct CommitFault {
    absl::Status status;
    bool happens = false;  // the commit is done although an error is told
  };

  explicit ScriptedDatabase(std::unique_ptr<sql::Database> inner) : inner_(std::move(inner)) {}

  std::deque<absl::Status> connects;
  std::deque<absl::Status> begins;
  std::deque<CommitFault> commits;
  // What was done.
  int commits_done = 0;
  int rollbacks = 0;
  int connects_done = 0;

  sql::Dialect dialect() const override { return inner_->dialect(); }
  int max_writers() const override { return inner_->max_writers(); }
  absl::StatusOr<std::unique_ptr<sql::Connection>> Connect(sql::Access access) override {
    if (absl::Status status = Next(connects); !status.ok()) return status;
    absl::StatusOr<std::unique_ptr<sql::Connection>> inner = inner_->Connect(access);
    if (!inner.ok()) return inner.status();
    connects_done++;
    return std::make_unique<ScriptedConnection>(*this, *std::move(inner));
  }

 private:
  static absl::Status Next(std::deque<absl::Status>& script) {
    if (script.empty()) return absl::OkStatus();
    absl::Status status = std::move(script.front());
    script.pop_front();
    return status;
  }

  class ScriptedConnection final : public sql::Connection {
   public:
    ScriptedConnection(ScriptedDatabase& database, std::unique_ptr<sql::Connection> inner)
        : database_(database), inner_(std::move(inner)) {}

    sql::Dialect dialect() const override { return inner_->dialect(); }
    bool alive() const override { return alive_ && inner_->alive(); }
    absl::Status Begin() override {
      if (absl::Status status = Next(database_.begins); !status.ok()) return Fail(status);
      return inner_->Begin();
    }
    absl::Status Commit() override {
      CommitFault fault;
      if (!database_.commits.empty()) {
        fault = std::move(database_.commits.front());
        database_.commits.pop_front();
      }
      if (fault.status.ok() || fault.happens) {
        if (absl::Status status = inner_->Commit(); !status.ok()) return status;
        database_.commits_done++;
      } else {
        inner_->Rollback().IgnoreError();
      }
      return Fail(fault.status);
    }
    absl::Status Rollback() override {
      database_.rollbacks++;
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
    absl::Status Fail(const absl::Status& status) {
      if (absl::IsUnavailable(status) || absl::IsUnknown(status)) alive_ = false;
      return status;
    }

    ScriptedDatabase& database_;
    const std::unique_ptr<sql::Connection> inner_;
    bool alive_ = true;
  };

  const std::unique_ptr<sql::Database> inner_;
};

}  // namespace sagamesh::testing

#endif  // SAGAMESH_COMMON_TESTING_SCRIPTED_DATABASE_H_
