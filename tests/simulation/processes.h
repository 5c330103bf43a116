#ifndef SAGAMESH_TESTS_SIMULATION_PROCESSES_H_
#define SAGAMESH_TESTS_SIMULATION_PROCESSES_H_

#include "absl/time/time.h"
#include "tests/simulation/network.h"
#include "tests/simulation/process.h"
#include "tests/simulation/storage.h"

namespace sagamesh::simulation {

// Direct orders that nobody ended end after this, so that a run need not last half an hour.
inline constexpr absl::Duration kOrderTtl = absl::Seconds(45);

// What each main.cc does, with the simulation's seams: makes the production objects of one life over its database and
// listens. The only code here that is like production code is the edge: bytes to messages, and injected faults.
void BootCoordinator(Life& life, Storage& storage, Network& network);
void BootOrders(Life& life, Storage& storage, Network& network);
void BootCustomers(Life& life, Storage& storage, Network& network);

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_PROCESSES_H_
