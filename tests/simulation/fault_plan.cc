#include "tests/simulation/fault_plan.h"

namespace sagamesh::simulation {
namespace {

// 0 in one half of the runs, else a probability up to `most`.
double Sometimes(Rng& rng, double most) {
  const double drawn = rng.NextDouble();
  return rng.Chance(0.5) ? most * drawn : 0;
}

}  // namespace

FaultPlan FaultPlan::Draw(Rng& rng) {
  FaultPlan plan;
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
  plan.storage.slow = Sometimes(rng, 0.05);
  if (rng.Chance(0.75)) plan.steps_per_crash = rng.Between(800, 6'000);
  if (rng.Chance(0.4)) plan.steps_per_outage = rng.Between(1'000, 8'000);
  return plan;
}

}  // namespace sagamesh::simulation
