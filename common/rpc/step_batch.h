#ifndef SAGAMESH_COMMON_RPC_STEP_BATCH_H_
#define SAGAMESH_COMMON_RPC_STEP_BATCH_H_

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/clock/clock.h"
#include "common/rpc/call_context.h"
#include "common/rpc/step_context.h"
#include "common/status/error.h"

// The participant's side of a batch twin (saga/v1/batch.proto), free of gRPC: the simulation runs it too.

namespace sagamesh::rpc {

// What a batch runs in. The clock outlives it.
struct StepBatchSurroundings {
  absl::string_view domain;  // of errors made here
  Clock& clock;
  // Told of each call as it ends, on any thread.
  std::function<void(const absl::Status&)> count;
};

namespace internal {

// INVALID_ARGUMENT, naming the field, if these are not the parts of one batch.
absl::Status CheckStepBatch(absl::string_view domain, int requests, int contexts);

// One batch under way: it ends when the last of its calls has let go of it.
struct StepBatch {
  StepBatchSurroundings surroundings;
  absl::AnyInvocable<void(absl::Status)> finish;

  ~StepBatch() { finish(absl::OkStatus()); }
};

// The end of one call: its result is set exactly once. Dropped, because an executor shut down, it is UNAVAILABLE.
template <typename Response, typename Result>
class StepEnd {
 public:
  StepEnd(std::shared_ptr<StepBatch> batch, Result* result) : batch_(std::move(batch)), result_(result) {}
  StepEnd(StepEnd&&) = default;
  ~StepEnd() {
    if (batch_ != nullptr) (*this)(ShuttingDown(batch_->surroundings.domain), {});
  }

  void operator()(absl::StatusOr<Response> response, ReplyInfo info) {
    batch_->surroundings.count(response.status());
    if (response.ok()) {
      *result_->mutable_response() = *std::move(response);
    } else {
      *result_->mutable_status() = ToProto(response.status());
    }
    result_->set_replayed(info.replayed);
    batch_ = nullptr;  // the result may be gone
  }

 private:
  std::shared_ptr<StepBatch> batch_;
  Result* result_;
};

}  // namespace internal

// Runs every call of `request`, each as if it had come alone, by logic(const CallContext&, const Request&,
// Done<Response>), and then `finish`, once, on any thread; until then `response` must be there. A call that is
// malformed or too late is answered so, and not run.
template <typename BatchRequest, typename BatchResponse, typename Logic>
void RunStepBatch(StepBatchSurroundings surroundings, const BatchRequest& request, BatchResponse& response, Logic logic,
                  absl::AnyInvocable<void(absl::Status)> finish) {
  using Response = std::decay_t<decltype(response.results(0).response())>;
  using Result = std::decay_t<decltype(response.results(0))>;
  const absl::Status valid =
      internal::CheckStepBatch(surroundings.domain, request.requests_size(), request.contexts_size());
  if (!valid.ok()) return finish(valid);
  const absl::Time now = surroundings.clock.Now();
  response.mutable_results()->Reserve(request.requests_size());
  // All of them, before the first call ends on another thread.
  for (int i = 0; i < request.requests_size(); i++) response.add_results();
  const std::shared_ptr<internal::StepBatch> batch(new internal::StepBatch{std::move(surroundings), std::move(finish)});
  const absl::string_view domain = batch->surroundings.domain;
  for (int i = 0; i < request.requests_size(); i++) {
    internal::StepEnd<Response, Result> end(batch, response.mutable_results(i));
    const absl::StatusOr<CallContext> call = ReadStepContext(domain, request.contexts(i), now);
    if (!call.ok()) {
      end(call.status(), {});
    } else if (call->deadline <= now) {
      end(TooLate(domain, "the call"), {});
    } else {
      logic(*call, request.requests(i), Done<Response>(std::move(end)));
    }
  }
}

}  // namespace sagamesh::rpc

#endif  // SAGAMESH_COMMON_RPC_STEP_BATCH_H_
