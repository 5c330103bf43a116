#ifndef SAGAMESH_TESTS_SIMULATION_PROCESSES_H_
#define SAGAMESH_TESTS_SIMULATION_PROCESSES_H_

#include "tests/simulation/coverage.h"
#include "tests/simulation/limits.h"
#include "tests/simulation/network.h"
#include "tests/simulation/poison.h"
#include "tests/simulation/process.h"
#include "tests/simulation/storage.h"
#include "tests/simulation/watch.h"

namespace sagamesh::simulation {

// What is around a coordinator, beside what every process has.
struct CoordinatorSurroundings {
  WatchLog& watch_log;
  Poison& poison;
  bool reserve_first;
  bool named_replicas;
  Counts& counts;
};

// What each main.cc does, with the simulation's seams: makes the production objects of one life over its database and
// listens. The only code here that is like production code is the edge: bytes to messages, and injected faults.
void BootCoordinator(Life& life, Storage& storage, Network& network, const Limits& limits,
                     const CoordinatorSurroundings& surroundings);
void BootOrders(Life& life, Storage& storage, Network& network, const Limits& limits);
void BootCustomers(Life& life, Storage& storage, Network& network, const Limits& limits);

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_PROCESSES_H_
