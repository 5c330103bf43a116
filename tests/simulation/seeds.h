#ifndef SAGAMESH_TESTS_SIMULATION_SEEDS_H_
#define SAGAMESH_TESTS_SIMULATION_SEEDS_H_

#include <cstdint>

#include "absl/time/time.h"
#include "tests/simulation/coverage.h"
#include "tests/simulation/world.h"

namespace sagamesh::simulation {

// What became of many seeds.
struct Tally {
  Coverage coverage;
  int64_t failed = 0;
  // The seed that took longest to its end once the faults had stopped.
  uint64_t slowest_seed = 0;
  absl::Duration slowest;
};

// Runs the worlds of `seeds` seeds from `options.seed` on, in so many processes side by side; of each that fails, and
// of all where there are few, stdout says what became of it and how to see it again. A process that dies counts as a
// failure of the seed that it was at.
Tally RunSeeds(const WorldOptions& options, int64_t seeds, int processes);

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_SEEDS_H_
