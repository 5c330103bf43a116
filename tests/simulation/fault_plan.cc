#include "tests/simulation/fault_plan.h"

namespace sagamesh::simulation {
namespace {

// 0 in one half of the runs, else a probability up to `most`.
double Sometimes(Rng& rng, double most) {
  const double drawn = rng.NextDouble();
  return rng.Chance(0.5) ? most * drawn : 0;
}

// 0 except in so many of the runs.
uint64_t StepsPer(Rng& rng, double runs, int64_t least, int64_t most) {
  return rng.Chance(runs) ? rng.Between(least, most) : 0;
}

ServicePlan DrawService(Rng& rng, int replicas_max) {
  ServicePlan plan;
  plan.replicas = rng.Chance(0.3) ? 1 : static_cast<int>(rng.Between(2, replicas_max));
  plan.shared = plan.replicas > 1 || rng.Chance(0.5);
  return plan;
}

Limits DrawLimits(Rng& rng) {
  Limits limits;
  limits.writers = static_cast<int>(rng.Between(1, 3));
  if (rng.Chance(0.3)) limits.queued_writes = static_cast<int>(rng.Between(2, 8));
  if (rng.Chance(0.3)) limits.queued_reads = static_cast<int>(rng.Between(1, 4));
  if (rng.Chance(0.3)) limits.inflight_sagas = static_cast<int>(rng.Between(2, 8));
  if (rng.Chance(0.3)) limits.waiters_per_saga = static_cast<int>(rng.Between(1, 4));
  if (rng.Chance(0.3)) limits.changes_per_watcher = static_cast<int>(rng.Between(2, 8));
  if (rng.Chance(0.3)) limits.batch_calls = static_cast<int>(rng.Between(1, 4));
  if (rng.Chance(0.2)) limits.waiting_calls = static_cast<int>(rng.Between(2, 6));
  limits.compensation_wait = rng.Between(absl::Milliseconds(100), absl::Seconds(5));
  return limits;
}

}  // namespace

FaultPlan FaultPlan::Draw(Rng& rng) {
  FaultPlan plan;
  plan.reserve_first = rng.Chance(0.3);
  plan.coordinators = DrawService(rng, 3);
  plan.orders = DrawService(rng, 3);
  plan.customers = DrawService(rng, 2);
  plan.network.lose_request = Sometimes(rng, 0.1);
  plan.network.lose_reply = Sometimes(rng, 0.1);
  plan.network.duplicate = Sometimes(rng, 0.3);
  plan.network.slow = Sometimes(rng, 0.1);
  plan.storage.connect_unavailable = Sometimes(rng, 0.2);
  plan.storage.unavailable = Sometimes(rng, 0.01);
  plan.storage.aborted = Sometimes(rng, 0.02);
  plan.storage.commit_aborted = Sometimes(rng, 0.1);
  plan.storage.unknown_done = Sometimes(rng, 0.1);
  plan.storage.unknown_lost = Sometimes(rng, 0.1);
  plan.storage.unknown_late = Sometimes(rng, 0.05);
  plan.storage.cut_off_after_unknown = Sometimes(rng, 0.5);
  plan.storage.slow = Sometimes(rng, 0.05);
  plan.limits = DrawLimits(rng);
  if (rng.Chance(0.5)) plan.clock_error_max = rng.Between(absl::Milliseconds(10), kClockErrorMax);
  if (rng.Chance(0.5)) plan.watcher_pause_max = rng.Between(absl::Milliseconds(10), absl::Seconds(2));
  plan.steps_per_crash = StepsPer(rng, 0.75, 800, 6'000);
  if (rng.Chance(0.1)) plan.poison = 0.05;
  plan.steps_per_freeze = StepsPer(rng, 0.5, 1'000, 8'000);
  plan.steps_per_outage = StepsPer(rng, 0.4, 1'000, 8'000);
  plan.steps_per_slow_disk = StepsPer(rng, 0.4, 1'000, 8'000);
  plan.steps_per_cut = StepsPer(rng, 0.4, 1'000, 8'000);
  plan.steps_per_clock_jump = StepsPer(rng, 0.3, 2'000, 8'000);
  plan.steps_per_straggler = StepsPer(rng, 0.75, 50, 500);
  plan.named_replicas = rng.Chance(0.5);
  return plan;
}

}  // namespace sagamesh::simulation
