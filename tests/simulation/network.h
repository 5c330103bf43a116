#ifndef SAGAMESH_TESTS_SIMULATION_NETWORK_H_
#define SAGAMESH_TESTS_SIMULATION_NETWORK_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/rpc/call_context.h"
#include "tests/simulation/process.h"
#include "tests/simulation/scheduler.h"

namespace sagamesh::simulation {

struct NetworkFaults {
  double lose_request = 0;
  double lose_reply = 0;
  double duplicate = 0;  // the request arrives twice; the second reply is nobody's
  double slow = 0;       // a message takes up to `slow_max`, so that it overtakes and is overtaken
  absl::Duration delay_max = absl::Milliseconds(2);
  absl::Duration slow_max = absl::Seconds(8);
};

struct NetworkCounts {
  int64_t calls = 0;
  int64_t lost_requests = 0;
  int64_t lost_replies = 0;
  int64_t duplicates = 0;
  int64_t slow = 0;
  int64_t unavailable = 0;
  int64_t timed_out = 0;
  int64_t after_timeout = 0;  // requests that were handled after their caller had given up
};

// Calls between processes, as bytes. A call ends exactly once at its caller: with the reply, with UNAVAILABLE (nobody
// listens, or the callee died) or, when a message is lost, with DEADLINE_EXCEEDED.
class Network {
 public:
  using Reply = absl::AnyInvocable<void(absl::StatusOr<std::string>, ReplyInfo)>;
  // `context.deadline` counts from the arrival, as gRPC's timeout does: a callee does not see how long a request was on
  // its way.
  using Handler = std::function<void(const std::string& method, std::string request, CallContext context, Reply reply)>;

  Network(Scheduler& scheduler, uint64_t seed) : scheduler_(scheduler), rng_(seed) {}

  // `life` listens as its process's name, until it crashes.
  void Listen(Life& life, Handler handler);

  // `from` is a life that listens too, or nullptr for clients, which never crash. `done` is dropped if the caller
  // crashes first.
  void Call(Life* from, const std::string& to, const std::string& method, std::string request, CallContext context,
            Reply done);

  NetworkFaults faults;
  const NetworkCounts& counts() const { return counts_; }

 private:
  struct Listener {
    Life* life;
    std::shared_ptr<Handler> handler;
  };
  struct Pending {
    Life* from;
    std::string to;
    std::string method;
    Reply done;
    absl::Time deadline;
  };

  void Deliver(uint64_t id, const std::string& to, const std::string& method, const std::string& request,
               CallContext context, absl::Duration timeout);
  void SendReply(uint64_t id, absl::StatusOr<std::string> reply, ReplyInfo info);
  void Finish(uint64_t id, absl::StatusOr<std::string> reply, ReplyInfo info);
  absl::Duration Delay();
  void Crashed(Life& life);

  Scheduler& scheduler_;
  Rng rng_;
  std::map<std::string, Listener> listeners_;
  std::map<uint64_t, Pending> pending_;
  uint64_t next_call_ = 1;
  NetworkCounts counts_;
};

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_NETWORK_H_
