#include "coordinator/service/grpc_service.h"

#include <memory>
#include <utility>

#include "common/rpc/metadata.h"
#include "common/rpc/status.h"
#include "coordinator/service/errors.h"

namespace sagamesh::coordinator {
namespace {

namespace pb = ::saga::v1;

// One watch over gRPC. At any time there is either a Next or a write under way, and its end begins the next or calls
// Finish: so Finish comes once. gRPC deletes it through OnDone, after which nobody knows it: a Next has ended before
// Finish, and Cancel is called by OnCancel alone.
class WatchReactor final : public grpc::ServerWriteReactor<pb::WatchSagasResponse> {
 public:
  WatchReactor(SagaLogic& logic, absl::StatusOr<std::shared_ptr<Watcher>> watcher) : logic_(logic) {
    if (!watcher.ok()) {
      Finish(rpc::ToGrpc(watcher.status()));
      return;
    }
    watcher_ = *std::move(watcher);
    StartSendInitialMetadata();
    Next();
  }

  void OnWriteDone(bool ok) override {
    if (ok) return Next();
    watcher_->Cancel();
    Finish(rpc::ToGrpc(error::WatchCancelled()));
  }

  void OnCancel() override {
    if (watcher_ != nullptr) watcher_->Cancel();
  }

  void OnDone() override {
    if (watcher_ != nullptr) watcher_->Cancel();
    delete this;
  }

 private:
  void Next() {
    watcher_->Next([this](absl::StatusOr<WatchedChange> change) {
      if (!change.ok()) return Finish(rpc::ToGrpc(change.status()));
      response_ = logic_.ToWatchResponse(*change);
      StartWrite(&response_);
    });
  }

  SagaLogic& logic_;
  std::shared_ptr<Watcher> watcher_;
  pb::WatchSagasResponse response_;
};

}  // namespace

grpc::ServerWriteReactor<pb::WatchSagasResponse>* GrpcSagaService::WatchSagas(grpc::CallbackServerContext* context,
                                                                              const pb::WatchSagasRequest* request) {
  const rpc::EdgeOptions& options = edge_.options();
  absl::StatusOr<CallContext> call = rpc::ReadCallContext(options.domain, *context, options.enable_fault_injection);
  if (!call.ok()) return new WatchReactor(logic_, call.status());
  if (options.admission) {
    if (absl::Status admitted = options.admission(); !admitted.ok()) return new WatchReactor(logic_, admitted);
  }
  return new WatchReactor(logic_, logic_.WatchSagas(*call, *request));
}

}  // namespace sagamesh::coordinator
