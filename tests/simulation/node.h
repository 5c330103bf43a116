#ifndef SAGAMESH_TESTS_SIMULATION_NODE_H_
#define SAGAMESH_TESTS_SIMULATION_NODE_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "common/rpc/database_monitor.h"
#include "common/sql/counted.h"
#include "tests/simulation/edge.h"
#include "tests/simulation/network.h"
#include "tests/simulation/process.h"
#include "tests/simulation/storage.h"

namespace sagamesh::simulation {

// What common/service's Process is in production: what the objects of one life are made from. Owned by the life.
class Node {
 public:
  static constexpr int kWorkers = 7;

  Node(Life& life, Storage& storage, Network& network);

  Life& life() { return life_; }
  Network& network() { return network_; }
  sql::Database& database() { return database_; }
  WorkerPool& workers() { return workers_; }
  EventLoop& timers() { return timers_; }
  SimEdge& edge() { return *edge_; }

  // As sagamesh::Process::Serve.
  void Serve(absl::AnyInvocable<absl::Status()> open, std::function<void()> opened);

 private:
  Life& life_;
  Network& network_;
  sql::CountedDatabase database_;
  WorkerPool& workers_;
  EventLoop& timers_;
  std::unique_ptr<SimEdge> edge_;
  std::unique_ptr<rpc::DatabaseMonitor> monitor_;
};

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_NODE_H_
