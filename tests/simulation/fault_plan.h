#ifndef SAGAMESH_TESTS_SIMULATION_FAULT_PLAN_H_
#define SAGAMESH_TESTS_SIMULATION_FAULT_PLAN_H_

#include "absl/time/time.h"
#include "tests/simulation/limits.h"
#include "tests/simulation/network.h"
#include "tests/simulation/rng.h"
#include "tests/simulation/storage.h"

namespace sagamesh::simulation {

// The processes of one service.
struct ServicePlan {
  int replicas = 1;
  // Its database is not one process's alone, even where there is one only.
  bool shared = false;
};

// Which things go wrong in a run, and how often. Each seed has some kinds of fault and not others ("swarm testing"):
// runs in which everything fails at once never get deep.
struct FaultPlan {
  ServicePlan coordinators;
  ServicePlan orders;
  ServicePlan customers;
  NetworkFaults network;
  StorageFaults storage;
  Limits limits;
  // A machine's clock is wrong by at most this much.
  absl::Duration clock_error_max = absl::ZeroDuration();
  // Who watches the sagas takes up to so long over each change.
  absl::Duration watcher_pause_max = absl::ZeroDuration();

  // The sagas are of reserve_first.h.
  bool reserve_first = false;
  // A coordinator's next life takes its sagas over by its name.
  bool named_replicas = false;
  // That a saga is one which its coordinators die of.
  double poison = 0;

  // What happens once in about so many steps; 0: never.
  uint64_t steps_per_crash = 0;      // of a random process
  uint64_t steps_per_freeze = 0;     // of a random process, for some seconds
  uint64_t steps_per_outage = 0;     // a database goes away for some seconds
  uint64_t steps_per_slow_disk = 0;  // a database's COMMITs take long for some seconds
  uint64_t steps_per_cut = 0;        // two processes, or one and its database, do not reach each other for some seconds
  uint64_t steps_per_clock_jump = 0;  // a machine's clock is set
  uint64_t steps_per_straggler = 0;   // an earlier call comes once more

  static FaultPlan Draw(Rng& rng);
};

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_FAULT_PLAN_H_
