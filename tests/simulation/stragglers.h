#ifndef SAGAMESH_TESTS_SIMULATION_STRAGGLERS_H_
#define SAGAMESH_TESTS_SIMULATION_STRAGGLERS_H_

#include <cstdint>
#include <set>
#include <string>

#include "tests/simulation/network.h"
#include "tests/simulation/rng.h"
#include "tests/simulation/scheduler.h"

namespace sagamesh::simulation {

// Calls that processes made of each other, come once more: out of a queue, from a process that had stood still, from a
// program that is wrong. None may have an effect of its own, whenever it comes.
class Stragglers {
 public:
  Stragglers(Scheduler& scheduler, Network& network, uint64_t seed)
      : scheduler_(scheduler), network_(network), rng_(seed) {}

  // One of the calls so far: as it was, with another payload (if its step has answered, so that there is something to
  // compare with), or for a saga of long ago.
  void SendOne();

  // At rest: calls of orders and of those sagas that are not in `unfinished`, as they were but without injected faults.
  void SendAgain(const std::set<std::string>& unfinished);

  // No straggler is under way.
  bool idle() const { return under_way_ == 0; }
  int64_t repeated() const { return repeated_; }
  int64_t altered() const { return altered_; }
  int64_t ancient() const { return ancient_; }

 private:
  void Send(const Exchange& call);

  Scheduler& scheduler_;
  Network& network_;
  Rng rng_;
  int under_way_ = 0;
  int64_t repeated_ = 0;
  int64_t altered_ = 0;
  int64_t ancient_ = 0;
};

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_STRAGGLERS_H_
