#ifndef SAGAMESH_TESTS_SIMULATION_NETWORK_H_
#define SAGAMESH_TESTS_SIMULATION_NETWORK_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
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
  int64_t cut = 0;            // messages lost because their ends were cut off from each other
  int64_t frozen = 0;         // messages that waited for their receiver to go on
  int64_t to_the_dead = 0;    // calls sent to a replica that was down while another was up
};

// A request as its callee got it, each copy for itself, and how it was answered.
struct Exchange {
  std::string from;  // the calling service; "" for clients
  std::string to;    // the service that is called
  std::string method;
  std::string request;
  CallContext context;
  absl::Time sent;  // a doubled one has the first one's
  absl::Time arrived;
  // What the callee said, also where the message was lost; nullopt: it died first.
  std::optional<absl::StatusOr<std::string>> reply;
  ReplyInfo info;
  absl::Time answered = absl::InfiniteFuture();
  std::string caller;  // Life::id of who called; "" for clients
  std::string callee;  // the replica that was chosen
  // It carries a batch of calls; each that was run is an exchange of its own too.
  bool is_batch = false;
};

// Calls between processes, as bytes. Who calls a service reaches one of its replicas, at random: mostly one that is up,
// now and then one that is down, as with a balancer that has not noticed yet. A call ends exactly once at its caller:
// with the reply, with UNAVAILABLE (nobody listens, or the callee died) or, when a message is lost, with
// DEADLINE_EXCEEDED.
class Network {
 public:
  using Reply = absl::AnyInvocable<void(absl::StatusOr<std::string>, ReplyInfo)>;
  // The exchange is kept. Its context's deadline counts from the arrival, as gRPC's timeout does: a callee does not see
  // how long a request was on its way.
  using Handler = std::function<void(Exchange& exchange, Reply reply)>;

  Network(Scheduler& scheduler, uint64_t seed) : scheduler_(scheduler), rng_(seed) {}

  // `replica` is one of its service from now on, whether it is up or not.
  void AddReplica(const std::string& replica);
  // One of a service's replicas, as a balancer chooses; not `other_than` if there is another.
  std::string Choose(const std::string& service, const std::string& other_than = "");

  // `life` listens as its process's name, until it crashes.
  void Listen(Life& life, Handler handler);

  // `from` is a life that listens too, or nullptr for clients, which never crash. `to` is a service or one replica.
  // `done` is dropped if the caller crashes first.
  void Call(Life* from, const std::string& to, const std::string& method, std::string request, CallContext context,
            Reply done);

  // Keeps a call that came in the batch `carrier`; whoever handles it says how it was answered.
  Exchange& Unpack(const Exchange& carrier, std::string method, std::string request, CallContext context);

  // From now on no message gets from `a` to `b` or back, for so long. Both are processes' names; clients are "".
  void CutFor(const std::string& a, const std::string& b, absl::Duration duration);

  NetworkFaults faults;
  const NetworkCounts& counts() const { return counts_; }
  // All that arrived, in this order.
  const std::deque<Exchange>& exchanges() const { return exchanges_; }

 private:
  struct Listener {
    Life* life;
    std::shared_ptr<Handler> handler;
  };
  struct Pending {
    Life* from;
    std::string to;  // the replica
    std::string method;
    Reply done;
  };

  // `exchange` has no answer yet; its deadline is set on arrival.
  void Deliver(uint64_t id, Exchange exchange, absl::Duration timeout);
  void SendReply(uint64_t id, const Exchange& exchange, absl::StatusOr<std::string> reply, ReplyInfo info);
  bool IsCut(const std::string& a, const std::string& b) const;
  void Finish(uint64_t id, absl::StatusOr<std::string> reply, ReplyInfo info);
  absl::Duration Delay();
  void Crashed(Life& life);
  void Trace(uint64_t id, absl::string_view what);

  Scheduler& scheduler_;
  Rng rng_;
  std::map<std::string, std::vector<std::string>> replicas_;  // by service
  std::map<std::string, Listener> listeners_;
  std::map<uint64_t, Pending> pending_;
  std::deque<Exchange> exchanges_;  // references stay good
  std::map<std::pair<std::string, std::string>, absl::Time> cut_until_;
  uint64_t next_call_ = 1;
  NetworkCounts counts_;
};

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_NETWORK_H_
