#ifndef SAGAMESH_TESTS_SIMULATION_OPERATORS_H_
#define SAGAMESH_TESTS_SIMULATION_OPERATORS_H_

#include <cstdint>
#include <map>
#include <string>

#include "saga/v1/saga.pb.h"
#include "tests/simulation/checkers.h"
#include "tests/simulation/coverage.h"
#include "tests/simulation/network.h"
#include "tests/simulation/rng.h"
#include "tests/simulation/scheduler.h"
#include "tests/simulation/snapshot.h"

namespace sagamesh::simulation {

inline constexpr char kRetrySaga[] = "saga.v1.SagaService/RetrySaga";
inline constexpr char kCompensateSaga[] = "saga.v1.SagaService/CompensateSaga";

// People who meddle with sagas: they retry and compensate whatever they see, at any replica, whether it needs it or
// not. Each command has a reason of its own, so that it is known again in the saga's history.
class Operators {
 public:
  Operators(Scheduler& scheduler, Network& network, uint64_t seed)
      : scheduler_(scheduler),
        network_(network),
        rng_(seed),
        steps_per_command_(rng_.Chance(0.6) ? rng_.Between(100, 1'500) : 0) {}

  // In about one of so many steps, a command for one of the sagas that have called a step so far.
  void Step();
  // Retries what is parked, but for one saga. Nothing if nobody is there.
  void RetryParked(const Snapshot& snapshot, const std::string& but);

  // No command is under way.
  bool idle() const { return under_way_ == 0; }

  // That what was answered as done is in the saga's history: 9.
  void CheckDone(const Snapshot& snapshot, Violations& violations) const;
  void Count(Counts& counts) const;

 private:
  void Command(const std::string& saga_id, bool compensate);
  void Answered(const std::string& reason, const absl::StatusOr<::saga::v1::Saga>& saga);

  Scheduler& scheduler_;
  Network& network_;
  Rng rng_;
  const uint64_t steps_per_command_;  // 0: nobody is there
  uint64_t commands_ = 0;
  int under_way_ = 0;
  std::map<std::string, std::string> done_;  // saga by the reason of its command
  Counts counts_;
};

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_OPERATORS_H_
