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
#include "common/rpc/step_batch.h"
#include "tests/simulation/network.h"
#include "tests/simulation/process.h"

namespace sagamesh::simulation {

// What common/rpc's Edge is in production, over the simulated network: bytes to messages and back, calls that come too
// late, calls before the database is there, and injected faults. Owned by its life.
class SimEdge {
 public:
  // `admission` as in rpc::EdgeOptions.
  SimEdge(Life& life, Network& network, std::string domain, std::function<absl::Status()> admission)
      : life_(life),
        network_(network),
        domain_(std::move(domain)),
        admission_(std::move(admission)),
        timers_(life.MakeLoop()) {}

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

  // Batches of calls of `method`, by production's own code; `logic` as above.
  template <typename BatchRequest, typename BatchResponse, typename Logic>
  void Batch(const std::string& twin, const std::string& method, Logic logic) {
    using Request = std::decay_t<decltype(BatchRequest().requests(0))>;
    using Response = std::decay_t<decltype(BatchResponse().results(0).response())>;
    batches_[twin] = [this, method, logic = std::move(logic)](Exchange& carrier, Network::Reply reply) mutable {
      struct Messages {
        BatchRequest request;
        BatchResponse response;
      };
      const auto messages = std::make_shared<Messages>();
      if (!messages->request.ParseFromString(carrier.request)) {
        return reply(absl::InternalError("simulated: malformed request"), {});
      }
      rpc::RunStepBatch(
          {domain_, life_.clock(), [](const absl::Status&) {}}, messages->request, messages->response,
          [this, &carrier, &method, &logic](const CallContext& call, const Request& request, Done<Response> done) {
            Exchange& exchange = network_.Unpack(carrier, method, request.SerializeAsString(), call);
            logic(call, request,
                  Done<Response>([this, &exchange, done = std::move(done)](absl::StatusOr<Response> response,
                                                                           ReplyInfo info) mutable {
                    Answered(exchange, response, info);
                    done(std::move(response), info);
                  }));
          },
          [messages, reply = std::move(reply)](absl::Status status) mutable {
            if (!status.ok()) return reply(std::move(status), {});
            reply(messages->response.SerializeAsString(), {});
          });
    };
  }

  void Listen();

 private:
  using Method = std::function<void(const CallContext&, const std::string& bytes, Network::Reply)>;
  using BatchMethod = std::function<void(Exchange&, Network::Reply)>;

  void Handle(Exchange& exchange, Network::Reply reply);
  void Run(Method& logic, const std::string& method, std::string request, CallContext call, Network::Reply reply);
  // Notes how a call of a batch was answered.
  template <typename Response>
  void Answered(Exchange& exchange, const absl::StatusOr<Response>& response, ReplyInfo info) {
    if (!life_.alive()) return;
    exchange.reply = response.ok() ? absl::StatusOr<std::string>(response->SerializeAsString()) : response.status();
    exchange.info = info;
    exchange.answered = life_.scheduler().now();
  }

  Life& life_;
  Network& network_;
  const std::string domain_;
  const std::function<absl::Status()> admission_;
  EventLoop& timers_;
  std::map<std::string, Method> methods_;
  std::map<std::string, BatchMethod> batches_;
};

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_EDGE_H_
