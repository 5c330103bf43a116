#ifndef SAGAMESH_TESTS_SIMULATION_STORAGE_H_
#define SAGAMESH_TESTS_SIMULATION_STORAGE_H_

#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/clock/clock.h"
#include "common/sql/sql.h"
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
  double slow = 0;  // any call takes up to `slow_max`
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
  int64_t slow = 0;
  int64_t slow_commits = 0;
  int64_t rolled_back_by_crash = 0;
  int64_t dropped = 0;
};

// One service's durable database: a real SQLite file in WAL mode, so that readers see what is committed while a writer
// writes. It outlives the processes that use it.
class Storage {
 public:
  static constexpr absl::Duration kSlowDiskMin = absl::Milliseconds(50);
  static constexpr absl::Duration kSlowDiskMax = absl::Milliseconds(1500);

  // `directory` must exist; the file is made there.
  Storage(Scheduler& scheduler, std::string name, const std::filesystem::path& directory, uint64_t seed);
  ~Storage();

  // The database as one life of a process sees it: each call is a point where others may go first and where faults
  // happen; at the life's crash its transaction is rolled back and its connections are dead.
  std::unique_ptr<sql::Database> Open(Life& life);

  // Without faults or waiting, for checkers.
  absl::StatusOr<std::unique_ptr<sql::Connection>> Look();

  StorageFaults faults;
  // How many connections of a process may have a transaction; one after the other, as the file has it.
  int max_writers = 1;
  // Every call answers UNAVAILABLE until then.
  void AwayFor(absl::Duration duration) { away_until_ = scheduler_.now() + duration; }
  bool away() const { return scheduler_.now() < away_until_; }
  // Every COMMIT takes between kSlowDiskMin and kSlowDiskMax until then, with its locks held.
  void SlowDiskFor(absl::Duration duration) { slow_disk_until_ = scheduler_.now() + duration; }
  bool slow_disk() const { return scheduler_.now() < slow_disk_until_; }
  // Whether a transaction is open that writes.
  bool writing() const { return holder_ != 0; }
  const StorageCounts& counts() const { return counts_; }

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

  // The write lock, one holder at a time, in no particular order. From a fibre; false: the limit passed, or the
  // process died.
  bool Lock(uint64_t holder, const Life& life, absl::Duration limit);
  void Unlock(uint64_t holder);
  // A COMMIT whose answer was lost before the server had done it.
  void CommitLater(std::unique_ptr<sql::Connection> connection, uint64_t holder);

  Scheduler& scheduler_;
  const std::string name_;
  StorageClock clock_;
  Rng rng_;
  std::unique_ptr<sql::Database> inner_;
  absl::Time away_until_ = absl::InfinitePast();
  absl::Time slow_disk_until_ = absl::InfinitePast();
  uint64_t next_connection_ = 1;
  uint64_t holder_ = 0;
  std::deque<uint64_t> waiting_;  // fibres
  StorageCounts counts_;
  // Transactions that only the server still knows.
  std::deque<std::pair<uint64_t, std::unique_ptr<sql::Connection>>> late_;
};

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_STORAGE_H_
