#ifndef SAGAMESH_TESTS_SIMULATION_PLANTED_BUGS_H_
#define SAGAMESH_TESTS_SIMULATION_PLANTED_BUGS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "tests/simulation/world.h"

namespace sagamesh::simulation {

// The bugs of common/fault/planted.h by their names here.
std::vector<std::string> PlantedBugNames();

// Turns one of them on in this process, for good. NOT_FOUND; FAILED_PRECONDITION in a build without them.
absl::Status Plant(absl::string_view name);

// Runs `seeds` worlds from `options.seed` on until the checkers find that something is broken, and prints at which seed
// and what. Whether they did.
bool Hunt(absl::string_view name, WorldOptions options, int64_t seeds);

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_PLANTED_BUGS_H_
