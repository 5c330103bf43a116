#ifndef SAGAMESH_TESTS_SIMULATION_MYSQL_SERVER_H_
#define SAGAMESH_TESTS_SIMULATION_MYSQL_SERVER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/clock/clock.h"
#include "common/sql/sql.h"
#include "tests/simulation/mysql/bind.h"
#include "tests/simulation/mysql/statement.h"
#include "tests/simulation/mysql/table.h"
#include "tests/simulation/mysql/transaction.h"

namespace sagamesh::simulation::mysql {

// How often a lock was waited for, and what ended the wait but the lock.
struct LockCounts {
  int64_t waits = 0;
  int64_t deadlocks = 0;
  int64_t timeouts = 0;
};

// A database that behaves as InnoDB does at READ COMMITTED, for the SQL that our stores send to MySQL: a plain SELECT
// sees what is committed when it begins and what its own transaction has written; whatever locks or writes locks the
// rows that its condition holds for, waits for those that others have locked, and judges them anew when it has them;
// there are no locks on gaps, but who inserts a key waits for another who has inserted or deleted it. Of transactions
// that wait in a circle one is rolled back. All is in memory, and deterministic.
//
// innodb_test.cc compares it with a real server. What is different: whatever a secondary index is used for locks the
// row alone, never an entry of the index; a scan does not wait for the row after its range; text is compared byte by
// byte, trailing blanks too; a deleted row is gone once nobody has it locked; locks are given in the order of the
// requests.
//
// Not thread-safe: one call at a time, except that others may be made while one waits.
class Server {
 public:
  // The clock is the database's; it outlives the server.
  explicit Server(const Clock& clock) : clock_(clock) {}

  const Clock& clock() const { return clock_; }
  const LockCounts& lock_counts() const { return lock_counts_; }

  // Parsed and bound, kept for the next time. INTERNAL for SQL that is not known here.
  absl::StatusOr<std::shared_ptr<const Statement>> Prepare(absl::string_view text);
  absl::Status Create(const CreateTable& schema);
  absl::Status Create(const CreateIndex& schema);
  absl::Status Alter(const AlterTable& alter);

 private:
  friend class Session;

  const Clock& clock_;
  Tables tables_;
  LockCounts lock_counts_;
  absl::flat_hash_map<std::string, std::shared_ptr<const Statement>> statements_;
};

// A connection to a server, which outlives it, as does its waiter.
class Session final : public sql::Connection {
 public:
  Session(Server& server, Waiter& waiter) : server_(server), transaction_(waiter) {}
  // Rolls back.
  ~Session() override { Abort(); }

  sql::Dialect dialect() const override { return sql::Dialect::kMysql; }
  bool alive() const override { return true; }
  absl::Status Begin() override;
  absl::Status Commit() override;
  absl::Status Rollback() override;
  absl::StatusOr<int64_t> Execute(absl::string_view text, absl::Span<const sql::Value> parameters = {}) override;
  absl::StatusOr<std::vector<sql::Row>> Query(absl::string_view text,
                                              absl::Span<const sql::Value> parameters = {}) override;

  // Rolls back at once. A call that waits for a lock just now answers ABORTED.
  void Abort();

 private:
  friend class Execution;

  // Runs `call(Execution&, statement)` as a statement: what fails leaves nothing but locks, and outside of a
  // transaction it is one of its own.
  template <typename Result, typename Call>
  absl::StatusOr<Result> Run(absl::string_view text, absl::Span<const sql::Value> parameters, Call call);
  absl::StatusOr<int64_t> RunSchemaChange(const Statement& statement);
  void UndoTo(size_t changes);
  void CommitNow();

  // ABORTED once the whole transaction is rolled back: for a deadlock, for a wait that took too long, or by Abort.
  // `fresh`: it had no lock of the record before, and did not wait for it.
  absl::Status Lock(Record& record, LockMode mode, bool& fresh);

  Server& server_;
  Transaction transaction_;
  bool begun_ = false;  // by Begin, as its caller sees it
  bool open_ = false;   // so it is: a change of the schema commits
};

}  // namespace sagamesh::simulation::mysql

#endif  // SAGAMESH_TESTS_SIMULATION_MYSQL_SERVER_H_
