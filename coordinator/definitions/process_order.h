#ifndef SAGAMESH_COORDINATOR_DEFINITIONS_PROCESS_ORDER_H_
#define SAGAMESH_COORDINATOR_DEFINITIONS_PROCESS_ORDER_H_

#include <string>

#include "coordinator/engine/definition.h"

namespace sagamesh::definitions {

// The order saga: create_order, confirm_order, both undone by CancelOrder. Input coordinator.v1.ProcessOrderRequest,
// output coordinator.v1.ProcessOrderResponse. Which method undoes which is read from the contract's (saga.v1.step)
// options; the definition is refused (INTERNAL) if a step's method carries none.
absl::StatusOr<engine::Definition> MakeProcessOrder();

// The order's id, derived from the saga's, so that a step that is run again names the same order.
std::string OrderIdOf(const std::string& saga_id);

}  // namespace sagamesh::definitions

#endif  // SAGAMESH_COORDINATOR_DEFINITIONS_PROCESS_ORDER_H_
