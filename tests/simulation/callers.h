#ifndef SAGAMESH_TESTS_SIMULATION_CALLERS_H_
#define SAGAMESH_TESTS_SIMULATION_CALLERS_H_

#include <string>

#include "coordinator/runtime/step_caller.h"
#include "tests/simulation/network.h"
#include "tests/simulation/process.h"

namespace sagamesh::simulation {

// The coordinator's way to its participants, over the simulated network. Owned by the coordinator's life.
class SimStepCaller final : public runtime::StepCaller {
 public:
  SimStepCaller(Life& life, Network& network) : life_(life), network_(network) {}

  void Call(const std::string& method, std::string request, const CallContext& context,
            absl::AnyInvocable<void(absl::StatusOr<std::string>)> done) override {
    network_.Call(&life_, "orders", method, std::move(request), context,
                  [done = std::move(done)](absl::StatusOr<std::string> reply, ReplyInfo) mutable {
                    done(std::move(reply));
                  });
  }

 private:
  Life& life_;
  Network& network_;
};

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_CALLERS_H_
