#include "tests/simulation/world.h"

#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/simulation/clients.h"
#include "tests/simulation/cluster.h"
#include "tests/simulation/evidence.h"
#include "tests/simulation/fault_injector.h"
#include "tests/simulation/fault_plan.h"
#include "tests/simulation/network.h"
#include "tests/simulation/operators.h"
#include "tests/simulation/scheduler.h"
#include "tests/simulation/snapshot.h"
#include "tests/simulation/stragglers.h"

namespace sagamesh::simulation {
namespace {

constexpr absl::Duration kFirstPhase = absl::Seconds(40);
constexpr absl::Duration kSecondPhaseMax = absl::Minutes(4);
constexpr absl::Duration kLookInterval = absl::Seconds(10);
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
  // Until then, or for so long; whether it came to that.
  bool RunUntil(const std::function<bool()>& end, absl::Duration limit);
  void RunFor(absl::Duration duration) {
    RunUntil([] { return false; }, duration);
  }
  // That every change was told to those who watch, who may be behind.
  void AwaitWatches(const Snapshot& snapshot);
  void Count(const Snapshot& snapshot);

  const WorldOptions options_;
  Scheduler scheduler_;
  Rng rng_;
  const FaultPlan plan_;
  Network network_;
  Cluster cluster_;
  FaultInjector faults_;
  Clients clients_;
  Stragglers stragglers_;
  Operators operators_;
  std::optional<Snapshot> at_rest_;  // as the second phase found it
  Outcome outcome_;
};

World::World(const WorldOptions& options)
    : options_(options),
      scheduler_(options.seed, options.print_trace),
      rng_(scheduler_.rng().Next()),
      plan_(FaultPlan::Draw(rng_)),
      network_(scheduler_, rng_.Next()),
      cluster_(scheduler_, network_, plan_, rng_),
      faults_(scheduler_, network_, cluster_, plan_, rng_.Next()),
      clients_(scheduler_, network_, rng_.Next()),
      stragglers_(scheduler_, network_, rng_.Next()),
      operators_(scheduler_, network_, rng_.Next()) {}

bool World::RunUntil(const std::function<bool()>& end, absl::Duration limit) {
  return scheduler_.RunUntil(
      [this, &end] {
        faults_.RestartAborted();
        return end();
      },
      limit);
}

bool World::Prepare() {
  faults_.SetClocks();
  cluster_.Start();
  clients_.StockTheShop();
  return RunUntil([this] { return clients_.idle(); }, absl::Minutes(1));
}

void World::FirstPhase() {
  faults_.Begin();
  cluster_.customers().database->faults.commit_dropped = options_.drop_commits;
  clients_.Shop(options_.intents, kFirstPhase);
  RunUntil(
      [this] {
        faults_.Step();
        if (plan_.steps_per_straggler > 0 && rng_.Below(plan_.steps_per_straggler) == 0) stragglers_.SendOne();
        operators_.Step();
        cluster_.BuryDead();
        return false;
      },
      kFirstPhase);
}

void World::SecondPhase() {
  scheduler_.Trace("world", "faults stop");
  faults_.End();
  const absl::Time began = scheduler_.now();
  while (scheduler_.now() < began + kSecondPhaseMax) {
    RunFor(kLookInterval);
    cluster_.BuryDead();
    if (!clients_.idle() || !stragglers_.idle() || !operators_.idle()) continue;
    absl::StatusOr<Snapshot> snapshot = cluster_.Look();
    if (snapshot.ok()) operators_.RetryParked(*snapshot, cluster_.poison().saga_id());
    if (!snapshot.ok() || !Unfinished(*snapshot).empty() || !operators_.idle()) continue;
    at_rest_ = *std::move(snapshot);
    break;
  }
  outcome_.to_the_end = scheduler_.now() - began;
}

void World::ThirdPhase() {
  scheduler_.Trace("world", "calls come again");
  const absl::StatusOr<Snapshot> before = at_rest_.has_value() ? *std::move(at_rest_) : cluster_.Look();
  if (!before.ok()) return;  // said at the end
  std::set<std::string> unfinished;
  for (const auto& [id, saga] : before->sagas) {
    if (!engine::IsFinal(saga.phase)) unfinished.insert(id);
  }
  stragglers_.SendAgain(unfinished);
  RunUntil([this] { return stragglers_.idle(); }, absl::Minutes(1));
  const absl::StatusOr<Snapshot> after = cluster_.Look();
  if (!after.ok()) return;
  CheckUnchanged(*before, *after, outcome_.violations);
  AwaitWatches(*after);
}

void World::AwaitWatches(const Snapshot& snapshot) {
  Violations untold;
  for (absl::Duration waited; waited < kWatchCatchUpMax; waited += kLookInterval) {
    untold.clear();
    for (const auto& [replica, log] : cluster_.watches()) CheckWatch(snapshot, replica, log, untold);
    if (untold.empty()) break;
    RunFor(kLookInterval);
  }
  outcome_.violations.insert(outcome_.violations.end(), untold.begin(), untold.end());
}

void World::Count(const Snapshot& snapshot) {
  auto& counts = outcome_.counts;
  cluster_.CountFaults(counts);
  faults_.Count(counts);
  const NetworkCounts& network = network_.counts();
  counts["requests lost"] += network.lost_requests;
  counts["replies lost"] += network.lost_replies;
  counts["requests duplicated"] += network.duplicates;
  counts["messages slow"] += network.slow;
  counts["messages cut off"] += network.cut;
  counts["messages to the frozen"] += network.frozen;
  counts["calls to a replica that was down, another up"] += network.to_the_dead;
  counts["calls unavailable"] += network.unavailable;
  counts["requests handled after their caller gave up"] += network.after_timeout;
  counts["calls that came again"] += stragglers_.repeated();
  counts["calls with another payload under their step"] += stragglers_.altered();
  counts["calls of a saga of long ago"] += stragglers_.ancient();
  CountLayer1(snapshot, clients_.history(), network_.exchanges(), counts);
  CountLayer2(snapshot, network_.exchanges(), counts);
  CountReplicas(clients_.history(), network_.exchanges(), counts);
  CountBatches(network_.exchanges(), counts);
  CountEnds(snapshot, network_.exchanges(), counts);
  operators_.Count(counts);
  const auto poisoned = snapshot.sagas.find(cluster_.poison().saga_id());
  const bool parked = poisoned != snapshot.sagas.end() && poisoned->second.phase == engine::Phase::kParked;
  counts["killed its coordinators: parked"] += parked;
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
  cluster_.Stop();
  outcome_.trace_hash = scheduler_.trace_hash();
  outcome_.steps = scheduler_.steps();
  outcome_.simulated = scheduler_.now() - began;
  const absl::StatusOr<Snapshot> snapshot = cluster_.Look();
  if (!snapshot.ok()) {
    outcome_.violations.push_back(absl::StrCat("the databases cannot be read: ", snapshot.status().ToString()));
    return std::move(outcome_);
  }
  Count(*snapshot);
  Violations found = CheckAll(*snapshot, clients_.history(), network_.exchanges());
  operators_.CheckDone(*snapshot, found);
  CheckPoison(*snapshot, cluster_.poison().saga_id(), cluster_.poison().kills(), found);
  outcome_.violations.insert(outcome_.violations.end(), found.begin(), found.end());
  for (const std::string& violation : outcome_.violations) scheduler_.Trace("checker", violation);
  return std::move(outcome_);
}

}  // namespace

Outcome Simulate(const WorldOptions& options) { return World(options).Run(); }

}  // namespace sagamesh::simulation
