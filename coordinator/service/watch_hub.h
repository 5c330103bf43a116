#ifndef SAGAMESH_COORDINATOR_SERVICE_WATCH_HUB_H_
#define SAGAMESH_COORDINATOR_SERVICE_WATCH_HUB_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/exec/mutex.h"
#include "coordinator/engine/saga.h"

namespace sagamesh::coordinator {

struct WatchLimits {
  int max_watchers = 1000;
  size_t max_buffered_changes = 1024;  // of one watcher
  int page_sagas = 256;                // while it catches up
};

// What a watcher wants to see; empty: every one.
struct WatchFilter {
  std::string saga_id;
  std::string definition;
};

// Where a watch stands: whatever it was not told was changed at this time or later.
struct WatchPosition {
  int64_t updated_ms = 0;
};

// A change, and where the watch stands after it.
struct WatchedChange {
  engine::SagaRecord saga;
  WatchPosition position;
};

// What a watch reads from: the journal, or a test's.
struct ChangeSource {
  // Others than this process change sagas, too.
  bool peers = false;
  // Of the changes that `read` does not see yet, none will be older; Journal::FindOldestUntoldMs.
  std::function<void(absl::AnyInvocable<void(absl::StatusOr<int64_t>)> done)> find_oldest_untold_ms;
  // Journal::ListChangedSince.
  std::function<void(int64_t updated_ms, std::string saga_id, int limit,
                     absl::AnyInvocable<void(absl::StatusOr<std::vector<engine::SagaRecord>>)> done)>
      read;
};

class WatchHub;

// One watch. Pulled by its transport, one Next at a time; fed by the hub. A resumed one, and every one where there are
// peers, first reads the changes since its position from the journal in pages, as fast as it is pulled, while what
// happens meanwhile is buffered; versions that it has told already are skipped. Thread-safe.
class Watcher : public std::enable_shared_from_this<Watcher> {
 public:
  // A change, or the end: RESOURCE_EXHAUSTED (WATCHER_TOO_SLOW), UNAVAILABLE (SHUTTING_DOWN, or the journal's database
  // is away while it catches up), CANCELLED. No Next after the end.
  using NextCallback = absl::AnyInvocable<void(absl::StatusOr<WatchedChange>)>;

  Watcher(WatchHub& hub, const WatchLimits& limits, WatchFilter filter, std::optional<WatchPosition> resume_from,
          ChangeSource source);

  // `done` comes once, here or later on any thread.
  void Next(NextCallback done);

  // Ends the watch with CANCELLED.
  void Cancel();

 private:
  friend class WatchHub;
  using Change = std::shared_ptr<const WatchedChange>;
  // Where a page of the journal begins.
  struct Place {
    int64_t updated_ms = 0;
    std::string saga_id;
  };
  struct Told {
    uint64_t version;
    int64_t updated_ms;
  };

  void Offer(const std::vector<Change>& changes);
  void End(absl::Status status);
  // Gives the one who waits what there is, or reads the next page for it.
  void Advance();
  void UntoldFound(absl::StatusOr<int64_t> oldest_untold_ms);
  void PageRead(absl::StatusOr<std::vector<engine::SagaRecord>> page);
  bool Matches(const engine::SagaRecord& record) const;
  std::optional<WatchedChange> TakeChange() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsTold(const engine::SagaRecord& record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetTold(int64_t before_ms) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  WatchHub& hub_;
  const WatchLimits limits_;
  const WatchFilter filter_;
  const ChangeSource source_;
  const std::optional<WatchPosition> resume_from_;

  Mutex mutex_;
  NextCallback waiting_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  std::deque<Change> live_ ABSL_GUARDED_BY(mutex_);

  // While catching up.
  bool catching_up_ ABSL_GUARDED_BY(mutex_);
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool missed_ ABSL_GUARDED_BY(mutex_) = false;  // live changes were dropped: they are read from the journal
  std::optional<Place> place_ ABSL_GUARDED_BY(mutex_);
  // What was not told when catching up began was changed at this time or later: no page makes it known that it came.
  // nullopt: to be found out.
  std::optional<int64_t> untold_since_ms_ ABSL_GUARDED_BY(mutex_);
  std::deque<engine::SagaRecord> page_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Told> told_ ABSL_GUARDED_BY(mutex_);
};

// Tells watchers what the journal commits; what peers commit, PeerChanges finds for it while there are watchers.
// Thread-safe; outlives its watchers.
class WatchHub {
 public:
  explicit WatchHub(WatchLimits limits = {}) : limits_(limits) {}

  // Journal::OnCommit.
  void Publish(absl::Span<const engine::SagaRecord> changed, int64_t oldest_untold_ms);

  // Where there are peers and watchers: everything that was changed before is told. PeerChanges reads on from there.
  std::optional<int64_t> floor_ms();
  // Everything from `from_ms` to `to_ms` is told now. Without effect if the floor is not at `from_ms` any more.
  void RaiseFloor(int64_t from_ms, int64_t to_ms);

  // From now on, or from `resume_from` on. RESOURCE_EXHAUSTED (TOO_MANY_WATCHERS), UNAVAILABLE (SHUTTING_DOWN).
  absl::StatusOr<std::shared_ptr<Watcher>> Watch(WatchFilter filter, std::optional<WatchPosition> resume_from,
                                                 ChangeSource source);

  // Ends every watch, and those to come, with UNAVAILABLE (SHUTTING_DOWN).
  void Close();

 private:
  friend class Watcher;
  void Remove(const std::shared_ptr<Watcher>& watcher);
  void LowerFloor(int64_t ms);
  bool IsNews(const engine::SagaRecord& record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  struct Told {
    uint64_t version;
    int64_t updated_ms;
  };

  const WatchLimits limits_;
  Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<std::shared_ptr<Watcher>> watchers_ ABSL_GUARDED_BY(mutex_);
  std::optional<int64_t> floor_ms_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Told> told_ ABSL_GUARDED_BY(mutex_);  // by saga; what was changed at the floor or later
};

}  // namespace sagamesh::coordinator

#endif  // SAGAMESH_COORDINATOR_SERVICE_WATCH_HUB_H_
