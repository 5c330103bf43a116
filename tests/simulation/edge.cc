#include "tests/simulation/edge.h"

#include "absl/strings/str_cat.h"
#include "common/status/error.h"

namespace sagamesh::simulation {

void SimEdge::Listen() {
  network_.Listen(life_, [this](Exchange& exchange, Network::Reply reply) { Handle(exchange, std::move(reply)); });
}

void SimEdge::Handle(Exchange& exchange, Network::Reply reply) {
  const auto logic = methods_.find(exchange.method);
  const auto batch = batches_.find(exchange.method);
  exchange.is_batch = batch != batches_.end();
  if (logic == methods_.end() && !exchange.is_batch) return reply(absl::UnimplementedError(exchange.method), {});
  if (life_.clock().Now() >= exchange.context.deadline) {
    return reply(MakeError(absl::StatusCode::kDeadlineExceeded, {domain_, "TOO_LATE"}, "the call came too late"), {});
  }
  if (absl::Status admitted = admission_(); !admitted.ok()) return reply(std::move(admitted), {});
  if (exchange.is_batch) return batch->second(exchange, std::move(reply));
  Run(logic->second, exchange.method, exchange.request, exchange.context, std::move(reply));
}

void SimEdge::Run(Method& logic, const std::string& method, std::string request, CallContext call,
                  Network::Reply reply) {
  if (!call.fault.has_value() || call.fault->method != method) return logic(call, request, std::move(reply));
  const Fault fault = *call.fault;
  const absl::Status abort = fault.abort_code == 0
                                 ? absl::OkStatus()
                                 : MakeError(static_cast<absl::StatusCode>(fault.abort_code),
                                             {domain_, "FAULT_INJECTED"}, absl::StrCat("fault injected into ", method));
  if (!fault.after) {
    timers_.PostAfter(fault.delay, [&logic, abort, request = std::move(request), call = std::move(call),
                                    reply = std::move(reply)]() mutable {
      if (!abort.ok()) return reply(abort, {});
      logic(call, request, std::move(reply));
    });
    return;
  }
  logic(call, request,
        [this, fault, abort, reply = std::move(reply)](absl::StatusOr<std::string> result, ReplyInfo info) mutable {
          if (!abort.ok()) {
            result = abort;
            info = {};
          }
          timers_.PostAfter(fault.delay, [result = std::move(result), info, reply = std::move(reply)]() mutable {
            reply(std::move(result), info);
          });
        });
}

}  // namespace sagamesh::simulation
