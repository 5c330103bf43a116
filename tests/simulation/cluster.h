#ifndef SAGAMESH_TESTS_SIMULATION_CLUSTER_H_
#define SAGAMESH_TESTS_SIMULATION_CLUSTER_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/simulation/coverage.h"
#include "tests/simulation/fault_plan.h"
#include "tests/simulation/network.h"
#include "tests/simulation/poison.h"
#include "tests/simulation/process.h"
#include "tests/simulation/snapshot.h"
#include "tests/simulation/storage.h"
#include "tests/simulation/watch.h"

namespace sagamesh::simulation {

// A service: its database, and the processes that share it.
struct Service {
  std::unique_ptr<Storage> database;
  std::vector<std::unique_ptr<Process>> replicas;
};

// The coordinator, orders and customers of a world, each with its database and its replicas, of which the plan says how
// many.
class Cluster {
 public:
  Cluster(Scheduler& scheduler, Network& network, const FaultPlan& plan, Rng& rng);

  std::vector<Service>& services() { return services_; }
  Service& customers() { return services_[2]; }
  // For each process and each database.
  void ForEach(const std::function<void(Process&)>& visit);
  void ForEachDatabase(const std::function<void(Storage&)>& visit);

  // Starts what is down, and lets go on what is frozen.
  void Start();
  // Destroys what the dead left behind.
  void BuryDead();
  // Crashes all, for good.
  void Stop();

  absl::StatusOr<Snapshot> Look();
  Poison& poison() { return poison_; }
  // Who watches the sagas, by the coordinator that tells it.
  std::map<std::string, WatchLog>& watches() { return watches_; }

  // What happened to processes and databases; once all are stopped.
  void CountFaults(Counts& counts);

 private:
  void Add(const std::string& name, const ServicePlan& plan, int writers, const Process::Boot& boot, Rng& rng);

  Scheduler& scheduler_;
  Network& network_;
  const Limits limits_;
  Poison poison_;
  std::map<std::string, WatchLog> watches_;
  Counts counts_;  // what coordinators counted themselves
  std::vector<Service> services_;
};

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_CLUSTER_H_
