#ifndef SAGAMESH_TESTS_SIMULATION_CALLERS_H_
#define SAGAMESH_TESTS_SIMULATION_CALLERS_H_

#include <string>
#include <utility>
#include <vector>

#include "common/rpc/batching_step_caller.h"
#include "common/rpc/step_caller.h"
#include "tests/simulation/limits.h"
#include "tests/simulation/network.h"
#include "tests/simulation/node.h"
#include "tests/simulation/poison.h"
#include "tests/simulation/process.h"

namespace sagamesh::simulation {

// The way of a process to those that it calls, over the simulated network. Owned by its life.
class SimStepCaller final : public rpc::StepCaller {
 public:
  SimStepCaller(Life& life, Network& network) : life_(life), network_(network) {}

  void Call(const std::string& method, std::string request, const CallContext& context,
            absl::AnyInvocable<void(absl::StatusOr<std::string>)> done) override {
    network_.Call(
        &life_, method.substr(0, method.find('.')), method, std::move(request), context,
        [done = std::move(done)](absl::StatusOr<std::string> reply, ReplyInfo) mutable { done(std::move(reply)); });
  }

 private:
  Life& life_;
  Network& network_;
};

// In batches, as in production, to services that have twins.
inline rpc::StepCaller& MakeBatchingCaller(Node& node, const Limits& limits, const std::vector<std::string>& services) {
  Life& life = node.life();
  auto& unary = life.Make<SimStepCaller>(life, node.network());
  rpc::BatchingOptions options;
  options.domain = life.service();
  options.max_batch_calls = limits.batch_calls;
  options.max_waiting_calls = limits.waiting_calls;
  return life.Make<rpc::BatchingStepCaller>(options, rpc::FindBatchTwins(services), unary, node.timers(), life.clock(),
                                            life.registry());
}

// Some sagas kill the coordinator that is about to call a step of theirs.
class PoisonedStepCaller final : public rpc::StepCaller {
 public:
  PoisonedStepCaller(Life& life, Poison& poison, rpc::StepCaller& step_caller)
      : life_(life), poison_(poison), step_caller_(step_caller) {}

  void Call(const std::string& method, std::string request, const CallContext& context,
            absl::AnyInvocable<void(absl::StatusOr<std::string>)> done) override {
    if (life_.alive() && context.saga.has_value() && poison_.Kills(context.saga->saga_id)) {
      life_.scheduler().Trace(life_.name(), "dies of saga ", context.saga->saga_id);
      life_.Abort();
    }
    step_caller_.Call(method, std::move(request), context, std::move(done));
  }

 private:
  Life& life_;
  Poison& poison_;
  rpc::StepCaller& step_caller_;
};

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_CALLERS_H_
