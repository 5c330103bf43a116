#ifndef SAGAMESH_COORDINATOR_RUNTIME_LEASE_KEEPER_H_
#define SAGAMESH_COORDINATOR_RUNTIME_LEASE_KEEPER_H_

#include <atomic>
#include <string>

#include "absl/time/time.h"
#include "common/exec/executor.h"
#include "coordinator/journal/journal.h"
#include "coordinator/runtime/runtime.h"

namespace sagamesh::runtime {

// Keeps a replica's lease, and has its runtime take up what becomes its own: the sagas of replicas that died or left,
// and its own after its lease was closed under it. A saga is taken over within two leases of its owner's last
// heartbeat.
class LeaseKeeper {
 public:
  // All outlive the event loop's tasks.
  LeaseKeeper(journal::Journal& journal, Runtime& runtime, EventLoop& timers, absl::Duration lease)
      : journal_(journal), runtime_(runtime), timers_(timers), lease_(lease) {}

  // Once the journal is open; goes on until the loop shuts down.
  void Begin();
  // From now on nothing is taken over; the lease is kept until it is given up. Thread-safe.
  void Drain() { draining_ = true; }

 private:
  void Beat();
  void Sweep();
  void Swept(absl::StatusOr<int> due);

  journal::Journal& journal_;
  Runtime& runtime_;
  EventLoop& timers_;
  const absl::Duration lease_;
  std::atomic<bool> draining_{false};
  std::string incarnation_;  // as the runtime knows it; used between the sweeps alone
};

}  // namespace sagamesh::runtime

#endif  // SAGAMESH_COORDINATOR_RUNTIME_LEASE_KEEPER_H_
