#ifndef SAGAMESH_TESTS_SIMULATION_MYSQL_LOCKS_H_
#define SAGAMESH_TESTS_SIMULATION_MYSQL_LOCKS_H_

#include "absl/container/inlined_vector.h"
#include "tests/simulation/mysql/statement.h"
#include "tests/simulation/mysql/transaction.h"

namespace sagamesh::simulation::mysql {

// Row locks, first come, first served: a request waits for whatever conflicts with it and came before, be it granted
// or waiting itself. A transaction that holds a lock of a record and wants a stronger one has two requests.

struct LockRequest {
  Transaction* transaction;
  LockMode mode;
  bool granted;
};
using LockQueue = absl::InlinedVector<LockRequest, 2>;

enum class LockResult { kHeldAlready, kGranted, kWaits };

// kWaits leaves the request in the queue: it is granted, and the transaction awaits nothing any more, when another
// lets go; or it is taken back by StopWaiting.
bool MustWait(const Transaction& transaction, const Record& record, LockMode mode);
LockResult Acquire(Transaction& transaction, Record& record, LockMode mode);
void StopWaiting(Transaction& transaction);

// Lets a lock of one record go; the record may be gone then (see Forget in table.h). kNone: whatever it has of it.
void Release(Transaction& transaction, Record& record, LockMode mode = LockMode::kNone);
void ReleaseAll(Transaction& transaction);

// If `transaction` has just begun to wait in a circle: the one in it to roll back, which has done the least; of
// equals, `transaction`. Else nullptr.
Transaction* FindVictim(Transaction& transaction);

}  // namespace sagamesh::simulation::mysql

#endif  // SAGAMESH_TESTS_SIMULATION_MYSQL_LOCKS_H_
