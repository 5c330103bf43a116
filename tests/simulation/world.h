#ifndef SAGAMESH_TESTS_SIMULATION_WORLD_H_
#define SAGAMESH_TESTS_SIMULATION_WORLD_H_

#include <cstdint>

#include "absl/time/time.h"
#include "tests/simulation/checkers.h"
#include "tests/simulation/coverage.h"

namespace sagamesh::simulation {

struct WorldOptions {
  uint64_t seed = 1;
  bool print_trace = false;
  // Intents of clients in the first phase.
  int intents = 24;
  // Planted: the customers' database forgets a COMMIT now and then and says OK.
  double drop_commits = 0;
};

struct Outcome {
  Violations violations;
  uint64_t trace_hash = 0;
  uint64_t steps = 0;
  absl::Duration simulated;
  // From the end of the faults until everything had ended.
  absl::Duration to_the_end;
  Counts counts;
};

// Runs one world: replicas of coordinator, orders and customers with their databases, and clients. In the first phase
// messages are lost, databases fail, processes crash and stand still, as the seed says. In the second nothing fails any
// more, and everything must come to its end. In the third, earlier calls come once more, to no effect. Then the
// checkers look at what is left.
Outcome Simulate(const WorldOptions& options);

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_WORLD_H_
