#include "common/rpc/grpc_step_caller.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>
#include <spdlog/spdlog.h>

#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/clock/clock.h"
#include "common/exec/in_flight.h"
#include "common/rpc/channel.h"
#include "common/rpc/metadata.h"
#include "common/rpc/status.h"
#include "common/status/error.h"

namespace sagamesh::rpc {
namespace {

// One call; deletes itself when it has ended.
struct PendingCall {
  std::string path;  // "/SERVICE/METHOD"
  grpc::ClientContext context;
  grpc::ByteBuffer request;
  grpc::ByteBuffer response;
};

grpc::ByteBuffer ToBuffer(const std::string& bytes) {
  grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

std::string ToBytes(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Valid() || !buffer.Dump(&slices).ok()) return "";
  std::string bytes;
  bytes.reserve(buffer.Length());
  for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

}  // namespace

struct GrpcStepCaller::Participant {
  explicit Participant(const std::string& target) : channel(MakeChannel(target)), stub(channel) {}

  std::shared_ptr<grpc::Channel> channel;
  grpc::GenericStub stub;
};

struct GrpcStepCaller::Calls {
  // Logs what gRPC's client says instead of a participant, which callers are not told: at most one a second.
  void Log(const std::string& path, const absl::Status& status);

  SystemClock clock;
  Mutex mutex;
  std::set<PendingCall*> pending ABSL_GUARDED_BY(mutex);  // under way, so that the destructor can cancel them
  absl::Time logged ABSL_GUARDED_BY(mutex) = absl::InfinitePast();
  InFlight in_flight;
};

void GrpcStepCaller::Calls::Log(const std::string& path, const absl::Status& status) {
  if (absl::IsCancelled(status) || GetErrorInfo(status).has_value()) return;
  const absl::Time now = clock.Now();
  {
    MutexLock lock(mutex);
    if (now - logged < absl::Seconds(1)) return;
    logged = now;
  }
  spdlog::warn("{}: {}", path, status.ToString());
}

GrpcStepCaller::GrpcStepCaller(const std::map<std::string, std::string>& targets) : calls_(std::make_shared<Calls>()) {
  for (const auto& [service, target] : targets) participants_.emplace(service, std::make_unique<Participant>(target));
}

GrpcStepCaller::~GrpcStepCaller() {
  {
    MutexLock lock(calls_->mutex);
    for (PendingCall* call : calls_->pending) call->context.TryCancel();
  }
  calls_->in_flight.WaitForNone();
}

void GrpcStepCaller::Call(const std::string& method, std::string request, const CallContext& context,
                          absl::AnyInvocable<void(absl::StatusOr<std::string>)> done) {
  const auto participant = participants_.find(method.substr(0, method.find('/')));
  if (participant == participants_.end()) {
    return done(absl::UnimplementedError(absl::StrCat("no participant serves ", method)));
  }
  auto* call = new PendingCall;
  call->path = absl::StrCat("/", method);
  WriteCallContext(context, call->context);
  call->request = ToBuffer(request);
  {
    MutexLock lock(calls_->mutex);
    calls_->pending.insert(call);
  }
  calls_->in_flight.Begin();
  participant->second->stub.UnaryCall(
      &call->context, call->path, grpc::StubOptions(), &call->request, &call->response,
      [call, calls = calls_, done = std::make_shared<decltype(done)>(std::move(done))](grpc::Status status) {
        {
          MutexLock lock(calls->mutex);
          calls->pending.erase(call);
        }
        absl::StatusOr<std::string> reply =
            status.ok() ? absl::StatusOr<std::string>(ToBytes(call->response)) : FromGrpc(status);
        if (!reply.ok()) calls->Log(call->path, reply.status());
        // Before End lets the owner go on: the context holds the channel, which must not be destroyed in a callback.
        delete call;
        (*done)(std::move(reply));
        calls->in_flight.End();
      });
}

}  // namespace sagamesh::rpc
