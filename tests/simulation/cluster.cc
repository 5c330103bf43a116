#include "tests/simulation/cluster.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/error.h"
#include "tests/simulation/check.h"
#include "tests/simulation/processes.h"

namespace sagamesh::simulation {

Cluster::Cluster(Scheduler& scheduler, Network& network, const FaultPlan& plan, Rng& rng)
    : scheduler_(scheduler), network_(network), limits_(plan.limits), poison_(rng.Next(), plan.poison) {
  services_.reserve(3);  // lives keep references
  Add(
      "coordinator", plan.coordinators, limits_.writers,
      [this, database = services_.data(), reserve_first = plan.reserve_first,
       named_replicas = plan.named_replicas](Life& life) {
        BootCoordinator(life, *database->database, network_, limits_,
                        {watches_[life.name()], poison_, reserve_first, named_replicas, counts_});
      },
      rng);
  Add(
      "orders", plan.orders, limits_.writers,
      [this, service = services_.data() + 1](Life& life) { BootOrders(life, *service->database, network_, limits_); },
      rng);
  Add(
      "customers", plan.customers, limits_.writers,
      [this, service = services_.data() + 2](Life& life) {
        BootCustomers(life, *service->database, network_, limits_);
      },
      rng);
}

void Cluster::Add(const std::string& name, const ServicePlan& plan, int writers, const Process::Boot& boot, Rng& rng) {
  Service service;
  service.database = std::make_unique<Storage>(scheduler_, absl::StrCat(name, "_db"), rng.Next());
  service.database->shared = plan.shared;
  // Who has a database to itself writes with one connection.
  service.database->max_writers = plan.shared ? writers : 1;
  for (int i = 1; i <= plan.replicas; i++) {
    service.replicas.push_back(std::make_unique<Process>(scheduler_, absl::StrCat(name, "/", i), boot));
    network_.AddReplica(service.replicas.back()->name());
  }
  services_.push_back(std::move(service));
}

void Cluster::ForEach(const std::function<void(Process&)>& visit) {
  for (Service& service : services_) {
    for (const auto& process : service.replicas) visit(*process);
  }
}

void Cluster::ForEachDatabase(const std::function<void(Storage&)>& visit) {
  for (Service& service : services_) visit(*service.database);
}

void Cluster::Start() {
  ForEach([](Process& process) {
    process.Thaw();
    if (!process.up()) process.Start();
  });
}

void Cluster::BuryDead() {
  ForEach([](Process& process) { process.BuryDead(); });
}

void Cluster::Stop() {
  ForEach([](Process& process) {
    if (process.up()) process.Crash();
  });
  const bool settled = scheduler_.RunUntil(
      [this] {
        bool buried = true;
        ForEach([&buried](Process& process) {
          process.BuryDead();
          buried = buried && process.all_buried();
        });
        return buried;
      },
      absl::Hours(1));
  Check(settled, "a worker of a crashed process does not end");
}

absl::StatusOr<Snapshot> Cluster::Look() {
  SAGAMESH_ASSIGN_OR_RETURN(auto coordinator, services_[0].database->Look());
  SAGAMESH_ASSIGN_OR_RETURN(auto orders, services_[1].database->Look());
  SAGAMESH_ASSIGN_OR_RETURN(auto customers, services_[2].database->Look());
  return ReadSnapshot(*coordinator, *orders, *customers);
}

void Cluster::CountFaults(Counts& counts) {
  ForEach([&counts](Process& process) {
    counts["crashes"] += process.crashes();
    counts["processes frozen"] += process.freezes();
  });
  ForEachDatabase([&counts](Storage& database) {
    const StorageCounts& storage = database.counts();
    counts["commits"] += storage.commits;
    counts["connections lost"] += storage.lost;
    counts["transactions aborted"] += storage.aborted;
    counts["COMMIT unknown, done"] += storage.unknown_done;
    counts["COMMIT unknown, not done"] += storage.unknown_lost;
    counts["COMMIT unknown, late"] += storage.unknown_late;
    counts["COMMIT unknown, then cut off"] += storage.cut_off_after_unknown;
    counts["slow database calls"] += storage.slow;
    counts["COMMITs to a slow disk"] += storage.slow_commits;
    counts["transactions rolled back by a crash"] += storage.rolled_back_by_crash;
    counts["idle transactions ended"] += storage.ended_idle;
    counts["waits for a lock"] += database.lock_counts().waits;
    counts["deadlocks"] += database.lock_counts().deadlocks;
    counts["waits for a lock that took too long"] += database.lock_counts().timeouts;
  });
  for (const auto& [replica, log] : watches_) {
    counts["watchers too slow"] += log.too_slow;
    counts["watches resumed"] += log.resumed;
  }
  for (const auto& [name, count] : counts_) counts[name] += count;
  counts["coordinators killed by their saga"] += poison_.kills();
}

}  // namespace sagamesh::simulation
