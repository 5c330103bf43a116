#include "common/rpc/metadata.h"

#include <chrono>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/rpc/step_context.h"
#include "common/status/error.h"
#include "common/uuid/uuid.h"

namespace sagamesh::rpc {
namespace {

constexpr char kIdempotencyKey[] = "idempotency-key";
constexpr char kSagaId[] = "saga-id";
constexpr char kSagaStep[] = "saga-step";
constexpr char kSagaOp[] = "saga-op";
constexpr char kSagaEpoch[] = "saga-epoch";
constexpr char kTraceparent[] = "traceparent";
constexpr char kTracestate[] = "tracestate";
// Envoy's names (https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/fault_filter).
constexpr char kFaultAbort[] = "x-envoy-fault-abort-grpc-request";
constexpr char kFaultDelay[] = "x-envoy-fault-delay-request";
constexpr char kFaultMethod[] = "x-sagamesh-fault-method";
constexpr char kFaultPhase[] = "x-sagamesh-fault-phase";

constexpr size_t kMethodCharactersMax = 255;
constexpr int kFaultDelayMsMax = 60'000;
constexpr int kGrpcCodeMax = 16;

using Metadata = std::multimap<grpc::string_ref, grpc::string_ref>;

// "orders.v1.OrdersService/ConfirmOrder".
bool IsMethod(absl::string_view text) {
  const size_t slash = text.find('/');
  return IsPrintable(text, kMethodCharactersMax) && slash != absl::string_view::npos && slash > 0 &&
         slash + 1 < text.size() && text.find('/', slash + 1) == absl::string_view::npos;
}

// Reads one call's metadata; the first thing that is wrong is kept as the error.
class Reader {
 public:
  Reader(absl::string_view domain, const Metadata& metadata) : domain_(domain), metadata_(metadata) {}

  std::optional<std::string> Get(const char* name) {
    const auto [begin, end] = metadata_.equal_range(name);
    if (begin == end) return std::nullopt;
    if (std::next(begin) != end) Refuse("METADATA_REPEATED", name, "came more than once");
    return std::string(begin->second.data(), begin->second.size());
  }

  // Values that come apart belong together, as in HTTP; "" if there is none that may be sent on.
  std::string GetList(const char* name) const {
    std::string list;
    const auto [begin, end] = metadata_.equal_range(name);
    for (auto it = begin; it != end; ++it) {
      absl::StrAppend(&list, list.empty() ? "" : ",", absl::string_view(it->second.data(), it->second.size()));
    }
    return IsPrintable(list, kTraceCharactersMax) ? list : "";
  }

  void Refuse(absl::string_view reason, absl::string_view name, absl::string_view what) {
    if (!error_.ok()) return;
    error_ = InvalidField(domain_, name, what, reason);
  }

  const absl::Status& error() const { return error_; }

