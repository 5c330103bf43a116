#include "tests/simulation/world.h"

#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/error.h"
#include "tests/simulation/check.h"
#include "tests/simulation/clients.h"
#include "tests/simulation/evidence.h"
#include "tests/simulation/fault_plan.h"
#include "tests/simulation/network.h"
#include "tests/simulation/process.h"
#include "tests/simulation/processes.h"
#include "tests/simulation/scheduler.h"
#include "tests/simulation/snapshot.h"
#include "tests/simulation/storage.h"
#include "tests/simulation/stragglers.h"
#include "tests/simulation/temp_dir.h"

namespace sagamesh::simulation {
namespace {

constexpr absl::Duration kFirstPhase = absl::Seconds(60);
constexpr absl::Duration kSecondPhaseMax = absl::Minutes(20);
constexpr absl::Duration kLookInterval = absl::Seconds(5);
constexpr absl::Duration kWatchCatchUpMax = absl::Minutes(1);

class World {
 public:
  explicit World(const WorldOptions& options);

  Outcome Run();

 private:
  bool Prepare();
  void FirstPhase();
  void SecondPhase();
  void ThirdPhase();
  void StopFaults();
  // Whether it is the turn of something that happens once in about so many steps.
  bool Now(uint64_t steps) { return steps > 0 && rng_.Below(steps) == 0; }
  void MaybeCrash();
  void MaybeFail();
  void SetClock(Process& process);
  void CrashAndRestart(Process& process);
  absl::StatusOr<Snapshot> Look();
  void CountFaults();
  void Settle();

  const WorldOptions options_;
  TempDir directory_;
  Scheduler scheduler_;
  Rng rng_;
  FaultPlan plan_;
  Network network_;
  WatchLog watch_log_;
  Storage coordinator_db_;
  Storage orders_db_;
  Storage customers_db_;
  Process coordinator_;
  Process orders_;
  Process customers_;
  Clients clients_;
  Stragglers stragglers_;
  Outcome outcome_;

