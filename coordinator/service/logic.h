#ifndef SAGAMESH_COORDINATOR_SERVICE_LOGIC_H_
#define SAGAMESH_COORDINATOR_SERVICE_LOGIC_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/rpc/call_context.h"
#include "coordinator/engine/definition.h"
#include "coordinator/journal/journal.h"
#include "coordinator/runtime/runtime.h"
#include "coordinator/service/watch_hub.h"
#include "coordinator/v1/coordinator.pb.h"
#include "saga/v1/saga.pb.h"

namespace sagamesh::coordinator {

// The typed front of the process_order saga, free of gRPC. Thread-safe; what it refers to outlives it.
class OrderLogic {
 public:
  OrderLogic(const engine::DefinitionSet& definitions, runtime::Runtime& runtime)
      : definitions_(definitions), runtime_(runtime) {}

  // Waits for the saga's end. Errors: the failed step's own; INVALID_ARGUMENT before a saga exists; Runtime::Run's.
  void ProcessOrder(const CallContext& call, const ::coordinator::v1::ProcessOrderRequest& request,
                    Done<::coordinator::v1::ProcessOrderResponse> done);

 private:
  const engine::DefinitionSet& definitions_;
  runtime::Runtime& runtime_;
};

// What a resumed watch reads from; the journal outlives it.
ChangeSource JournalChanges(journal::Journal& journal);

// Sagas of any definition, free of gRPC. Thread-safe; what it refers to outlives it.
class SagaLogic {
 public:
  SagaLogic(const engine::DefinitionSet& definitions, journal::Journal& journal, runtime::Runtime& runtime,
            WatchHub& hub)
      : definitions_(definitions), journal_(journal), runtime_(runtime), hub_(hub) {}

  // Errors as in saga/v1/saga.proto.
  void StartSaga(const CallContext& call, const ::saga::v1::StartSagaRequest& request,
                 Done<::saga::v1::StartSagaResponse> done);
  void GetSaga(const CallContext& call, const ::saga::v1::GetSagaRequest& request,
               Done<::saga::v1::GetSagaResponse> done);
  void ListSagas(const CallContext& call, const ::saga::v1::ListSagasRequest& request,
                 Done<::saga::v1::ListSagasResponse> done);

  void RetrySaga(const CallContext& call, const ::saga::v1::RetrySagaRequest& request,
                 Done<::saga::v1::RetrySagaResponse> done);
  void CompensateSaga(const CallContext& call, const ::saga::v1::CompensateSagaRequest& request,
                      Done<::saga::v1::CompensateSagaResponse> done);

  // INVALID_ARGUMENT for a resume token that is none; WatchHub::Watch's errors.
  absl::StatusOr<std::shared_ptr<Watcher>> WatchSagas(const CallContext& call,
                                                      const ::saga::v1::WatchSagasRequest& request);
  ::saga::v1::WatchSagasResponse ToWatchResponse(const WatchedChange& change) const;

 private:
  // The two commands; their messages differ in name only.
  template <typename Request, typename Response>
  void Command(engine::Command::Kind kind, const CallContext& call, const Request& request, Done<Response> done);

  const engine::DefinitionSet& definitions_;
  journal::Journal& journal_;
  runtime::Runtime& runtime_;
  WatchHub& hub_;
};

}  // namespace sagamesh::coordinator

#endif  // SAGAMESH_COORDINATOR_SERVICE_LOGIC_H_
