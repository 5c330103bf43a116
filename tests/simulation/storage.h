#ifndef SAGAMESH_TESTS_SIMULATION_STORAGE_H_
#define SAGAMESH_TESTS_SIMULATION_STORAGE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/clock/clock.h"
#include "common/sql/sql.h"
#include "tests/simulation/mysql/server.h"
#include "tests/simulation/process.h"
#include "tests/simulation/scheduler.h"

namespace sagamesh::simulation {

// What goes wrong with a database, each a probability for one call.
struct StorageFaults {
  double connect_unavailable = 0;
  double unavailable = 0;  // any call: the connection is lost, its transaction is rolled back
  double aborted = 0;      // Begin, Execute, Query in a transaction: rolled back, as after a deadlock
  double commit_aborted = 0;
  // COMMIT answers UNKNOWN, and was done, was not done, or is done or rolled back only later, the lock held until then.
  double unknown_done = 0;
  double unknown_lost = 0;
  double unknown_late = 0;
  double cut_off_after_unknown = 0;  // what lost the answer stays: the process cannot find out for a while
  double slow = 0;                   // any call takes up to `slow_max`
  absl::Duration slow_max = absl::Milliseconds(300);
  // Planted: COMMIT is rolled back and answers OK. No database does so; the checkers must see it.
  double commit_dropped = 0;
};

// How often each thing happened.
struct StorageCounts {
  int64_t calls = 0;
  int64_t commits = 0;
  int64_t lost = 0;  // connections
  int64_t aborted = 0;
  int64_t unknown_done = 0;
  int64_t unknown_lost = 0;
  int64_t unknown_late = 0;
  int64_t cut_off_after_unknown = 0;
  int64_t slow = 0;
  int64_t slow_commits = 0;
  int64_t rolled_back_by_crash = 0;
  int64_t dropped = 0;
  int64_t ended_idle = 0;  // transactions
};

class SimConnection;

// One service's durable database, a MySQL in memory (mysql/server.h) behind a network and a disk that fail. It outlives
// the processes that use it.
class Storage {
 public:
  static constexpr absl::Duration kSlowDiskMin = absl::Milliseconds(50);
  static constexpr absl::Duration kSlowDiskMax = absl::Milliseconds(1500);

  // The server ends transactions of a shared database that are idle for so long.
  static constexpr absl::Duration kIdleTransactionMax = absl::Seconds(3);

  Storage(Scheduler& scheduler, std::string name, uint64_t seed);
  ~Storage();

  // The database as one life of a process sees it: each call is a point where others may go first and where faults
  // happen; at the life's crash its transaction is rolled back and its connections are dead.
  std::unique_ptr<sql::Database> Open(Life& life);

  // Without faults or waiting, for checkers: it sees what is committed.
  absl::StatusOr<std::unique_ptr<sql::Connection>> Look();

  const std::string& name() const { return name_; }

  StorageFaults faults;
  // How many connections of a process may have a transaction, side by side.
  int max_writers = 1;
  // More than one process may use it.
  bool shared = false;
  // The server ends the transactions of a process that stands still, and their connections with them.
  void EndIdleTransactions(const Life& life);
  // Every call answers UNAVAILABLE until then.
  void AwayFor(absl::Duration duration) { away_until_ = scheduler_.now() + duration; }
  // The same for one process, by its name.
  void CutOffFor(const std::string& process, absl::Duration duration) {
    cut_off_until_[process] = scheduler_.now() + duration;
  }
  bool away(const Life& life) const {
    const auto cut_off = cut_off_until_.find(life.name());
    return scheduler_.now() < away_until_ || (cut_off != cut_off_until_.end() && scheduler_.now() < cut_off->second);
  }
  // Every COMMIT takes between kSlowDiskMin and kSlowDiskMax until then, with its locks held.
  void SlowDiskFor(absl::Duration duration) { slow_disk_until_ = scheduler_.now() + duration; }
  bool slow_disk() const { return scheduler_.now() < slow_disk_until_; }
  // Whether a transaction is open that writes.
  bool writing() const { return open_transactions_ > 0; }
  const StorageCounts& counts() const { return counts_; }
  // Of waits for locks.
  const mysql::LockCounts& lock_counts() const { return server_.lock_counts(); }

 private:
  friend class SimDatabase;
  friend class SimConnection;

  // Time for the database's own clock.
  class StorageClock final : public Clock {
   public:
    explicit StorageClock(const Scheduler& scheduler) : scheduler_(scheduler) {}
    absl::Time Now() const override { return scheduler_.now(); }
    void SleepFor(absl::Duration) override {}

   private:
    const Scheduler& scheduler_;
  };

  // Of those who only look.
  class NeverWaits final : public mysql::Waiter {
   public:
    bool Wait(absl::FunctionRef<bool()>) override { return false; }
    void Wake() override {}
  };

  // A connection as the server has it.
  struct ServerSide;

  // A COMMIT whose answer was lost before the server had done it; its locks are held until then.
  void CommitLater(std::unique_ptr<ServerSide> connection, uint64_t number);

  Scheduler& scheduler_;
  const std::string name_;
  StorageClock clock_;
  Rng rng_;
  mysql::Server server_{clock_};
  NeverWaits nobody_;
  absl::Time away_until_ = absl::InfinitePast();
  std::map<std::string, absl::Time> cut_off_until_;  // by process
  absl::Time slow_disk_until_ = absl::InfinitePast();
  uint64_t next_connection_ = 1;
  int open_transactions_ = 0;
  StorageCounts counts_;
  std::map<const Life*, std::shared_ptr<std::map<uint64_t, SimConnection*>>> open_;
  // Transactions that only the server still knows.
  std::map<uint64_t, std::unique_ptr<ServerSide>> late_;  // by connection
};

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_STORAGE_H_