 private:
  const absl::string_view domain_;
  const Metadata& metadata_;
  absl::Status error_;
};

std::optional<std::string> ReadKey(Reader& reader) {
  std::optional<std::string> key = reader.Get(kIdempotencyKey);
  if (key.has_value() && !IsPrintable(*key, kKeyCharactersMax)) {
    reader.Refuse("INVALID_FIELD", kIdempotencyKey,
                  absl::StrCat("must be 1 to ", kKeyCharactersMax, " printable ASCII characters"));
  }
  return key;
}

std::optional<SagaCall> ReadSaga(Reader& reader) {
  const std::optional<std::string> id = reader.Get(kSagaId);
  const std::optional<std::string> step = reader.Get(kSagaStep);
  const std::optional<std::string> op = reader.Get(kSagaOp);
  const std::optional<std::string> epoch = reader.Get(kSagaEpoch);
  if (!id && !step && !op && !epoch) return std::nullopt;
  if (!id || !step || !op || !epoch) {
    const char* missing = !id ? kSagaId : !step ? kSagaStep : !op ? kSagaOp : kSagaEpoch;
    reader.Refuse("SAGA_METADATA_INCOMPLETE", missing, "is missing: saga-* metadata comes complete or not at all");
    return std::nullopt;
  }
  SagaCall saga{*id, *step, *op == "compensation" ? SagaOp::kCompensation : SagaOp::kAction, 0};
  if (!UuidV7Time(*id).has_value()) reader.Refuse("SAGA_METADATA_INVALID", kSagaId, "must be a UUIDv7");
  if (!IsPrintable(*step, kStepCharactersMax)) {
    reader.Refuse("SAGA_METADATA_INVALID", kSagaStep,
                  absl::StrCat("must be 1 to ", kStepCharactersMax, " printable ASCII characters"));
  }
  if (*op != "action" && *op != "compensation") {
    reader.Refuse("SAGA_METADATA_INVALID", kSagaOp, "must be action or compensation");
  }
  if (!absl::SimpleAtoi(*epoch, &saga.epoch) || saga.epoch == 0 || saga.epoch > INT64_MAX) {
    reader.Refuse("SAGA_METADATA_INVALID", kSagaEpoch, "must be a positive integer");
  }
  return saga;
}

std::optional<Fault> ReadFault(Reader& reader, bool allow_faults) {
  const std::optional<std::string> abort = reader.Get(kFaultAbort);
  const std::optional<std::string> delay = reader.Get(kFaultDelay);
  const std::optional<std::string> method = reader.Get(kFaultMethod);
  const std::optional<std::string> phase = reader.Get(kFaultPhase);
  if (!abort && !delay && !method && !phase) return std::nullopt;
  if (!allow_faults) {
    const char* present = abort ? kFaultAbort : delay ? kFaultDelay : method ? kFaultMethod : kFaultPhase;
    reader.Refuse("FAULT_INJECTION_DISABLED", present, "this server runs without --enable-fault-injection");
    return std::nullopt;
  }
  Fault fault;
  if (!method.has_value() || !IsMethod(*method)) {
    reader.Refuse("INVALID_FIELD", kFaultMethod, "must name a method, as in orders.v1.OrdersService/ConfirmOrder");
    return std::nullopt;
  }
  fault.method = *method;
  if (!abort && !delay) reader.Refuse("INVALID_FIELD", kFaultAbort, "an abort or a delay must be given");
  if (abort &&
      (!absl::SimpleAtoi(*abort, &fault.abort_code) || fault.abort_code < 1 || fault.abort_code > kGrpcCodeMax)) {
    reader.Refuse("INVALID_FIELD", kFaultAbort, "must be a gRPC code, 1 to 16");
  }
  int delay_ms = 0;
  if (delay && (!absl::SimpleAtoi(*delay, &delay_ms) || delay_ms < 1 || delay_ms > kFaultDelayMsMax)) {
    reader.Refuse("INVALID_FIELD", kFaultDelay, absl::StrCat("must be 1 to ", kFaultDelayMsMax, " milliseconds"));
  }
  fault.delay = absl::Milliseconds(delay_ms);
  if (phase && *phase != "before" && *phase != "after") {
    reader.Refuse("INVALID_FIELD", kFaultPhase, "must be before or after");
  }
  fault.after = phase.has_value() && *phase == "after";
  return fault;
}

}  // namespace

absl::StatusOr<CallContext> ReadCallContext(absl::string_view domain, const grpc::ServerContextBase& context,
                                            bool allow_faults) {
  Reader reader(domain, context.client_metadata());
  CallContext call;
  call.idempotency_key = ReadKey(reader);
  call.saga = ReadSaga(reader);
  call.fault = ReadFault(reader, allow_faults);
  call.traceparent = reader.GetList(kTraceparent);
  call.tracestate = reader.GetList(kTracestate);
  if (context.deadline() != std::chrono::system_clock::time_point::max()) {
    call.deadline = absl::FromChrono(context.deadline());
  }
  if (!reader.error().ok()) return reader.error();
  return call;
}

void WriteCallContext(const CallContext& call, grpc::ClientContext& context) {
  if (call.deadline != absl::InfiniteFuture()) context.set_deadline(absl::ToChronoTime(call.deadline));
  if (call.idempotency_key.has_value()) context.AddMetadata(kIdempotencyKey, *call.idempotency_key);
  if (call.saga.has_value()) {
    context.AddMetadata(kSagaId, call.saga->saga_id);
    context.AddMetadata(kSagaStep, call.saga->step);
    context.AddMetadata(kSagaOp, call.saga->op == SagaOp::kAction ? "action" : "compensation");
    context.AddMetadata(kSagaEpoch, absl::StrCat(call.saga->epoch));
  }
  if (!call.traceparent.empty()) context.AddMetadata(kTraceparent, call.traceparent);
  if (!call.tracestate.empty()) context.AddMetadata(kTracestate, call.tracestate);
  if (call.fault.has_value()) {
    const Fault& fault = *call.fault;
    context.AddMetadata(kFaultMethod, fault.method);
    if (fault.abort_code != 0) context.AddMetadata(kFaultAbort, absl::StrCat(fault.abort_code));
    if (fault.delay > absl::ZeroDuration()) {
      context.AddMetadata(kFaultDelay, absl::StrCat(absl::ToInt64Milliseconds(fault.delay)));
    }
    if (fault.after) context.AddMetadata(kFaultPhase, "after");
  }
}

}  // namespace sagamesh::rpc
