#ifndef SAGAMESH_TESTS_SIMULATION_WATCH_H_
#define SAGAMESH_TESTS_SIMULATION_WATCH_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "coordinator/journal/journal.h"
#include "coordinator/service/watch_hub.h"
#include "tests/simulation/checkers.h"
#include "tests/simulation/process.h"
#include "tests/simulation/snapshot.h"

namespace sagamesh::simulation {

// Someone who watches all sagas, from the first on, and goes on from its place whenever the watch ends: what it was
// told. Outlives the lives of the coordinator that tells it.
struct WatchLog {
  // It takes up to so long over each change.
  absl::Duration pause_max = absl::ZeroDuration();

  coordinator::WatchPosition position;
  std::map<std::string, uint64_t> versions;  // the last one told, by saga
  int64_t told = 0;
  int64_t resumed = 0;
  int64_t too_slow = 0;
};

// That the last change of every saga was told at that replica, whichever made it.
void CheckWatch(const Snapshot& snapshot, const std::string& replica, const WatchLog& log, Violations& violations);

// The watch at one life of the coordinator. Owned by the life.
class SimWatch {
 public:
  SimWatch(Life& life, coordinator::WatchHub& hub, journal::Journal& journal, WatchLog& log)
      : life_(life), loop_(life.MakeLoop()), hub_(hub), journal_(journal), log_(log) {}

  // Once the journal is open.
  void Begin();

 private:
  void Pull();
  void Told(absl::StatusOr<coordinator::WatchedChange> change);

  Life& life_;
  EventLoop& loop_;
  coordinator::WatchHub& hub_;
  journal::Journal& journal_;
  WatchLog& log_;
  std::shared_ptr<coordinator::Watcher> watcher_;
};

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_WATCH_H_
