#ifndef SAGAMESH_TESTS_SIMULATION_EDGE_H_
#define SAGAMESH_TESTS_SIMULATION_EDGE_H_

#include <functional>
#include <map>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "common/exec/executor.h"
#include "common/rpc/call_context.h"
#include "tests/simulation/network.h"
#include "tests/simulation/process.h"

namespace sagamesh::simulation {

// What common/rpc's Edge is in production, over the simulated network: bytes to messages and back, calls that come too
// late, calls before the database is there, and injected faults. Owned by its life.
class SimEdge {
 public:
  // `admission` as in rpc::EdgeOptions.
  SimEdge(Life& life, std::string domain, std::function<absl::Status()> admission)
      : life_(life), domain_(std::move(domain)), admission_(std::move(admission)), timers_(life.MakeLoop()) {}

  // `logic` is called as logic(const CallContext&, const Request&, Done<Response>).
  template <typename Request, typename Response, typename Logic>
  void Unary(const std::string& method, Logic logic) {
    methods_[method] = [logic = std::move(logic)](const CallContext& call, const std::string& bytes,
                                                  Network::Reply reply) mutable {
      Request request;
      if (!request.ParseFromString(bytes)) return reply(absl::InternalError("simulated: malformed request"), {});
      logic(call, request,
            Done<Response>([reply = std::move(reply)](absl::StatusOr<Response> response, ReplyInfo info) mutable {
              if (!response.ok()) return reply(response.status(), info);
              reply(response->SerializeAsString(), info);
            }));
    };
  }

  void Listen(Network& network);

 private:
  using Method = std::function<void(const CallContext&, const std::string& bytes, Network::Reply)>;

  void Handle(const std::string& method, std::string request, CallContext call, Network::Reply reply);
  void Run(Method& logic, const std::string& method, std::string request, CallContext call, Network::Reply reply);

  Life& life_;
  const std::string domain_;
  const std::function<absl::Status()> admission_;
  EventLoop& timers_;
  std::map<std::string, Method> methods_;
};

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_EDGE_H_
