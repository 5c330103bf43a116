#ifndef SAGAMESH_COMMON_RPC_CALL_CONTEXT_H_
#define SAGAMESH_COMMON_RPC_CALL_CONTEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sagamesh {

// What comes with a call beside its request, free of gRPC: services' logic takes this, the gRPC edge makes it from
// metadata (common/rpc/metadata.h) and the simulation makes it by hand.

enum class SagaOp { kAction, kCompensation };

// A call that a saga coordinator makes (metadata saga-id, saga-step, saga-op, saga-epoch: complete or absent).
struct SagaCall {
  std::string saga_id;  // UUIDv7
  std::string step;
  SagaOp op = SagaOp::kAction;
  uint64_t epoch = 0;
};

// One injected fault (Envoy's header names). `method` is "orders.v1.OrdersService/ConfirmOrder".
struct Fault {
  std::string method;
  int abort_code = 0;  // a gRPC code; 0: no abort
  absl::Duration delay = absl::ZeroDuration();
  bool after = false;  // the effect happens, its reply is lost
};

struct CallContext {
  std::optional<SagaCall> saga;
  // 1 to 255 printable characters. For a saga's call it is "<saga>/<step>/<op>".
  std::optional<std::string> idempotency_key;
  std::string principal;  // who calls; "" until there is authentication
  absl::Time deadline = absl::InfiniteFuture();
  std::string traceparent;
  std::string tracestate;
  std::optional<Fault> fault;  // only where fault injection is enabled
};

// What goes back beside the response.
struct ReplyInfo {
  bool replayed = false;      // initial metadata idempotent-replayed: true
  bool compensating = false;  // trailing metadata saga-state: COMPENSATING
};

// The end of an asynchronous operation: called exactly once, on any thread; must not block.
template <typename Response>
using Done = absl::AnyInvocable<void(absl::StatusOr<Response>, ReplyInfo)>;

}  // namespace sagamesh

#endif  // SAGAMESH_COMMON_RPC_CALL_CONTEXT_H_
