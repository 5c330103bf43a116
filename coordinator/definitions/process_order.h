#ifndef SAGAMESH_COORDINATOR_DEFINITIONS_PROCESS_ORDER_H_
#define SAGAMESH_COORDINATOR_DEFINITIONS_PROCESS_ORDER_H_

#include <string>

#include "coordinator/engine/definition.h"

namespace sagamesh::definitions {

// The order saga: create_order, confirm_order, both undone by CancelOrder. Input coordinator.v1.ProcessOrderRequest,
// output coordinator.v1.ProcessOrderResponse. Which method undoes which is read from the contract's (saga.v1.step)
// options; the definition is refused (INTERNAL) if a step's method carries none.
absl::StatusOr<engine::Definition> MakeProcessOrder();

// The order's id, derived from the saga's, so that a step that is run again names the same order. From version 2 on it
// begins with the saga's time: a database then finds new orders side by side, not all over its tables.
std::string OrderIdOf(const engine::MappingInput& from);

}  // namespace sagamesh::definitions

#endif  // SAGAMESH_COORDINATOR_DEFINITIONS_PROCESS_ORDER_H_
