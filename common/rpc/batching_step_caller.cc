#include "common/rpc/batching_step_caller.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <deque>
#include <list>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/exec/mutex.h"
#include "common/fault/planted.h"
#include "common/rpc/step_context.h"
#include "common/status/error.h"
#include "saga/v1/batch.pb.h"
#include "saga/v1/options.pb.h"

namespace sagamesh::rpc {
namespace {

using Reply = absl::AnyInvocable<void(absl::StatusOr<std::string>)>;
using ::saga::v1::StepBatchRequest;
using ::saga::v1::StepBatchResponse;

// How many calls whose batch failed as a whole are remembered, by generations of this size.
constexpr size_t kFailedCallsMax = 10'000;

struct Waiting {
  std::string method;
  std::string request;
  CallContext context;
  Reply done;
};

// Tells one call of a step from every other.
std::string IdentityOf(const std::string& method, const SagaCall& saga) {
  return absl::StrCat(saga.saga_id, saga.op == SagaOp::kAction ? "/" : "!", saga.step, "/", method);
}

absl::StatusOr<std::string> TakeResult(::saga::v1::StepResult& result) {
  if (result.has_response()) return std::move(*result.mutable_response());
  const absl::Status status = FromProto(result.status());
  return status.ok() ? absl::InternalError("the answer to a call is none") : status;
}

// What an older service says of a method that it does not know: nothing of its own.
bool IsUnknownMethod(const absl::Status& status) {
  return absl::IsUnimplemented(status) && !GetErrorInfo(status).has_value();
}

// The calls whose batches failed as a whole: once, and twice or more. The oldest half is forgotten when there are too
// many; that costs no more than another try in a batch.
class FailedCalls {
 public:
  bool Twice(const std::string& identity) const {
    return recent_.twice.contains(identity) || older_.twice.contains(identity);
  }

  void Add(const std::string& identity) {
    const bool again = recent_.once.contains(identity) || older_.once.contains(identity);
    (again ? recent_.twice : recent_.once).insert(identity);
    if (recent_.once.size() + recent_.twice.size() < kFailedCallsMax) return;
    older_ = std::exchange(recent_, {});
  }

  // Mostly not, and then no identity need be made.
  bool AnyTwice() const { return !recent_.twice.empty() || !older_.twice.empty(); }

 private:
  struct Generation {
    std::set<std::string> once;
    std::set<std::string> twice;
  };
  Generation recent_;
  Generation older_;
};

}  // namespace

BatchTwins FindBatchTwins(const std::vector<std::string>& services) {
  BatchTwins twins;
  for (const std::string& name : services) {
    const auto* service = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(name);
    if (service == nullptr) continue;
    for (int i = 0; i < service->method_count(); i++) {
      const std::string& twin = service->method(i)->options().GetExtension(::saga::v1::step).batch();
      if (service->FindMethodByName(twin) == nullptr) continue;
      twins.emplace(absl::StrCat(name, "/", service->method(i)->name()), absl::StrCat(name, "/", twin));
    }
  }
  return twins;
}

class BatchingStepCaller::State : public std::enable_shared_from_this<State> {
 public:
  State(BatchingOptions options, BatchTwins twins, StepCaller& step_caller, EventLoop& loop, Clock& clock,
        metrics::Registry& registry)
      : options_(std::move(options)),
        twins_(std::move(twins)),
        step_caller_(step_caller),
        loop_(loop),
        clock_(clock),
        batch_calls_(registry.Histogram("sagamesh_step_batch_size_calls", "Calls in a batch sent to a participant.",
                                        {1, 2, 4, 8, 16, 32, 64, 128, 256, 512})),
        failed_batches_(registry.Counter("sagamesh_step_batches_failed_total", "Batches that failed as a whole.")),
        lone_calls_(registry.Counter("sagamesh_step_calls_alone_total", "Calls of sagas that went by no batch.")) {}

  void Call(const std::string& method, std::string request, const CallContext& context, Reply done);
  void Close();

 private:
  // The calls that wait for one method.
  struct Lane {
    std::deque<Waiting> waiting;
    absl::Time rest_until = absl::InfinitePast();  // the service does not know the twin
  };
  // The batches of one service, of actions or of compensations.
  struct Line {
    int max_batches = 0;
    std::map<std::string, Lane> lanes;  // by method
    size_t waiting = 0;                 // in all lanes
    std::list<absl::Time> under_way;    // when each batch was sent, the oldest first
    bool flush_posted = false;
    bool look_posted = false;
  };
  struct Batch {
    Line* line;
    std::list<absl::Time>::iterator sent;
    std::vector<Waiting> calls;
  };

