#include <utility>
#include <vector>

#include "coordinator/definitions/process_order.h"
#include "coordinator/journal/journal.h"
#include "coordinator/runtime/runtime.h"
#include "coordinator/service/logic.h"
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

void BootCoordinator(Life& life, Storage& storage, Network& network) {
  Node& node = life.Make<Node>(life, storage, network);
  auto& definitions = life.Make<engine::DefinitionSet>();
  absl::StatusOr<engine::Definition> process_order = definitions::MakeProcessOrder();
  Check(process_order.ok(), "process_order is no definition");
  definitions.Add(*std::move(process_order));
  auto& journal = life.Make<journal::Journal>(journal::JournalOptions{}, node.database(), node.workers(), life.clock(),
                                              life.random(), life.registry(), nullptr);
  auto& caller = life.Make<SimStepCaller>(life, network);
  std::vector<EventLoop*> loops;
  for (int i = 0; i < kLoops; i++) loops.push_back(&life.MakeLoop());
  auto& runtime = life.Make<runtime::Runtime>(runtime::RuntimeOptions{}, definitions, journal, caller, loops,
                                              life.clock(), life.random(), life.registry());
  auto& logic = life.Make<coordinator::OrderLogic>(definitions, runtime);
  node.edge().Unary<::coordinator::v1::ProcessOrderRequest, ::coordinator::v1::ProcessOrderResponse>(
      kProcessOrder, [&logic](const CallContext& call, const auto& request, auto done) {
        logic.ProcessOrder(call, request, std::move(done));
      });
  node.Serve([&journal] { return journal.Open(); },
             [&runtime, &journal, &node] {
               runtime.Recover();
               Heartbeat(journal, node.timers());
             });
}

}  // namespace sagamesh::simulation
