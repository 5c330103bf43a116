#ifndef SAGAMESH_COMMON_RPC_UNARY_H_
#define SAGAMESH_COMMON_RPC_UNARY_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <map>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "common/clock/clock.h"
#include "common/exec/executor.h"
#include "common/exec/mutex.h"
#include "common/metrics/metrics.h"
#include "common/rpc/call_context.h"
#include "common/rpc/metadata.h"
#include "common/rpc/status.h"
#include "common/rpc/step_batch.h"

namespace sagamesh::rpc {

// What every handler of a server shares. Thread-safe; outlives the server.
struct EdgeOptions {
  std::string domain;  // of errors made here
  bool enable_fault_injection = false;
  Clock* clock = nullptr;
  EventLoop* timers = nullptr;  // for injected delays; not null where faults are enabled
  metrics::Registry* registry = nullptr;
  // Asked before the logic runs; what is not OK is the answer (the database is away). May be null.
  std::function<absl::Status()> admission;
};

// The way of every unary call from gRPC to a service's logic and back. Counts and times each
// (sagamesh_rpc_server_handled_total{method,code}, sagamesh_rpc_server_handling_seconds{method}). Thread-safe; outlives
// the server.
class Edge {
 public:
  explicit Edge(EdgeOptions options);

  const EdgeOptions& options() const { return options_; }

  // Runs `logic` for one unary call of `method` ("orders.v1.OrdersService/CreateOrder"): reads the CallContext, refuses
  // work that is already too late, applies a fault that names this method, writes ReplyInfo as metadata, and finishes
  // exactly once, also after cancellation. `Logic` is called as logic(const CallContext&, const Request&,
  // Done<Response>) and may finish at once or later, on any thread; if it destroys its Done uncalled, because an
  // executor shut down, the call ends with UNAVAILABLE (SHUTTING_DOWN).
  //
  // A fault of phase `before` delays the logic, then aborts instead of running it; one of phase `after` runs the logic,
  // then delays its reply and replaces it by the abort. A fault for another method is left in the CallContext for the
  // logic to pass on.
  template <typename Request, typename Response, typename Logic>
  grpc::ServerUnaryReactor* Unary(grpc::CallbackServerContext* context, absl::string_view method,
                                  const Request* request, Response* response, Logic logic);

  // Runs `logic` for each call of one batch of `method` (saga/v1/batch.proto), as Unary would, but that faults come
  // alone: a fault that names `twin`, the batch's own method, strikes it as a whole. Each call counts as one of
  // `method`, and the batch as one of `twin`.
  template <typename BatchRequest, typename BatchResponse, typename Logic>
  grpc::ServerUnaryReactor* Batch(grpc::CallbackServerContext* context, absl::string_view twin,
                                  absl::string_view method, const BatchRequest* request, BatchResponse* response,
                                  Logic logic);

 private:
  class Call;
  using Finish = absl::AnyInvocable<void(absl::Status, ReplyInfo)>;
  using Start = absl::AnyInvocable<void(const CallContext&, Finish)>;

  // The part without types.
  grpc::ServerUnaryReactor* Handle(grpc::CallbackServerContext* context, absl::string_view method, Start start);

  // OK if the call may run now: in time, and admitted.
  absl::Status Admit(const CallContext& call) const;

  // Runs an admitted call with the fault that names it.
  void InjectBefore(grpc::CallbackServerContext* context, CallContext call, Start start, Finish finish);
  void InjectAfter(grpc::CallbackServerContext* context, const CallContext& call, Start start, Finish finish);

  // Calls `then` on the timers' loop when `delay` is over, or soon after the caller is gone; at once for no delay.
  void Delay(grpc::CallbackServerContext* context, absl::Duration delay, absl::AnyInvocable<void()> then);

  void Count(const std::string& method, const absl::Status& status, absl::Time started);

  const EdgeOptions options_;
  Mutex mutex_;
  // By method and code; the registry itself is slower to look up.
  std::map<std::pair<std::string, int>, prometheus::Counter*> handled_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, prometheus::Histogram*> seconds_ ABSL_GUARDED_BY(mutex_);
};

template <typename Request, typename Response, typename Logic>
grpc::ServerUnaryReactor* Edge::Unary(grpc::CallbackServerContext* context, absl::string_view method,
                                      const Request* request, Response* response, Logic logic) {
  return Handle(
      context, method, [request, response, logic = std::move(logic)](const CallContext& call, Finish finish) mutable {
        logic(call, *request,
              Done<Response>(
                  [response, finish = std::move(finish)](absl::StatusOr<Response> result, ReplyInfo info) mutable {
                    if (result.ok()) *response = *std::move(result);
                    finish(result.status(), info);
                  }));
      });
}

template <typename BatchRequest, typename BatchResponse, typename Logic>
grpc::ServerUnaryReactor* Edge::Batch(grpc::CallbackServerContext* context, absl::string_view twin,
                                      absl::string_view method, const BatchRequest* request, BatchResponse* response,
                                      Logic logic) {
  return Handle(context, twin,
                [this, name = std::string(method), request, response, logic = std::move(logic)](const CallContext&,
                                                                                                Finish finish) mutable {
                  auto count = [this, name, started = options_.clock->Now()](const absl::Status& status) {
                    Count(name, status, started);
                  };
                  RunStepBatch({options_.domain, *options_.clock, std::move(count)}, *request, *response,
                               std::move(logic),
                               [finish = std::move(finish)](absl::Status status) mutable { finish(status, {}); });
                });
}

}  // namespace sagamesh::rpc

// Overrides a callback service's unary method by logic_'s method of the same name behind edge_.
#define SAGAMESH_UNARY(Package, Service, Method)                                                                    \
  grpc::ServerUnaryReactor* Method(grpc::CallbackServerContext* context, const ::Package::Method##Request* request, \
                                   ::Package::Method##Response* response) override {                                \
    return edge_.Unary(                                                                                             \
        context, Service "/" #Method, request, response,                                                            \
        [this](const CallContext& call, const ::Package::Method##Request& wanted,                                   \
               Done<::Package::Method##Response> done) { logic_.Method(call, wanted, std::move(done)); });          \
  }

// Likewise the batch twin of such a method.
#define SAGAMESH_BATCH(Package, Service, Twin, Method)                                                          \
  grpc::ServerUnaryReactor* Twin(grpc::CallbackServerContext* context, const ::Package::Twin##Request* request, \
                                 ::Package::Twin##Response* response) override {                                \
    return edge_.Batch(                                                                                         \
        context, Service "/" #Twin, Service "/" #Method, request, response,                                     \
        [this](const CallContext& call, const ::Package::Method##Request& wanted,                               \
               Done<::Package::Method##Response> done) { logic_.Method(call, wanted, std::move(done)); });      \
  }

#endif  // SAGAMESH_COMMON_RPC_UNARY_H_
