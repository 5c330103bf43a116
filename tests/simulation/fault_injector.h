#ifndef SAGAMESH_TESTS_SIMULATION_FAULT_INJECTOR_H_
#define SAGAMESH_TESTS_SIMULATION_FAULT_INJECTOR_H_

#include <cstdint>

#include "tests/simulation/cluster.h"
#include "tests/simulation/coverage.h"
#include "tests/simulation/fault_plan.h"
#include "tests/simulation/network.h"
#include "tests/simulation/rng.h"
#include "tests/simulation/scheduler.h"

namespace sagamesh::simulation {

// Does to a world what the plan says: processes crash and stand still, databases and links fail, clocks are set.
class FaultInjector {
 public:
  FaultInjector(Scheduler& scheduler, Network& network, Cluster& cluster, const FaultPlan& plan, uint64_t seed)
      : scheduler_(scheduler), network_(network), cluster_(cluster), plan_(plan), rng_(seed) {}

  // Each machine's clock as wrong as it likes, before the processes start.
  void SetClocks();
  void Begin();
  // After each step of the scheduler.
  void Step();
  // From now on nothing fails any more.
  void End();

  // Ends processes that cannot go on, in every phase, and starts them again.
  void RestartAborted();

  void Count(Counts& counts) const;

 private:
  // Whether it is the turn of something that happens once in about so many steps.
  bool Now(uint64_t steps) { return steps > 0 && rng_.Below(steps) == 0; }
  // The same for something that happens to one process: more often in the middle of a transaction, which is where most
  // of the harm could be done.
  bool NowTo(Service& service, uint64_t steps);
  Service& AnyService() { return cluster_.services()[rng_.Below(cluster_.services().size())]; }
  Process& AnyOf(Service& service) { return *service.replicas[rng_.Below(service.replicas.size())]; }
  void MaybeCrash();
  void MaybeFreeze();
  void MaybeFailDatabase();
  void MaybeCut();
  void SetClock(Process& process);
  void CrashAndRestart(Process& process);

  Scheduler& scheduler_;
  Network& network_;
  Cluster& cluster_;
  const FaultPlan& plan_;
  Rng rng_;
  int64_t outages_ = 0;
  int64_t cut_off_ = 0;
  int64_t clocks_set_ = 0;
};

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_FAULT_INJECTOR_H_
