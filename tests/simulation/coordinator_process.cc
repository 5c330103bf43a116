#include <utility>
#include <vector>

#include "coordinator/definitions/process_order.h"
#include "coordinator/journal/journal.h"
#include "coordinator/runtime/runtime.h"
#include "coordinator/service/logic.h"
#include "coordinator/service/watch_hub.h"
#include "tests/simulation/callers.h"
#include "tests/simulation/check.h"
#include "tests/simulation/clients.h"
#include "tests/simulation/node.h"
#include "tests/simulation/processes.h"

namespace sagamesh::simulation {
namespace {

constexpr int kLoops = 2;

// Renews the lease as long as the process lives.
void Heartbeat(journal::Journal& journal, EventLoop& timers) {
  journal.Heartbeat([&journal, &timers](absl::Status) {
    timers.PostAfter(journal::JournalOptions{}.lease / 3, [&journal, &timers] { Heartbeat(journal, timers); });
  });
}

}  // namespace

void BootCoordinator(Life& life, Storage& storage, Network& network, const Limits& limits, WatchLog& watch_log) {
  Node& node = life.Make<Node>(life, storage, network);
  auto& definitions = life.Make<engine::DefinitionSet>();
  absl::StatusOr<engine::Definition> process_order = definitions::MakeProcessOrder();
  Check(process_order.ok(), "process_order is no definition");
  definitions.Add(*std::move(process_order));
  coordinator::WatchLimits watch_limits;
  watch_limits.max_buffered_changes = limits.changes_per_watcher;
  auto& hub = life.Make<coordinator::WatchHub>(watch_limits);
  journal::JournalOptions journal_options;
  journal_options.content_key_window = kContentKeyWindow;
  journal_options.max_queued_operations = limits.queued_writes;
  journal_options.max_queued_reads = limits.queued_reads;
  auto& journal = life.Make<journal::Journal>(
      journal_options, node.database(), node.workers(), life.clock(), life.random(), life.registry(),
      [&hub](absl::Span<const engine::SagaRecord> changed, int64_t oldest_untold_ms) {
        hub.Publish(changed, oldest_untold_ms);
      });
  auto& caller = life.Make<SimStepCaller>(life, network);
  std::vector<EventLoop*> loops;
  for (int i = 0; i < kLoops; i++) loops.push_back(&life.MakeLoop());
  runtime::RuntimeOptions runtime_options;
  runtime_options.max_inflight_sagas = limits.inflight_sagas;
  runtime_options.max_waiters_per_saga = limits.waiters_per_saga;
  runtime_options.compensation_wait = limits.compensation_wait;
  auto& runtime = life.Make<runtime::Runtime>(runtime_options, definitions, journal, caller, loops, life.clock(),
                                              life.random(), life.registry());
  auto& logic = life.Make<coordinator::OrderLogic>(definitions, runtime);
  node.edge().Unary<::coordinator::v1::ProcessOrderRequest, ::coordinator::v1::ProcessOrderResponse>(
      kProcessOrder, [&logic](const CallContext& call, const auto& request, auto done) {
        logic.ProcessOrder(call, request, std::move(done));
      });
  auto& watch = life.Make<SimWatch>(life, hub, journal, watch_log);
  node.Serve([&journal] { return journal.Open(); },
             [&runtime, &journal, &node, &watch] {
               runtime.Recover();
               watch.Begin();
               Heartbeat(journal, node.timers());
             });
}

}  // namespace sagamesh::simulation
