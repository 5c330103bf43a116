#include "tests/simulation/node.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/simulation/check.h"

namespace sagamesh::simulation {

Node::Node(Life& life, Storage& storage, Network& network)
    : life_(life),
      network_(network),
      database_(storage.Open(life), life.registry()),
      workers_(life.MakePool(kWorkers)),
      timers_(life.MakeLoop()),
      edge_(std::make_unique<SimEdge>(life, network, life.service(), [this] { return monitor_->Ready(); })) {}

void Node::Serve(absl::AnyInvocable<absl::Status()> open, std::function<void()> opened) {
  rpc::DatabaseMonitor::Options monitor;
  monitor.domain = life_.service();
  monitor.open = [open = std::move(open), opened = std::move(opened)]() mutable {
    absl::Status status = open();
    if (status.ok() && opened) opened();
    return status;
  };
  monitor.on_change = [](bool) {};
  monitor.on_fatal = [this](const absl::Status& status) {
    if (life_.alive()) Die(absl::StrCat(life_.name(), " cannot go on: ", status.ToString()));
  };
  monitor_ = std::make_unique<rpc::DatabaseMonitor>(std::move(monitor), database_, workers_, timers_);
  edge_->Listen();
  monitor_->Start();
}

}  // namespace sagamesh::simulation
