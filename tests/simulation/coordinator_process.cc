#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/hash/sha256.h"
#include "common/status/error.h"
#include "coordinator/definitions/process_order.h"
#include "coordinator/journal/journal.h"
#include "coordinator/runtime/runtime.h"
#include "tests/simulation/callers.h"
#include "tests/simulation/check.h"
#include "tests/simulation/clients.h"
#include "tests/simulation/node.h"
#include "tests/simulation/processes.h"

namespace sagamesh::simulation {
namespace {

constexpr int kLoops = 2;

std::string Fingerprint(const std::string& canonical, const std::optional<Fault>& fault) {
  std::string text = absl::StrCat("process_order/1:", canonical.size(), ":", canonical);
  if (fault.has_value()) {
    absl::StrAppend(&text, fault->method, ":", fault->abort_code, ":", absl::ToInt64Microseconds(fault->delay), ":",
                    fault->after);
  }
  return Sha256Hex(text);
}

// One ProcessOrder call: the runtime's answer as the client sees it.
void ProcessOrder(runtime::Runtime& runtime, const engine::Definition& definition, const CallContext& call,
                  const std::string& bytes, Network::Reply reply) {
  const absl::StatusOr<std::string> canonical = definition.canonicalize(bytes);
  if (!canonical.ok()) return reply(canonical.status(), {});
  runtime::Runtime::Request request;
  request.definition = &definition;
  request.input = *canonical;
  request.fingerprint = Fingerprint(*canonical, call.fault);
  request.call = call;
  runtime.Run(std::move(request), [reply = std::move(reply)](absl::StatusOr<runtime::Answer> answer) mutable {
    if (!answer.ok()) return reply(answer.status(), {});
    const ReplyInfo info{answer->replayed, answer->compensating};
    if (answer->succeeded) return reply(std::move(answer->bytes), info);
    google::rpc::Status error;
    error.ParseFromString(answer->bytes);
    reply(FromProto(error), info);
  });
}

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
  node.edge().Raw(kProcessOrder, [&runtime, definition = definitions.Find("process_order")](
                                     const CallContext& call, const std::string& bytes, Network::Reply reply) {
    ProcessOrder(runtime, *definition, call, bytes, std::move(reply));
  });
  node.Serve([&journal] { return journal.Open(); },
             [&runtime, &journal, &node] {
               runtime.Recover();
               Heartbeat(journal, node.timers());
             });
}

}  // namespace sagamesh::simulation
