#include <utility>
#include <vector>

#include "coordinator/definitions/process_order.h"
#include "coordinator/journal/journal.h"
#include "coordinator/runtime/lease_keeper.h"
#include "coordinator/runtime/runtime.h"
#include "coordinator/service/logic.h"
#include "coordinator/service/peer_changes.h"
#include "coordinator/service/watch_hub.h"
#include "tests/simulation/callers.h"
#include "tests/simulation/check.h"
#include "tests/simulation/checkers.h"
#include "tests/simulation/clients.h"
#include "tests/simulation/node.h"
#include "tests/simulation/operators.h"
#include "tests/simulation/processes.h"
#include "tests/simulation/reserve_first.h"

namespace sagamesh::simulation {
namespace {

constexpr int kLoops = 2;

void TraceChange(Life& life, const engine::SagaRecord& saga) {
  life.scheduler().Trace(life.name(), "saga ", saga.saga_id, " is ", NameOf(saga.phase), ", version ", saga.version,
                         ", epoch ", saga.epoch, ", owner ", saga.owner,
                         Shown{[&saga] { return saga.park_reason.empty() ? "" : ", " + saga.park_reason; }});
}

// What its metrics say at its end.
void CountAtTheEnd(Life& life, Counts& counts) {
  const auto add = [&life, &counts](const char* metric, const char* help, const char* name) {
    life.OnCrash([&counter = life.registry().Counter(metric, help), &counts, name] {
      counts[name] += static_cast<int64_t>(counter.Value());
    });
  };
  add("sagamesh_journal_heartbeats_total", "Renewals of the lease, each a commit.", "leases renewed");
  add("sagamesh_sagas_fenced_total", "Sagas dropped because another replica owns them.",
      "sagas fenced at their zombie");
  add("sagamesh_step_batches_failed_total", "Batches that failed as a whole.", "batches that failed as a whole");
  add("sagamesh_step_calls_alone_total", "Calls of sagas that went by no batch.", "calls that went alone");
}

}  // namespace

void BootCoordinator(Life& life, Storage& storage, Network& network, const Limits& limits,
                     const CoordinatorSurroundings& surroundings) {
  Node& node = life.Make<Node>(life, storage, network);
  auto& definitions = life.Make<engine::DefinitionSet>();
  absl::StatusOr<engine::Definition> process_order =
      surroundings.reserve_first ? MakeReserveFirst() : definitions::MakeProcessOrder();
  Check(process_order.ok(), "process_order is no definition");
  definitions.Add(*std::move(process_order));
  coordinator::WatchLimits watch_limits;
  watch_limits.max_buffered_changes = limits.changes_per_watcher;
  auto& hub = life.Make<coordinator::WatchHub>(watch_limits);
  journal::JournalOptions journal_options;
  if (surroundings.named_replicas) journal_options.replica = life.name();
  journal_options.content_key_window = kContentKeyWindow;
  journal_options.max_queued_operations = limits.queued_writes;
  journal_options.max_queued_reads = limits.queued_reads;
  auto& journal = life.Make<journal::Journal>(
      journal_options, node.database(), node.workers(), life.clock(), life.random(), life.registry(),
      [&life, &hub](absl::Span<const engine::SagaRecord> changed, int64_t oldest_untold_ms) {
        for (const engine::SagaRecord& saga : changed) TraceChange(life, saga);
        hub.Publish(changed, oldest_untold_ms);
      });
  rpc::StepCaller& batching =
      MakeBatchingCaller(node, limits, {"orders.v1.OrdersService", "customers.v1.StockService"});
  auto& caller = life.Make<PoisonedStepCaller>(life, surroundings.poison, batching);
  std::vector<EventLoop*> loops;
  for (int i = 0; i < kLoops; i++) loops.push_back(&life.MakeLoop());
  runtime::RuntimeOptions runtime_options;
  runtime_options.max_inflight_sagas = limits.inflight_sagas;
  runtime_options.max_waiters_per_saga = limits.waiters_per_saga;
  runtime_options.compensation_wait = limits.compensation_wait;
  auto& runtime = life.Make<runtime::Runtime>(runtime_options, definitions, journal, caller, loops, life.clock(),
                                              life.random(), life.registry());
  auto& keeper = life.Make<runtime::LeaseKeeper>(journal, runtime, node.timers(), journal_options.lease);
  auto& peer_changes = life.Make<coordinator::PeerChanges>(hub, coordinator::JournalChanges(journal), node.timers());
  auto& logic = life.Make<coordinator::OrderLogic>(definitions, runtime);
  node.edge().Unary<::coordinator::v1::ProcessOrderRequest, ::coordinator::v1::ProcessOrderResponse>(
      kProcessOrder, [&logic](const CallContext& call, const auto& request, auto done) {
        logic.ProcessOrder(call, request, std::move(done));
      });
  auto& sagas = life.Make<coordinator::SagaLogic>(definitions, journal, runtime, hub);
  node.edge().Unary<::saga::v1::RetrySagaRequest, ::saga::v1::RetrySagaResponse>(
      kRetrySaga, [&sagas](const CallContext& call, const auto& request, auto done) {
        sagas.RetrySaga(call, request, std::move(done));
      });
  node.edge().Unary<::saga::v1::CompensateSagaRequest, ::saga::v1::CompensateSagaResponse>(
      kCompensateSaga, [&sagas](const CallContext& call, const auto& request, auto done) {
        sagas.CompensateSaga(call, request, std::move(done));
      });
  auto& watch = life.Make<SimWatch>(life, hub, journal, surroundings.watch_log);
  CountAtTheEnd(life, surroundings.counts);
  node.Serve([&journal] { return journal.Open(); },
             [&life, &journal, &runtime, &keeper, &peer_changes, &watch] {
               life.scheduler().Trace(life.name(), "opened its journal as ", journal.incarnation());
               runtime.Recover();
               keeper.Begin();
               peer_changes.Begin();
               watch.Begin();
             });
}

}  // namespace sagamesh::simulation
