#include "common/rpc/step_context.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "common/status/error.h"
#include "common/uuid/uuid.h"

namespace sagamesh::rpc {
namespace {

using ::saga::v1::StepContext;

// Longer times are cut to this; no call waits so long.
constexpr absl::Duration kTimeLeftMax = absl::Hours(24);

// A trace that may not be sent on is dropped: it is no reason to refuse a call.
std::string Trace(const std::string& text) { return IsPrintable(text, kTraceCharactersMax) ? text : ""; }

}  // namespace

bool IsPrintable(absl::string_view text, size_t characters_max) {
  if (text.empty() || text.size() > characters_max) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c <= 0x7E; });
}

absl::StatusOr<CallContext> ReadStepContext(absl::string_view domain, const StepContext& context, absl::Time now) {
  const auto refuse = [domain](absl::string_view field, absl::string_view what) {
    return InvalidField(domain, field, what, "SAGA_CONTEXT_INVALID");
  };
  if (!UuidV7Time(context.saga_id()).has_value()) return refuse("saga_id", "must be a UUIDv7");
  if (!IsPrintable(context.step(), kStepCharactersMax)) {
    return refuse("step", absl::StrCat("must be 1 to ", kStepCharactersMax, " printable ASCII characters"));
  }
  if (context.op() != StepContext::ACTION && context.op() != StepContext::COMPENSATION) {
    return refuse("op", "must be ACTION or COMPENSATION");
  }
  if (context.epoch() < 1) return refuse("epoch", "must be a positive integer");
  if (!context.idempotency_key().empty() && !IsPrintable(context.idempotency_key(), kKeyCharactersMax)) {
    return refuse("idempotency_key",
                  absl::StrCat("must be at most ", kKeyCharactersMax, " printable ASCII characters"));
  }
  CallContext call;
  call.saga = SagaCall{context.saga_id(), context.step(),
                       context.op() == StepContext::ACTION ? SagaOp::kAction : SagaOp::kCompensation,
                       static_cast<uint64_t>(context.epoch())};
  if (!context.idempotency_key().empty()) call.idempotency_key = context.idempotency_key();
  call.traceparent = Trace(context.traceparent());
  call.tracestate = Trace(context.tracestate());
  call.deadline = now + std::min(absl::Microseconds(context.time_left_us()), kTimeLeftMax);
  return call;
}

void WriteStepContext(const CallContext& call, absl::Time now, StepContext& context) {
  const SagaCall& saga = *call.saga;
  context.set_saga_id(saga.saga_id);
  context.set_step(saga.step);
  context.set_op(saga.op == SagaOp::kAction ? StepContext::ACTION : StepContext::COMPENSATION);
  context.set_epoch(static_cast<int64_t>(saga.epoch));
  if (call.idempotency_key.has_value()) context.set_idempotency_key(*call.idempotency_key);
  context.set_traceparent(call.traceparent);
  context.set_tracestate(call.tracestate);
  context.set_time_left_us(absl::ToInt64Microseconds(std::min(call.deadline - now, kTimeLeftMax)));
}

}  // namespace sagamesh::rpc
