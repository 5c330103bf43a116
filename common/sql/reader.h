#ifndef SAGAMESH_COMMON_SQL_READER_H_
#define SAGAMESH_COMMON_SQL_READER_H_

#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "common/exec/executor.h"
#include "common/exec/mutex.h"
#include "common/sql/sql.h"

namespace sagamesh::sql {

// Runs queries on a worker pool over a few read connections, behind a bounded queue. Thread-safe.
class Reader {
 public:
  // Called on a worker: with a connection, or with why there is none (UNAVAILABLE; RESOURCE_EXHAUSTED when
  // `max_queued` queries wait). It runs its queries and finishes its caller.
  using Query = absl::AnyInvocable<void(absl::StatusOr<Connection*>)>;

  // At most `connections` queries run at a time.
  Reader(Database& database, WorkerPool& pool, int connections, int max_queued);

  // Never blocks. An overload is told in the caller's thread.
  void Submit(Query query);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace sagamesh::sql

#endif  // SAGAMESH_COMMON_SQL_READER_H_
