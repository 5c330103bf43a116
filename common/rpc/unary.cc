#include "common/rpc/unary.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "common/status/error.h"

namespace sagamesh::rpc {
namespace {

constexpr char kReplayed[] = "idempotent-replayed";
constexpr char kSagaState[] = "saga-state";

// One call. gRPC deletes nothing for us: it lives until OnDone, which comes after Finish, also for a cancelled call; the
// logic may finish after the client is gone, but never after OnDone, because OnDone waits for Finish.
class Reactor final : public grpc::ServerUnaryReactor {
 public:
  void OnDone() override { delete this; }
};

absl::Status InjectedAbort(absl::string_view domain, absl::string_view method, int code) {
  return MakeError(static_cast<absl::StatusCode>(code), {domain, "FAULT_INJECTED"},
                   absl::StrCat("fault injected into ", method));
}

}  // namespace

Edge::Edge(EdgeOptions options) : options_(std::move(options)) {}

grpc::ServerUnaryReactor* Edge::Handle(grpc::CallbackServerContext* context, absl::string_view method, Start start) {
  auto* reactor = new Reactor;
  const absl::Time started = options_.clock->Now();
  auto finish = [this, context, reactor, started, method = std::string(method)](absl::Status status, ReplyInfo info) {
    Count(method, status, started);
    if (info.replayed) context->AddInitialMetadata(kReplayed, "true");
    if (info.compensating) context->AddTrailingMetadata(kSagaState, "COMPENSATING");
    reactor->Finish(ToGrpc(status));
  };
  absl::StatusOr<CallContext> call =
      ReadCallContext(options_.domain, *context, options_.enable_fault_injection);
  if (!call.ok()) {
    finish(call.status(), {});
  } else if (started >= call->deadline) {
    finish(MakeError(absl::StatusCode::kDeadlineExceeded, {options_.domain, "TOO_LATE"}, "the call came too late"), {});
  } else if (absl::Status admitted = options_.admission ? options_.admission() : absl::OkStatus(); !admitted.ok()) {
    finish(std::move(admitted), {});
  } else {
    Run(method, *std::move(call), std::move(start), std::move(finish));
  }
  return reactor;
}

void Edge::Run(absl::string_view method, CallContext call, Start start,
               absl::AnyInvocable<void(absl::Status, ReplyInfo)> finish) {
  if (!call.fault.has_value() || call.fault->method != method) return start(call, std::move(finish));
  const Fault fault = *call.fault;
  const absl::Status abort =
      fault.abort_code == 0 ? absl::OkStatus() : InjectedAbort(options_.domain, method, fault.abort_code);
  if (!fault.after) {
    options_.timers->PostAfter(fault.delay, [abort, call = std::move(call), start = std::move(start),
                                             finish = std::move(finish)]() mutable {
      if (!abort.ok()) return finish(abort, {});
      start(call, std::move(finish));
    });
    return;
  }
  start(call, [this, fault, abort, finish = std::move(finish)](absl::Status status, ReplyInfo info) mutable {
    if (!abort.ok()) {
      status = abort;
      info = {};
    }
    options_.timers->PostAfter(fault.delay, [status, info, finish = std::move(finish)]() mutable {
      finish(status, info);
    });
  });
}

void Edge::Count(absl::string_view method, const absl::Status& status, absl::Time started) {
  prometheus::Counter* handled = nullptr;
  prometheus::Histogram* seconds = nullptr;
  {
    const std::string name(method);
    MutexLock lock(mutex_);
    prometheus::Counter*& counter = handled_[{name, status.raw_code()}];
    if (counter == nullptr) {
      counter = &options_.registry->Counter("sagamesh_rpc_server_handled_total", "Calls that ended, by their code.",
                                            {{"method", name}, {"code", absl::StatusCodeToString(status.code())}});
    }
    handled = counter;
    prometheus::Histogram*& histogram = seconds_[name];
    if (histogram == nullptr) {
      histogram = &options_.registry->Histogram(
          "sagamesh_rpc_server_handling_seconds", "How long calls took.",
          {0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30}, {{"method", name}});
    }
    seconds = histogram;
  }
  handled->Increment();
  seconds->Observe(absl::ToDoubleSeconds(options_.clock->Now() - started));
}

}  // namespace sagamesh::rpc
