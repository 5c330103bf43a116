#ifndef SAGAMESH_COORDINATOR_JOURNAL_LEASE_H_
#define SAGAMESH_COORDINATOR_JOURNAL_LEASE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock/clock.h"
#include "common/exec/mutex.h"
#include "common/random/random.h"
#include "common/sql/sql.h"
#include "coordinator/engine/saga.h"

namespace sagamesh::journal {

// A saga that this many owners in a row took over and died with, without a write of theirs, is parked by the next.
inline constexpr uint32_t kTakeoversMax = 3;

// How a lease ended.
enum class LeaseState {
  kOpen = 0,
  kClosed = 1,   // by a peer: its holder was not heard of in time
  kGivenUp = 2,  // by its holder
};

class Replica;

// The time of a transaction's changes, in ms: never less than an earlier one's. Taken while the transaction has locked
// the rows that it looks at, so that a row's time never goes back: of a row that it does not look at, the owner knows
// the time. Kept until its changes are told. The replica outlives it.
class Stamp {
 public:
  explicit Stamp(Replica& replica);
  ~Stamp();
  Stamp(const Stamp&) = delete;
  Stamp& operator=(const Stamp&) = delete;

  int64_t ms() const { return ms_; }

 private:
  Replica& replica_;
  const int64_t ms_;
};

// Sagas, each with a version. Thread-safe.
class SagaVersions {
 public:
  using Map = std::map<std::string, uint64_t>;

  // `stamp` is kept until they are removed.
  void Add(const Map& versions, std::shared_ptr<const Stamp> stamp = nullptr);
  // Those that still have that version.
  void Remove(const Map& versions);
  Map All() const;

 private:
  struct Entry {
    uint64_t version;
    std::shared_ptr<const Stamp> stamp;
  };

  mutable Mutex mutex_;
  std::map<std::string, Entry> versions_ ABSL_GUARDED_BY(mutex_);
};

// Who this process is in the journal, and what its transactions share. Thread-safe.
class Replica {
 public:
  // `name` as in JournalOptions.
  Replica(Clock& clock, Random& random, absl::Duration lease, std::string name = "");

  absl::Duration lease() const { return lease_; }
  const std::string& name() const { return name_; }
  std::string incarnation() const;

  // An id for the next incarnation.
  std::string NewIncarnation();
  // `next` comes after `old`, whose sagas are to be swept up; false if another transaction of ours was faster.
  bool Renew(const std::string& old, const std::string& next);
  // There are sagas of closed leases to be taken over.
  void WantSweep();
  bool sweep_wanted() const;
  void SweepDone();

  void StampAfter(int64_t stamp_ms);
  // What a stamp would be that is taken now.
  int64_t NowMs() const;
  // Transactions side by side are told in any order: a change that is not told yet has at least this stamp.
  int64_t OldestUntoldMs();

  // From now on a closed lease is not replaced.
  void Leave();
  bool leaving() const;

  // Sagas whose owner may have been told of no success although a transaction of ours that took them into memory was
  // committed: the version that it wrote. A heartbeat makes them due.
  SagaVersions& lost() { return lost_; }

  // What transactions of ours would have written whose outcome we gave up to look for. The next one finds out, and
  // publishes it.
  SagaVersions& doubted() { return doubted_; }

 private:
  friend class Stamp;
  int64_t TakeStampMs();
  int64_t NextStampMs() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Clock& clock_;
  Random& random_;
  const absl::Duration lease_;
  const std::string name_;
  mutable Mutex mutex_;
  std::string incarnation_ ABSL_GUARDED_BY(mutex_);
  bool sweep_wanted_ ABSL_GUARDED_BY(mutex_) = false;
  bool leaving_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t last_stamp_ms_ ABSL_GUARDED_BY(mutex_) = 0;
  std::multiset<int64_t> untold_ms_ ABSL_GUARDED_BY(mutex_);
  SagaVersions lost_;
  SagaVersions doubted_;
};

// Each of the following is one statement or more that need no transaction around them.

// The replica's first lease, unless it has it already. From then on every stamp comes after what its peers have told
// their watchers.
absl::Status TakeFirstLease(sql::Connection& connection, Replica& replica);
// By the database's clock, and only if the lease is open: false if it was closed or is gone. Says what is told, too.
absl::StatusOr<bool> ExtendLease(sql::Connection& connection, Replica& replica);
// The leases of others that are closed, or have run out by the database's clock.
absl::StatusOr<std::map<std::string, LeaseState>> FindDeadLeases(sql::Connection& connection, const Replica& replica);
// By a conditional write, after which its holder can never renew it; waits for the transactions that its holder has
// under way. False if it was renewed meanwhile.
absl::StatusOr<bool> CloseIfRunOut(sql::Connection& connection, const std::string& incarnation);
// Of the incarnations before this one that had this replica's name, which are dead then; as CloseIfRunOut does, but
// before they have run out. One whose transaction still has locks is left to run out.
absl::Status CloseEarlierLeases(sql::Connection& connection, const Replica& replica);
// Every other one: for a process that has the database to itself.
absl::Status CloseOtherLeases(sql::Connection& connection, const Replica& replica);
// Deletes a closed lease if it owns nothing any more.
absl::Status ForgetLease(sql::Connection& connection, const std::string& incarnation);
// Of the changes of any replica that are not committed yet, and of those to come, none is older; as the leases say it.
// What this replica knows of itself since does not count: a peer that comes now stamps after what the leases say.
// UNAVAILABLE if this replica's own lease is gone.
absl::StatusOr<int64_t> FindOldestUntoldMs(sql::Connection& connection, const Replica& replica);

// The following run in a transaction that is open.

// Reads this replica's lease under a shared lock, and returns its incarnation. If the lease is closed or gone, takes a
// new one in a transaction of its own, and begins the caller's anew: what the old one began is then fenced. Must come
// first in its transaction. FAILED_PRECONDITION if the replica is leaving.
absl::StatusOr<std::string> HoldLease(sql::Connection& connection, Replica& replica);

absl::Status GiveUpLease(sql::Connection& connection, const Replica& replica);

struct Taken {
  std::vector<engine::SagaRecord> sagas;
  bool more = false;  // there may be more to take
};
// Makes up to `limit` open sagas of closed leases ours, with `epoch + 1` and due at once; what cannot be read, and what
// nobody makes progress with, is parked.
absl::StatusOr<Taken> TakeOver(sql::Connection& connection, const std::string& incarnation, int64_t stamp_ms,
                               int limit);

}  // namespace sagamesh::journal

#endif  // SAGAMESH_COORDINATOR_JOURNAL_LEASE_H_
