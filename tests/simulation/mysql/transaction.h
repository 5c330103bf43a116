#ifndef SAGAMESH_TESTS_SIMULATION_MYSQL_TRANSACTION_H_
#define SAGAMESH_TESTS_SIMULATION_MYSQL_TRANSACTION_H_

#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "tests/simulation/mysql/cell.h"

namespace sagamesh::simulation::mysql {

struct Record;

// How a session waits for a lock: on a fibre, on a thread, or by running what a test says in the meantime.
class Waiter {
 public:
  virtual ~Waiter() = default;
  // Returns once `ended()` holds: true; or once the session has waited long enough: false.
  virtual bool Wait(absl::FunctionRef<bool()> ended) = 0;
  // `ended()` may hold now.
  virtual void Wake() = 0;
};

// How to undo a change: what the record had before it.
struct Undo {
  Record* record;
  bool first;  // the transaction's first of this record
  std::unique_ptr<Values> previous;
};

struct Transaction {
  explicit Transaction(Waiter& waiter) : waiter(waiter) {}

  Waiter& waiter;
  std::vector<Undo> undo;
  std::vector<Record*> locked;  // each once
  Record* awaited = nullptr;    // the one that it waits to lock
  bool waits = false;           // a call of it is in Wait, though it may have got the lock
  bool doomed = false;          // rolled back meanwhile
};

}  // namespace sagamesh::simulation::mysql

#endif  // SAGAMESH_TESTS_SIMULATION_MYSQL_TRANSACTION_H_
