#include "common/rpc/unary.h"

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "common/status/error.h"

namespace sagamesh::rpc {
namespace {

constexpr char kReplayed[] = "idempotent-replayed";
constexpr char kSagaState[] = "saga-state";

// How long an injected delay may go on after its caller left: it would hold up the end of the server.
constexpr absl::Duration kDelaySlice = absl::Milliseconds(50);

absl::Status InjectedAbort(absl::string_view domain, const Fault& fault) {
  return MakeError(static_cast<absl::StatusCode>(fault.abort_code), {domain, "FAULT_INJECTED"},
                   absl::StrCat("fault injected into ", fault.method));
}

absl::Status CallerGone(absl::string_view domain) {
  return MakeError(absl::StatusCode::kCancelled, {domain, "CALLER_GONE"}, "the caller cancelled the call");
}

}  // namespace

// The one end of a call. gRPC waits for it, so a call that nobody finished finishes itself.
class Edge::Call {
 public:
  Call(Edge& edge, grpc::CallbackServerContext* context, absl::string_view method)
      : edge_(edge),
        context_(context),
        // gRPC's own ends on the thread that is at hand, where one of ours would be handed to another first. It lives
        // until the call is over, which comes after Finish, also for a cancelled call.
        reactor_(context->DefaultReactor()),
        method_(method),
        started_(edge.options_.clock->Now()) {}

  ~Call() {
    if (finished_) return;
    Finish(ShuttingDown(edge_.options_.domain), {});
  }

  grpc::ServerUnaryReactor* reactor() const { return reactor_; }

  void Finish(const absl::Status& status, const ReplyInfo& info) {
    finished_ = true;
    edge_.Count(method_, status, started_);
    if (info.replayed) context_->AddInitialMetadata(kReplayed, "true");
    if (info.compensating) context_->AddTrailingMetadata(kSagaState, "COMPENSATING");
    // Nothing of gRPC's, nor the edge, is touched after this: the call may be gone already.
    reactor_->Finish(ToGrpc(status));
  }

 private:
  Edge& edge_;
  grpc::CallbackServerContext* const context_;
  grpc::ServerUnaryReactor* const reactor_;
  const std::string method_;
  const absl::Time started_;
  bool finished_ = false;
};

Edge::Edge(EdgeOptions options) : options_(std::move(options)) {}

grpc::ServerUnaryReactor* Edge::Handle(grpc::CallbackServerContext* context, absl::string_view method, Start start) {
  auto owned = std::make_unique<Call>(*this, context, method);
  grpc::ServerUnaryReactor* const reactor = owned->reactor();
  Finish finish = [owned = std::move(owned)](absl::Status status, ReplyInfo info) mutable {
    std::exchange(owned, nullptr)->Finish(status, info);
  };
  absl::StatusOr<CallContext> call = ReadCallContext(options_.domain, *context, options_.enable_fault_injection);
  const absl::Status admitted = call.ok() ? Admit(*call) : call.status();
  if (!admitted.ok()) {
    finish(admitted, {});
  } else if (!call->fault.has_value() || call->fault->method != method) {
    start(*call, std::move(finish));
  } else if (call->fault->after) {
    InjectAfter(context, *call, std::move(start), std::move(finish));
  } else {
    InjectBefore(context, *std::move(call), std::move(start), std::move(finish));
  }
  return reactor;
}

absl::Status Edge::Admit(const CallContext& call) const {
  if (options_.clock->Now() >= call.deadline) return TooLate(options_.domain, "the call");
  return options_.admission ? options_.admission() : absl::OkStatus();
}

void Edge::InjectBefore(grpc::CallbackServerContext* context, CallContext call, Start start, Finish finish) {
  const absl::Duration delay = call.fault->delay;
  Delay(context, delay,
        [this, context, call = std::move(call), start = std::move(start), finish = std::move(finish)]() mutable {
          if (call.fault->abort_code != 0) return finish(InjectedAbort(options_.domain, *call.fault), {});
          // The delay may have made it too late, or its caller impatient.
          absl::Status admitted = Admit(call);
          if (admitted.ok() && context->IsCancelled()) admitted = CallerGone(options_.domain);
          if (!admitted.ok()) return finish(std::move(admitted), {});
          start(call, std::move(finish));
        });
}

void Edge::InjectAfter(grpc::CallbackServerContext* context, const CallContext& call, Start start, Finish finish) {
  start(call,
        [this, context, fault = *call.fault, finish = std::move(finish)](absl::Status status, ReplyInfo info) mutable {
          if (fault.abort_code != 0) {
            status = InjectedAbort(options_.domain, fault);
            info = {};
          }
          Delay(context, fault.delay, [status = std::move(status), info, finish = std::move(finish)]() mutable {
            finish(std::move(status), info);
          });
        });
}

void Edge::Delay(grpc::CallbackServerContext* context, absl::Duration delay, absl::AnyInvocable<void()> then) {
  if (delay <= absl::ZeroDuration() || context->IsCancelled()) return then();
  const absl::Duration slice = std::min(delay, kDelaySlice);
  options_.timers->PostAfter(slice, [this, context, rest = delay - slice, then = std::move(then)]() mutable {
    Delay(context, rest, std::move(then));
  });
}

void Edge::Count(const std::string& method, const absl::Status& status, absl::Time started) {
  prometheus::Counter* handled = nullptr;
  prometheus::Histogram* seconds = nullptr;
  {
    MutexLock lock(mutex_);
    prometheus::Counter*& counter = handled_[{method, status.raw_code()}];
    if (counter == nullptr) {
      counter = &options_.registry->Counter("sagamesh_rpc_server_handled_total", "Calls that ended, by their code.",
                                            {{"method", method}, {"code", absl::StatusCodeToString(status.code())}});
    }
    handled = counter;
    prometheus::Histogram*& histogram = seconds_[method];
    if (histogram == nullptr) {
      histogram = &options_.registry->Histogram(
          "sagamesh_rpc_server_handling_seconds", "How long calls took.",
          {0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30}, {{"method", method}});
    }
    seconds = histogram;
  }
  handled->Increment();
  seconds->Observe(absl::ToDoubleSeconds(options_.clock->Now() - started));
}

}  // namespace sagamesh::rpc
