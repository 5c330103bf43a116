#include "coordinator/runtime/saga_metrics.h"

namespace sagamesh::runtime {
namespace {

prometheus::Counter& Entries(metrics::Registry& registry, const std::string& state) {
  return registry.Counter("sagamesh_sagas_entered_total", "Sagas that durably entered a state.", {{"state", state}});
}

prometheus::Counter& Requests(metrics::Registry& registry, const std::string& outcome) {
  return registry.Counter("sagamesh_saga_requests_total", "Requests to run a saga, by what their key found.",
                          {{"outcome", outcome}});
}

}  // namespace

SagaMetrics::SagaMetrics(metrics::Registry& registry)
    : registry_(registry),
      started_(Requests(registry, "started")),
      recovered_(registry.Counter("sagamesh_sagas_recovered_total", "Sagas taken up from their rows.")),
      attached_(Requests(registry, "attached")),
      replayed_(Requests(registry, "replayed")),
      compensating_(Entries(registry, "compensating")),
      succeeded_(Entries(registry, "succeeded")),
      compensated_(Entries(registry, "compensated")),
      parked_(Entries(registry, "parked")),
      stuck_(registry.Counter("sagamesh_sagas_stuck_total", "Sagas whose compensation failed --stuck-after times.")),
      fenced_(registry.Counter("sagamesh_sagas_fenced_total", "Sagas dropped because another replica owns them.")) {}

void SagaMetrics::Entered(engine::Phase phase) {
  switch (phase) {
    case engine::Phase::kRunning:
      return;
    case engine::Phase::kCompensating:
      return compensating_.Increment();
    case engine::Phase::kParked:
      return parked_.Increment();
    case engine::Phase::kSucceeded:
      return succeeded_.Increment();
    case engine::Phase::kCompensated:
      return compensated_.Increment();
  }
}

// So rare that they need no place of their own.
void SagaMetrics::Commanded(engine::Command::Kind kind, engine::CommandOutcome outcome) {
  const bool done = outcome == engine::CommandOutcome::kDone;
  const bool unchanged = outcome == engine::CommandOutcome::kUnchanged;
  registry_
      .Counter("sagamesh_saga_commands_total", "Operators' commands to sagas, by what became of them.",
               {{"command", kind == engine::Command::Kind::kRetry ? "retry" : "compensate"},
                {"outcome", done        ? "done"
                            : unchanged ? "unchanged"
                                        : "refused"}})
      .Increment();
}

InflightSagas::InflightSagas(metrics::Registry& registry)
    : gauge_(registry.Gauge("sagamesh_sagas_inflight", "Sagas in memory.")) {}

}  // namespace sagamesh::runtime
