#ifndef SAGAMESH_COMMON_SQL_READER_H_
#define SAGAMESH_COMMON_SQL_READER_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "common/clock/clock.h"
#include "common/exec/executor.h"
#include "common/exec/mutex.h"
#include "common/sql/sql.h"

namespace sagamesh::sql {

struct ReaderOptions {
  std::string domain;   // of the errors' ErrorInfo
  int connections = 2;  // so many queries run at a time
  int max_queued = 4096;
};

// Runs queries on a worker pool over a few read connections, behind a bounded queue. Thread-safe.
class Reader {
 public:
  // Called on a worker: with a session, or with why there is none (RESOURCE_EXHAUSTED when `max_queued` queries wait).
  // It runs its queries and finishes its caller.
  using Query = absl::AnyInvocable<void(absl::StatusOr<Session*>)>;

  Reader(ReaderOptions options, Database& database, WorkerPool& pool, const Clock& clock);

  // Never blocks. An overload is told in the caller's thread.
  void Submit(Query query);

  // Submit for a query with one result, whose caller learns nothing of the database but that it is away
  // (DATABASE_UNAVAILABLE) or that a query failed (INTERNAL); errors of `query` that carry an ErrorInfo go through.
  // What has waited past `deadline` is not run (TOO_LATE). `query` may be run twice.
  template <typename Result>
  void Read(absl::Time deadline, absl::AnyInvocable<absl::StatusOr<Result>(Connection&)> query,
            absl::AnyInvocable<void(absl::StatusOr<Result>)> done) {
    Submit([state = state_, deadline, query = std::move(query),
            done = std::move(done)](absl::StatusOr<Session*> session) mutable {
      if (!session.ok()) return done(Failure(*state, session.status()));
      if (IsPast(*state, deadline)) return done(Late(*state));
      absl::StatusOr<Result> result = (*session)->Run([&query](Connection& connection) { return query(connection); });
      if (!result.ok()) return done(Failure(*state, result.status()));
      done(std::move(result));
    });
  }

 private:
  struct State;
  static absl::Status Failure(const State& state, const absl::Status& status);
  static bool IsPast(const State& state, absl::Time deadline);
  static absl::Status Late(const State& state);

  std::shared_ptr<State> state_;
};

}  // namespace sagamesh::sql

#endif  // SAGAMESH_COMMON_SQL_READER_H_
