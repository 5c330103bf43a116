#ifndef SAGAMESH_COMMON_SQL_COUNTED_H_
#define SAGAMESH_COMMON_SQL_COUNTED_H_

#include <atomic>
#include <memory>

#include "absl/status/status.h"
#include "common/metrics/metrics.h"
#include "common/sql/sql.h"

namespace sagamesh::sql {

// A database whose users are counted: every round trip (a statement, BEGIN, COMMIT, ROLLBACK, a connection made, a
// Check that asks) is one more of sagamesh_db_statements_total, and what came of them spares the question whether the
// database is there. Thread-safe; outlives its connections.
class CountedDatabase final : public Database {
 public:
  // `registry` outlives it.
  CountedDatabase(std::unique_ptr<Database> inner, metrics::Registry& registry);

  enum class Finding {
    kNothing,   // nobody asked
    kAnswered,  // and nothing failed
    kDoubt,     // something failed, for whatever reason
  };
  // What came of all round trips since the last call. For one user.
  Finding TakeFinding();

  Dialect dialect() const override { return inner_->dialect(); }
  int max_writers() const override { return inner_->max_writers(); }
  bool exclusive() const override { return inner_->exclusive(); }
  absl::StatusOr<std::unique_ptr<Connection>> Connect(Access access) override;
  bool may_move() const override { return inner_->may_move(); }
  absl::StatusOr<bool> Check() override;

 private:
  class CountedConnection;
  void Count(const absl::Status& status);

  const std::unique_ptr<Database> inner_;
  prometheus::Counter& statements_;
  std::atomic<bool> answered_{false};
  std::atomic<bool> failed_{false};
};

}  // namespace sagamesh::sql

#endif  // SAGAMESH_COMMON_SQL_COUNTED_H_
