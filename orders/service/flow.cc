#include "orders/service/flow.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/basket/basket.h"
#include "common/status/error.h"
#include "orders/domain/errors.h"

namespace sagamesh::orders {
namespace {

constexpr absl::Duration kDefaultTimeout = absl::Seconds(5);
constexpr int kOrderIdCharactersMax = 64;

}  // namespace

CallContext WithDeadline(const CallContext& context, const Clock& clock) {
  CallContext bounded = context;
  if (bounded.deadline == absl::InfiniteFuture()) bounded.deadline = clock.Now() + kDefaultTimeout;
  return bounded;
}

absl::Time CompletionDeadline(const CallContext& context, const Clock& clock) {
  return std::max(context.deadline, clock.Now() + kDefaultTimeout);
}

CallContext ToCustomers(const CallContext& context) {
  CallContext outgoing;
  outgoing.saga = context.saga;
  if (context.saga.has_value()) outgoing.idempotency_key = context.idempotency_key;
  outgoing.principal = context.principal;
  outgoing.deadline = context.deadline;
  outgoing.traceparent = context.traceparent;
  outgoing.tracestate = context.tracestate;
  if (context.fault.has_value() && absl::StartsWith(context.fault->method, "customers.")) {
    outgoing.fault = context.fault;
  }
  return outgoing;
}

absl::Status CheckSagaOp(const CallContext& context, absl::string_view method, SagaOp op) {
  if (!context.saga.has_value() || context.saga->op == op) return absl::OkStatus();
  return InvalidField(error::kDomain, "saga-op", absl::StrCat("is not what ", method, " is"));
}

absl::Status CheckOrderId(const std::string& order_id) {
  return CheckText(error::kDomain, "order_id", order_id, kOrderIdCharactersMax);
}

absl::StatusOr<std::optional<BarrierCall>> Guard(const CallContext& context, absl::string_view method,
                                                 const google::protobuf::MessageLite& request) {
  if (!context.saga.has_value() && !context.idempotency_key.has_value()) return std::nullopt;
  SAGAMESH_ASSIGN_OR_RETURN(BarrierCall call,
                            MakeBarrierCall(error::kDomain, context, method, SerializeDeterministic(request), ""));
  return call;
}

}  // namespace sagamesh::orders
