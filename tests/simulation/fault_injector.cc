#include "tests/simulation/fault_injector.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace sagamesh::simulation {
namespace {

// Most restart at once; some only after a peer has taken over what they had.
constexpr double kLongDown = 0.3;

}  // namespace

void FaultInjector::SetClocks() {
  cluster_.ForEach([this](Process& process) { SetClock(process); });
}

void FaultInjector::SetClock(Process& process) {
  process.SetClockError(rng_.Between(-plan_.clock_error_max, plan_.clock_error_max));
}

void FaultInjector::Begin() {
  network_.faults = plan_.network;
  cluster_.ForEachDatabase([this](Storage& database) { database.faults = plan_.storage; });
  for (auto& [replica, log] : cluster_.watches()) log.pause_max = plan_.watcher_pause_max;
}

void FaultInjector::End() {
  network_.faults = NetworkFaults{};
  cluster_.ForEachDatabase([](Storage& database) { database.faults = StorageFaults{}; });
  for (auto& [replica, log] : cluster_.watches()) log.pause_max = absl::ZeroDuration();
  cluster_.Start();
}

void FaultInjector::Step() {
  MaybeCrash();
  MaybeFreeze();
  MaybeFailDatabase();
  MaybeCut();
  if (Now(plan_.steps_per_clock_jump) && plan_.clock_error_max > absl::ZeroDuration()) {
    SetClock(AnyOf(AnyService()));
    clocks_set_++;
  }
}

bool FaultInjector::NowTo(Service& service, uint64_t steps) {
  if (steps == 0) return false;
  const bool amid = service.database->writing() && !service.database->slow_disk();
  return Now(amid ? std::max<uint64_t>(steps / 10, 1) : steps);
}

void FaultInjector::MaybeCrash() {
  if (plan_.steps_per_crash == 0) return;
  Service& service = AnyService();
  if (!NowTo(service, plan_.steps_per_crash)) return;
  Process& process = AnyOf(service);
  if (process.up()) CrashAndRestart(process);
}

void FaultInjector::CrashAndRestart(Process& process) {
  process.Crash();
  const absl::Duration down = rng_.Chance(kLongDown) ? rng_.Between(absl::Seconds(3), absl::Seconds(15))
                                                     : rng_.Between(absl::Milliseconds(50), absl::Seconds(3));
  scheduler_.After(down, [&process] {
    if (!process.up()) process.Start();
  });
}

void FaultInjector::RestartAborted() {
  cluster_.ForEach([this](Process& process) {
    if (process.aborted()) CrashAndRestart(process);
  });
}

void FaultInjector::MaybeFreeze() {
  if (plan_.steps_per_freeze == 0) return;
  Service& service = AnyService();
  if (!NowTo(service, plan_.steps_per_freeze)) return;
  Process& process = AnyOf(service);
  if (!process.up() || process.frozen()) return;
  process.FreezeFor(rng_.Between(absl::Milliseconds(500), absl::Seconds(20)));
  // What it holds in a database that is nobody's alone must not hold up its peers.
  if (!service.database->shared) return;
  scheduler_.After(Storage::kIdleTransactionMax, [&process, &service, id = process.life()->id()] {
    const bool still = process.frozen() && process.life()->id() == id;
    if (still) service.database->EndIdleTransactions(*process.life());
  });
}

void FaultInjector::MaybeFailDatabase() {
  if (Now(plan_.steps_per_outage)) {
    Service& service = AnyService();
    scheduler_.Trace(service.database->name(), "goes away");
    service.database->AwayFor(rng_.Between(absl::Milliseconds(500), absl::Seconds(20)));
    outages_++;
  }
  if (Now(plan_.steps_per_cut)) {
    Service& service = AnyService();
    const std::string process = AnyOf(service).name();
    scheduler_.Trace("network", process, " is cut off from its database");
    service.database->CutOffFor(process, rng_.Between(absl::Milliseconds(500), absl::Seconds(15)));
    cut_off_++;
  }
  if (Now(plan_.steps_per_slow_disk)) {
    Service& service = AnyService();
    scheduler_.Trace(service.database->name(), "has a slow disk");
    service.database->SlowDiskFor(rng_.Between(absl::Milliseconds(500), absl::Seconds(20)));
  }
}

void FaultInjector::MaybeCut() {
  if (!Now(plan_.steps_per_cut)) return;
  // Clients are the peers of all, by the name "".
  std::vector<std::string> ends = {""};
  cluster_.ForEach([&ends](Process& process) { ends.push_back(process.name()); });
  const uint64_t one = rng_.Below(ends.size());
  const uint64_t other = (one + 1 + rng_.Below(ends.size() - 1)) % ends.size();
  network_.CutFor(ends[one], ends[other], rng_.Between(absl::Milliseconds(500), absl::Seconds(15)));
}

void FaultInjector::Count(Counts& counts) const {
  counts["outages of a database"] += outages_;
  counts["processes cut off from their database"] += cut_off_;
  counts["clocks set"] += clocks_set_;
}

}  // namespace sagamesh::simulation
