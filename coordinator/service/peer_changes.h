#ifndef SAGAMESH_COORDINATOR_SERVICE_PEER_CHANGES_H_
#define SAGAMESH_COORDINATOR_SERVICE_PEER_CHANGES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/exec/executor.h"
#include "coordinator/service/watch_hub.h"

namespace sagamesh::coordinator {

// Finds for a hub what other replicas change: reads, twice a second while somebody watches, what was changed since its
// floor. A change of another replica may be committed long after it was stamped; the floor stays before every one that
// is not committed yet, as its replica says with its lease.
class PeerChanges {
 public:
  // All outlive the event loop's tasks.
  PeerChanges(WatchHub& hub, ChangeSource source, EventLoop& timers)
      : hub_(hub), source_(std::move(source)), timers_(timers) {}

  // Once the journal is open; goes on until the loop shuts down. Without peers it does nothing.
  void Begin();

 private:
  struct Look {
    int64_t from_ms;
    int64_t to_ms;  // what is older is all there to be read
  };

  void LookNow();
  void LookLater();
  void ReadPage(Look look, int64_t updated_ms, std::string saga_id);
  void PageRead(Look look, absl::StatusOr<std::vector<engine::SagaRecord>> page);

  WatchHub& hub_;
  const ChangeSource source_;
  EventLoop& timers_;
};

}  // namespace sagamesh::coordinator

#endif  // SAGAMESH_COORDINATOR_SERVICE_PEER_CHANGES_H_