  void CallAlone(Waiting call);
  // Whether it goes by a batch: it is in its lane then. What ends it at once is told in `refusal`.
  bool Enqueue(Waiting& call, absl::Status& refusal);
  Line& LineOf(const Waiting& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Sends what may be sent now.
  void Flush(Line& line);
  bool HasRoom(const Line& line, absl::Time now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::optional<Batch> TakeBatch(Line& line, absl::Time now, std::vector<Waiting>& expired)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Looks again when the oldest batch is slow.
  void PostLook(Line& line, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void Send(Batch batch);
  void Ended(Batch batch, absl::StatusOr<std::string> reply);
  void NoteFailure(const Batch& batch, const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const BatchingOptions options_;
  const BatchTwins twins_;
  StepCaller& step_caller_;
  EventLoop& loop_;
  Clock& clock_;
  prometheus::Histogram& batch_calls_;
  prometheus::Counter& failed_batches_;
  prometheus::Counter& lone_calls_;

  Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::pair<std::string, SagaOp>, Line> lines_ ABSL_GUARDED_BY(mutex_);  // by service; they stay
  FailedCalls failed_calls_ ABSL_GUARDED_BY(mutex_);
};

void BatchingStepCaller::State::Call(const std::string& method, std::string request, const CallContext& context,
                                     Reply done) {
  Waiting call{method, std::move(request), context, std::move(done)};
  absl::Status refusal;
  if (Enqueue(call, refusal)) return;
  if (!refusal.ok()) return call.done(std::move(refusal));
  CallAlone(std::move(call));
}

void BatchingStepCaller::State::CallAlone(Waiting call) {
  if (call.context.saga.has_value()) lone_calls_.Increment();
  step_caller_.Call(call.method, std::move(call.request), call.context, std::move(call.done));
}

BatchingStepCaller::State::Line& BatchingStepCaller::State::LineOf(const Waiting& call) {
  const SagaOp op = call.context.saga->op;
  const auto [line, is_new] = lines_.try_emplace({call.method.substr(0, call.method.find('/')), op});
  if (is_new) {
    line->second.max_batches = op == SagaOp::kAction ? options_.max_action_batches : options_.max_compensation_batches;
  }
  return line->second;
}

bool BatchingStepCaller::State::Enqueue(Waiting& call, absl::Status& refusal) {
  const bool batchable = call.context.saga.has_value() && !call.context.fault.has_value() &&
                         call.request.size() <= options_.max_batch_bytes && twins_.contains(call.method);
  if (!batchable) return false;
  MutexLock lock(mutex_);
  if (failed_calls_.AnyTwice() && failed_calls_.Twice(IdentityOf(call.method, *call.context.saga))) return false;
  Line& line = LineOf(call);
  Lane& lane = line.lanes[call.method];
  if (closed_) {
    refusal = ShuttingDown(options_.domain);
    return false;
  }
  if (line.waiting >= static_cast<size_t>(options_.max_waiting_calls)) {
    refusal = Overloaded({options_.domain, "STEP_QUEUE_FULL"}, absl::StrCat(line.waiting, " calls wait already"),
                         absl::Seconds(1));
    return false;
  }
  if (lane.rest_until != absl::InfinitePast() && clock_.Now() < lane.rest_until) return false;
  lane.waiting.push_back(std::move(call));
  line.waiting++;
  // Not from here, so that what this thread has still to call goes along.
  if (!line.flush_posted) {
    line.flush_posted = true;
    loop_.Post([self = shared_from_this(), &line] { self->Flush(line); });
  }
  return true;
}

bool BatchingStepCaller::State::HasRoom(const Line& line, absl::Time now) const {
  const auto is_slow = [this, now](absl::Time sent) { return now - sent >= options_.slow_after; };
  const auto slow = std::count_if(line.under_way.begin(), line.under_way.end(), is_slow);
  const auto fresh = static_cast<int64_t>(line.under_way.size()) - slow;
  return fresh < line.max_batches && slow <= options_.max_slow_batches;
}

std::optional<BatchingStepCaller::State::Batch> BatchingStepCaller::State::TakeBatch(Line& line, absl::Time now,
                                                                                     std::vector<Waiting>& expired) {
  // The lane whose first call would be over first.
  Lane* next = nullptr;
  for (auto& [method, lane] : line.lanes) {
    if (lane.waiting.empty()) continue;
    if (next == nullptr || lane.waiting.front().context.deadline < next->waiting.front().context.deadline) next = &lane;
  }
  if (next == nullptr) return std::nullopt;
  Batch batch{&line, {}, {}};
  size_t bytes = 0;
  while (!next->waiting.empty() && batch.calls.size() < static_cast<size_t>(options_.max_batch_calls)) {
    Waiting& call = next->waiting.front();
    if (!batch.calls.empty() && bytes + call.request.size() > options_.max_batch_bytes) break;
    const bool over = call.context.deadline <= now;
    if (!over) bytes += call.request.size();
    (over ? expired : batch.calls).push_back(std::move(call));
    next->waiting.pop_front();
    line.waiting--;
  }
  if (!batch.calls.empty()) batch.sent = line.under_way.insert(line.under_way.end(), now);
  return batch;
}

void BatchingStepCaller::State::PostLook(Line& line, absl::Time now) {
  if (line.look_posted || line.waiting == 0 || line.under_way.empty()) return;
  absl::Time slow = absl::InfiniteFuture();
  for (const absl::Time sent : line.under_way) {
    if (const absl::Time at = sent + options_.slow_after; at > now) slow = std::min(slow, at);
  }
  line.look_posted = true;
  loop_.PostAfter(std::min(slow - now, options_.slow_after), [self = shared_from_this(), &line] {
    {
      MutexLock lock(self->mutex_);
      line.look_posted = false;
    }
    self->Flush(line);
  });
}

void BatchingStepCaller::State::Flush(Line& line) {
  std::vector<Batch> batches;
  std::vector<Waiting> expired;
  {
    MutexLock lock(mutex_);
    line.flush_posted = false;
    if (closed_) return;
    const absl::Time now = clock_.Now();
    while (line.waiting > 0 && HasRoom(line, now)) {
      std::optional<Batch> batch = TakeBatch(line, now, expired);
      if (batch.has_value() && !batch->calls.empty()) batches.push_back(*std::move(batch));
    }
    PostLook(line, now);
  }
  for (Waiting& call : expired) call.done(TooLate(options_.domain, "the call"));
  for (Batch& batch : batches) Send(std::move(batch));
}

void BatchingStepCaller::State::Send(Batch batch) {
  const absl::Time now = clock_.Now();
  CallContext context;
  context.deadline = absl::InfinitePast();
  StepBatchRequest request;
  request.mutable_requests()->Reserve(static_cast<int>(batch.calls.size()));
  for (const Waiting& call : batch.calls) {
    context.deadline = std::max(context.deadline, call.context.deadline);
    request.add_requests(call.request);
    WriteStepContext(call.context, now, *request.add_contexts());
  }
  batch_calls_.Observe(static_cast<double>(batch.calls.size()));
  const std::string& twin = twins_.at(batch.calls[0].method);
  step_caller_.Call(twin, request.SerializeAsString(), context,
                    [self = shared_from_this(), batch = std::move(batch)](absl::StatusOr<std::string> reply) mutable {
                      self->Ended(std::move(batch), std::move(reply));
                    });
}

void BatchingStepCaller::State::NoteFailure(const Batch& batch, const absl::Status& status) {
  if (IsUnknownMethod(status)) {
    batch.line->lanes[batch.calls[0].method].rest_until = clock_.Now() + options_.unknown_twin_rest;
    return;
  }
  failed_batches_.Increment();
  // With words of its own the participant refused it before any call was run: none of them can be what fails it.
  if (GetErrorInfo(status).has_value()) return;
  for (const Waiting& call : batch.calls) failed_calls_.Add(IdentityOf(call.method, *call.context.saga));
}

void BatchingStepCaller::State::Ended(Batch batch, absl::StatusOr<std::string> reply) {
  StepBatchResponse response;
  if (reply.ok() &&
      (!response.ParseFromString(*reply) || response.results_size() != static_cast<int>(batch.calls.size()))) {
    reply = absl::InternalError("the answer to a batch is none");
  }
  bool closed = false;
  {
    MutexLock lock(mutex_);
    batch.line->under_way.erase(batch.sent);
    if (!reply.ok()) NoteFailure(batch, reply.status());
    closed = closed_;
  }
  Flush(*batch.line);
  const bool unknown_method = IsUnknownMethod(reply.status());
  const size_t shift = Planted(Bug::kBatchAnswersShifted) ? 1 : 0;
  for (size_t i = 0; i < batch.calls.size(); i++) {
    Waiting& call = batch.calls[(i + shift) % batch.calls.size()];
    if (unknown_method && !closed) {
      CallAlone(std::move(call));
    } else if (!reply.ok()) {
      call.done(reply.status());
    } else {
      call.done(TakeResult(*response.mutable_results(static_cast<int>(i))));
    }
  }
}

void BatchingStepCaller::State::Close() {
  std::vector<Waiting> waiting;
  {
    MutexLock lock(mutex_);
    closed_ = true;
    for (auto& [key, line] : lines_) {
      for (auto& [method, lane] : line.lanes) {
        for (Waiting& call : lane.waiting) waiting.push_back(std::move(call));
        lane.waiting.clear();
      }
      line.waiting = 0;
    }
  }
  for (Waiting& call : waiting) call.done(ShuttingDown(options_.domain));
}

BatchingStepCaller::BatchingStepCaller(BatchingOptions options, BatchTwins twins, StepCaller& step_caller,
                                       EventLoop& loop, Clock& clock, metrics::Registry& registry)
    : state_(std::make_shared<State>(std::move(options), std::move(twins), step_caller, loop, clock, registry)) {}

BatchingStepCaller::~BatchingStepCaller() { state_->Close(); }

void BatchingStepCaller::Call(const std::string& method, std::string request, const CallContext& context,
                              absl::AnyInvocable<void(absl::StatusOr<std::string>)> done) {
  state_->Call(method, std::move(request), context, std::move(done));
}

}  // namespace sagamesh::rpc