  Storage* Storages(size_t i) { return std::array{&coordinator_db_, &orders_db_, &customers_db_}[i]; }
  Process* Processes(size_t i) { return std::array{&coordinator_, &orders_, &customers_}[i]; }
};

World::World(const WorldOptions& options)
    : options_(options),
      scheduler_(options.seed, options.print_trace),
      rng_(scheduler_.rng().Next()),
      plan_(FaultPlan::Draw(rng_)),
      network_(scheduler_, rng_.Next()),
      coordinator_db_(scheduler_, "coordinator_db", directory_.path(), rng_.Next()),
      orders_db_(scheduler_, "orders_db", directory_.path(), rng_.Next()),
      customers_db_(scheduler_, "customers_db", directory_.path(), rng_.Next()),
      coordinator_(scheduler_, "coordinator",
                   [this](Life& life) { BootCoordinator(life, coordinator_db_, network_, plan_.limits, watch_log_); }),
      orders_(scheduler_, "orders", [this](Life& life) { BootOrders(life, orders_db_, network_, plan_.limits); }),
      customers_(scheduler_, "customers",
                 [this](Life& life) { BootCustomers(life, customers_db_, network_, plan_.limits); }),
      clients_(scheduler_, network_, rng_.Next()),
      stragglers_(scheduler_, network_, rng_.Next()) {}

bool World::Prepare() {
  for (size_t i = 0; i < 3; i++) Storages(i)->max_writers = plan_.limits.writers;
  for (size_t i = 0; i < 3; i++) SetClock(*Processes(i));
  for (size_t i = 0; i < 3; i++) Processes(i)->Start();
  clients_.StockTheShop();
  return scheduler_.RunUntil([this] { return clients_.idle(); }, absl::Minutes(1));
}

void World::FirstPhase() {
  network_.faults = plan_.network;
  for (size_t i = 0; i < 3; i++) Storages(i)->faults = plan_.storage;
  watch_log_.pause_max = plan_.watcher_pause_max;
  customers_db_.faults.commit_dropped = options_.drop_commits;
  clients_.Shop(options_.intents, kFirstPhase);
  scheduler_.RunUntil(
      [this] {
        MaybeCrash();
        MaybeFail();
        for (size_t i = 0; i < 3; i++) Processes(i)->BuryDead();
        return false;
      },
      kFirstPhase);
}

void World::MaybeCrash() {
  if (plan_.steps_per_crash > 0) {
    // More often in the middle of a transaction, which is where most of the harm could be done.
    const size_t victim = rng_.Below(3);
    uint64_t odds = plan_.steps_per_crash;
    if (Storages(victim)->writing() && !Storages(victim)->slow_disk()) odds = std::max<uint64_t>(odds / 10, 1);
    if (Processes(victim)->up() && rng_.Below(odds) == 0) CrashAndRestart(*Processes(victim));
  }
}

void World::MaybeFail() {
  if (Now(plan_.steps_per_outage)) {
    Storages(rng_.Below(3))->AwayFor(rng_.Between(absl::Milliseconds(500), absl::Seconds(20)));
    outcome_.counts["outages of a database"]++;
  }
  if (Now(plan_.steps_per_slow_disk)) {
    Storages(rng_.Below(3))->SlowDiskFor(rng_.Between(absl::Milliseconds(500), absl::Seconds(20)));
  }
  if (Now(plan_.steps_per_cut)) {
    // Clients are the peers of all, by the name "".
    const std::array<std::string, 4> ends = {"coordinator", "orders", "customers", ""};
    const uint64_t one = rng_.Below(4);
    const uint64_t other = (one + 1 + rng_.Below(3)) % 4;
    network_.CutFor(ends[one], ends[other], rng_.Between(absl::Milliseconds(500), absl::Seconds(15)));
  }
  if (Now(plan_.steps_per_clock_jump) && plan_.clock_error_max > absl::ZeroDuration()) {
    SetClock(*Processes(rng_.Below(3)));
    outcome_.counts["clocks set"]++;
  }
  if (Now(plan_.steps_per_straggler)) stragglers_.SendOne();
}

void World::SetClock(Process& process) {
  process.SetClockError(rng_.Between(-plan_.clock_error_max, plan_.clock_error_max));
}

void World::CrashAndRestart(Process& process) {
  process.Crash();
  scheduler_.After(rng_.Between(absl::Milliseconds(50), absl::Seconds(3)), [&process] {
    if (!process.up()) process.Start();
  });
}

void World::StopFaults() {
  network_.faults = NetworkFaults{};
  watch_log_.pause_max = absl::ZeroDuration();
  for (size_t i = 0; i < 3; i++) Storages(i)->faults = StorageFaults{};
  for (size_t i = 0; i < 3; i++) {
    if (!Processes(i)->up()) Processes(i)->Start();
  }
}

void World::SecondPhase() {
  scheduler_.Trace("world", "faults stop");
  StopFaults();
  const absl::Time last = scheduler_.now() + kSecondPhaseMax;
  while (scheduler_.now() < last) {
    scheduler_.RunUntil([] { return false; }, kLookInterval);
    for (size_t i = 0; i < 3; i++) Processes(i)->BuryDead();
    if (!clients_.idle() || !stragglers_.idle()) continue;
    const absl::StatusOr<Snapshot> snapshot = Look();
    if (snapshot.ok() && Unfinished(*snapshot).empty()) return;
  }
  if (!clients_.idle()) outcome_.violations.push_back("9: a client still waits");
}

void World::ThirdPhase() {
  scheduler_.Trace("world", "calls come again");
  const absl::StatusOr<Snapshot> before = Look();
  if (!before.ok()) return;  // said at the end
  std::set<std::string> unfinished;
  for (const auto& [id, saga] : before->sagas) {
    if (!engine::IsFinal(saga.phase)) unfinished.insert(id);
  }
  stragglers_.SendAgain(unfinished);
  scheduler_.RunUntil([this] { return stragglers_.idle(); }, absl::Minutes(1));
  const absl::StatusOr<Snapshot> after = Look();
  if (!after.ok()) return;
  CheckUnchanged(*before, *after, outcome_.violations);
  // The watch may be behind.
  Violations untold;
  for (absl::Duration waited; waited < kWatchCatchUpMax; waited += kLookInterval) {
    untold.clear();
    CheckWatch(*after, watch_log_, untold);
    if (untold.empty()) break;
    scheduler_.RunUntil([] { return false; }, kLookInterval);
  }
  outcome_.violations.insert(outcome_.violations.end(), untold.begin(), untold.end());
}

absl::StatusOr<Snapshot> World::Look() {
  SAGAMESH_ASSIGN_OR_RETURN(auto coordinator, coordinator_db_.Look());
  SAGAMESH_ASSIGN_OR_RETURN(auto orders, orders_db_.Look());
  SAGAMESH_ASSIGN_OR_RETURN(auto customers, customers_db_.Look());
  return ReadSnapshot(*coordinator, *orders, *customers);
}

void World::CountFaults() {
  auto& counts = outcome_.counts;
  for (size_t i = 0; i < 3; i++) {
    const StorageCounts& storage = Storages(i)->counts();
    counts["crashes"] += Processes(i)->crashes();
    counts["commits"] += storage.commits;
    counts["connections lost"] += storage.lost;
    counts["transactions aborted"] += storage.aborted;
    counts["COMMIT unknown, done"] += storage.unknown_done;
    counts["COMMIT unknown, not done"] += storage.unknown_lost;
    counts["COMMIT unknown, late"] += storage.unknown_late;
    counts["slow database calls"] += storage.slow;
    counts["COMMITs to a slow disk"] += storage.slow_commits;
    counts["transactions rolled back by a crash"] += storage.rolled_back_by_crash;
  }
  const NetworkCounts& network = network_.counts();
  counts["requests lost"] += network.lost_requests;
  counts["replies lost"] += network.lost_replies;
  counts["requests duplicated"] += network.duplicates;
  counts["messages slow"] += network.slow;
  counts["messages cut off"] += network.cut;
  counts["calls unavailable"] += network.unavailable;
  counts["requests handled after their caller gave up"] += network.after_timeout;
  counts["watchers too slow"] += watch_log_.too_slow;
  counts["watches resumed"] += watch_log_.resumed;
  counts["calls that came again"] += stragglers_.repeated();
  counts["calls with another payload under their step"] += stragglers_.altered();
  counts["calls of a saga of long ago"] += stragglers_.ancient();
}

void World::Settle() {
  for (size_t i = 0; i < 3; i++) {
    if (Processes(i)->up()) Processes(i)->Crash();
  }
  const bool settled = scheduler_.RunUntil(
      [this] {
        bool buried = true;
        for (size_t i = 0; i < 3; i++) {
          Processes(i)->BuryDead();
          buried = buried && Processes(i)->all_buried();
        }
        return buried;
      },
      absl::Hours(1));
  Check(settled, "a worker of a crashed process does not end");
}

Outcome World::Run() {
  const absl::Time began = scheduler_.now();
  if (Prepare()) {
    FirstPhase();
    SecondPhase();
    ThirdPhase();
  } else {
    outcome_.violations.push_back("9: the shop could not be stocked though nothing failed");
  }
  Settle();
  outcome_.trace_hash = scheduler_.trace_hash();
  outcome_.steps = scheduler_.steps();
  outcome_.simulated = scheduler_.now() - began;
  const absl::StatusOr<Snapshot> snapshot = Look();
  if (!snapshot.ok()) {
    outcome_.violations.push_back(absl::StrCat("the databases cannot be read: ", snapshot.status().ToString()));
    return std::move(outcome_);
  }
  CountFaults();
  CountLayer1(*snapshot, clients_.history(), network_.exchanges(), outcome_.counts);
  CountLayer2(*snapshot, network_.exchanges(), outcome_.counts);
  CountEnds(*snapshot, network_.exchanges(), outcome_.counts);
  Violations found = CheckAll(*snapshot, clients_.history(), network_.exchanges());
  outcome_.violations.insert(outcome_.violations.end(), found.begin(), found.end());
  return std::move(outcome_);
}

}  // namespace

Outcome Simulate(const WorldOptions& options) { return World(options).Run(); }

}  // namespace sagamesh::simulation
