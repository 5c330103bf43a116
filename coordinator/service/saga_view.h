#ifndef SAGAMESH_COORDINATOR_SERVICE_SAGA_VIEW_H_
#define SAGAMESH_COORDINATOR_SERVICE_SAGA_VIEW_H_

#include "coordinator/engine/definition.h"
#include "coordinator/engine/saga.h"
#include "saga/v1/saga.pb.h"

namespace sagamesh::coordinator {

// A saga as its watchers and operators see it, without its history. Input and result are left out if this program does
// not know the definition any more.
::saga::v1::Saga ToView(const engine::SagaRecord& record, const engine::DefinitionSet& definitions);

// With its history.
::saga::v1::Saga ToWholeView(const engine::SagaRecord& record, const engine::DefinitionSet& definitions);

}  // namespace sagamesh::coordinator

#endif  // SAGAMESH_COORDINATOR_SERVICE_SAGA_VIEW_H_
