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

namespace sagamesh::rpc {

// What every handler of a server shares. Thread-safe; outlives the server.
struct EdgeOptions {
  std::string domain;  // of errors made here
  bool enable_fault_injection = false;
  Clock* clock = nullptr;
  EventLoop* timers = nullptr;  // for injected delays
  metrics::Registry* registry = nullptr;
  // Asked before the logic runs; what is not OK is the answer (the database is away). May be null.
  std::function<absl::Status()> admission;
};

// Counts and times a call (sagamesh_rpc_server_handled_total{method,code}, ..._seconds) and applies faults; see .cc.
class Edge {
 public:
  explicit Edge(EdgeOptions options);

  const EdgeOptions& options() const { return options_; }

  // Runs `logic` for one unary call of `method` ("orders.v1.OrdersService/CreateOrder"): reads the CallContext, refuses
  // work that is already too late, applies a fault that names this method (before: abort or delay instead of the logic;
  // after: the logic runs, its reply is replaced), writes ReplyInfo as metadata, and finishes exactly once, also after
  // cancellation. `Logic` is called as logic(const CallContext&, const Request&, Done<Response>) and may finish at once
  // or later, on any thread.
  template <typename Request, typename Response, typename Logic>
  grpc::ServerUnaryReactor* Unary(grpc::CallbackServerContext* context, absl::string_view method,
                                  const Request* request, Response* response, Logic logic);

 private:
  // The part without types.
  using Start = absl::AnyInvocable<void(const CallContext&, absl::AnyInvocable<void(absl::Status, ReplyInfo)>)>;
  grpc::ServerUnaryReactor* Handle(grpc::CallbackServerContext* context, absl::string_view method, Start start);

  // The part of Handle after admission: faults, then the logic.
  void Run(absl::string_view method, CallContext call, Start start,
           absl::AnyInvocable<void(absl::Status, ReplyInfo)> finish);
  void Count(absl::string_view method, const absl::Status& status, absl::Time started);

  const EdgeOptions options_;
  Mutex mutex_;
  // By method and code; the registry itself is slower to look up.
  std::map<std::pair<std::string, int>, prometheus::Counter*> handled_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, prometheus::Histogram*> seconds_ ABSL_GUARDED_BY(mutex_);
};

template <typename Request, typename Response, typename Logic>
grpc::ServerUnaryReactor* Edge::Unary(grpc::CallbackServerContext* context, absl::string_view method,
                                      const Request* request, Response* response, Logic logic) {
  return Handle(context, method,
                [request, response, logic = std::move(logic)](
                    const CallContext& call, absl::AnyInvocable<void(absl::Status, ReplyInfo)> finish) mutable {
                  logic(call, *request,
                        Done<Response>([response, finish = std::move(finish)](absl::StatusOr<Response> result,
                                                                              ReplyInfo info) mutable {
                          if (result.ok()) *response = *std::move(result);
                          finish(result.status(), info);
                        }));
                });
}

}  // namespace sagamesh::rpc

#endif  // SAGAMESH_COMMON_RPC_UNARY_H_
