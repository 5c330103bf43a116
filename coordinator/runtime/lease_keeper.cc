#include "coordinator/runtime/lease_keeper.h"

#include <spdlog/spdlog.h>

#include <utility>

namespace sagamesh::runtime {

void LeaseKeeper::Begin() {
  incarnation_ = journal_.incarnation();
  Beat();
  Sweep();
}

void LeaseKeeper::Beat() {
  journal_.Heartbeat([this](absl::Status status) {
    if (!status.ok()) spdlog::warn("the lease could not be kept: {}", status.ToString());
    timers_.PostAfter(lease_ / 3, [this] { Beat(); });
  });
}

void LeaseKeeper::Sweep() {
  if (draining_) return;
  journal_.Sweep([this](absl::StatusOr<int> due) {
    Swept(std::move(due));
    timers_.PostAfter(lease_ * 2 / 3, [this] { Sweep(); });
  });
}

void LeaseKeeper::Swept(absl::StatusOr<int> due) {
  if (std::string incarnation = journal_.incarnation(); incarnation != incarnation_) {
    incarnation_ = std::move(incarnation);
    runtime_.DropStrangers(incarnation_);
  }
  if (!due.ok()) return spdlog::warn("dead replicas could not be looked for: {}", due.status().ToString());
  if (*due > 0) runtime_.TakeUpDue();
}

}  // namespace sagamesh::runtime
