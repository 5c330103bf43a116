#ifndef SAGAMESH_TESTS_SIMULATION_RESERVE_FIRST_H_
#define SAGAMESH_TESTS_SIMULATION_RESERVE_FIRST_H_

#include "absl/status/statusor.h"
#include "coordinator/engine/definition.h"

namespace sagamesh::simulation {

// process_order with a step before its own: it reserves the stock itself, and is undone by a release of its own, after
// the order is cancelled. It ends as process_order does; but two compensations run, and who took the saga over must
// know that there are two.
absl::StatusOr<engine::Definition> MakeReserveFirst();

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_RESERVE_FIRST_H_
