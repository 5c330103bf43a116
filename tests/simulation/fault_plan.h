#ifndef SAGAMESH_TESTS_SIMULATION_FAULT_PLAN_H_
#define SAGAMESH_TESTS_SIMULATION_FAULT_PLAN_H_

#include "tests/simulation/network.h"
#include "tests/simulation/rng.h"
#include "tests/simulation/storage.h"

namespace sagamesh::simulation {

// Which things go wrong in a run, and how often. Each seed has some kinds of fault and not others ("swarm testing"):
// runs in which everything fails at once never get deep.
struct FaultPlan {
  NetworkFaults network;
  StorageFaults storage;
  // One crash, of a random process, in about so many steps; 0: none.
  uint64_t steps_per_crash = 0;
  // A database goes away for some seconds, in about so many steps; 0: never.
  uint64_t steps_per_outage = 0;

  static FaultPlan Draw(Rng& rng);
};

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_FAULT_PLAN_H_
