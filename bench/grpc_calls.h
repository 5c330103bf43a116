#ifndef SAGAMESH_BENCH_GRPC_CALLS_H_
#define SAGAMESH_BENCH_GRPC_CALLS_H_

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/clock/clock.h"
#include "grpcpp/grpcpp.h"

namespace sagamesh::bench {

// A call with all that must live as long as it does; it deletes itself when it is answered.
template <typename Request, typename Response>
struct GrpcCall {
  static constexpr absl::Duration kTimeout = absl::Seconds(30);

  explicit GrpcCall(Clock& clock) { context.set_deadline(absl::ToChronoTime(clock.Now() + kTimeout)); }

  // gRPC's callback, which tells `done`.
  std::function<void(grpc::Status)> Answered(std::function<void(absl::Status)> done) {
    return [this, done = std::move(done)](const grpc::Status& status) {
      delete this;
      done(absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message()));
    };
  }

  grpc::ClientContext context;
  Request request;
  Response response;
};

// Stubs of several connections, used in turn. Thread-safe.
template <typename Service>
class GrpcStubs {
 public:
  explicit GrpcStubs(const std::string& target) {
    for (auto& stub : stubs_) {
      grpc::ChannelArguments arguments;
      arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
      stub = Service::NewStub(grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments));
    }
  }

  auto* Next() { return stubs_[next_++ % stubs_.size()]->async(); }

 private:
  std::array<std::unique_ptr<typename Service::Stub>, 4> stubs_;
  std::atomic<uint64_t> next_{0};
};

}  // namespace sagamesh::bench

#endif  // SAGAMESH_BENCH_GRPC_CALLS_H_
