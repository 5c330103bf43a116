#include "tests/simulation/scheduler.h"

#include <algorithm>

#include "tests/simulation/check.h"

namespace sagamesh::simulation {
namespace {

// Some work takes time, so that no chain of jobs can hold the timers up for ever.
constexpr int64_t kStepMaxMicros = 20;

}  // namespace

Scheduler::Scheduler(uint64_t seed, bool print) : trace_(print), rng_(seed) {}

Scheduler::~Scheduler() {
  // Jobs first: they may hold what fibres use.
  runnable_.clear();
  timers_.clear();
}

void Scheduler::Ready(Task job) { runnable_.push_back({std::move(job), 0}); }

void Scheduler::After(absl::Duration delay, Task job) {
  timers_.push_back({now_ + std::max(delay, absl::ZeroDuration()), next_timer_++, std::move(job)});
  std::push_heap(timers_.begin(), timers_.end());
}

uint64_t Scheduler::Spawn(Task body) {
  const uint64_t id = next_fibre_++;
  if (idle_.empty()) idle_.push_back(std::make_unique<Fibre>());
  Sleeper& sleeper = fibres_[id];
  sleeper.fibre = std::move(idle_.back());
  idle_.pop_back();
  sleeper.fibre->Begin(std::move(body));
  runnable_.push_back({nullptr, id});
  return id;
}

void Scheduler::Yield() {
  Check(in_fibre(), "only a fibre may yield");
  runnable_.push_back({nullptr, running_});
  fibres_.at(running_).fibre->Suspend();
}

bool Scheduler::Park(absl::Duration limit) {
  Check(in_fibre(), "only a fibre may wait");
  const uint64_t id = running_;
  Sleeper& sleeper = fibres_.at(id);
  const uint64_t turn = ++sleeper.turn;
  bool timed_out = false;
  if (limit != absl::InfiniteDuration()) {
    // The flag is on the fibre's stack; it is touched only while the fibre is still in this wait.
    After(limit, [this, id, turn, &timed_out] {
      const auto found = fibres_.find(id);
      if (found == fibres_.end() || !found->second.parked || found->second.turn != turn) return;
      timed_out = true;
      Unpark(id, turn);
    });
  }
  sleeper.parked = true;
  sleeper.fibre->Suspend();
  return !timed_out;
}

void Scheduler::Unpark(uint64_t id, uint64_t turn) {
  const auto found = fibres_.find(id);
  if (found == fibres_.end() || !found->second.parked || found->second.turn != turn) return;
  found->second.parked = false;
  runnable_.push_back({nullptr, id});
}

void Scheduler::Wake(uint64_t fibre) {
  const auto found = fibres_.find(fibre);
  if (found != fibres_.end()) Unpark(fibre, found->second.turn);
}

void Scheduler::Hold(uint64_t fibre) {
  Check(!in_fibre(), "a fibre is held between two steps");
  const auto found = fibres_.find(fibre);
  if (found != fibres_.end()) found->second.held = true;
}

void Scheduler::Release(uint64_t fibre) {
  const auto found = fibres_.find(fibre);
  if (found == fibres_.end()) return;
  found->second.held = false;
  if (std::exchange(found->second.due, false)) runnable_.push_back({nullptr, fibre});
}

void Scheduler::FireTimers() {
  while (!timers_.empty() && timers_.front().at <= now_) {
    std::pop_heap(timers_.begin(), timers_.end());
    runnable_.push_back({std::move(timers_.back().job), 0});
    timers_.pop_back();
  }
}

bool Scheduler::Step() {
  Check(!in_fibre(), "a fibre may not run the scheduler");
  now_ += absl::Microseconds(rng_.Below(kStepMaxMicros));
  if (runnable_.empty() && !timers_.empty()) now_ = std::max(now_, timers_.front().at);
  FireTimers();
  if (runnable_.empty()) return false;
  std::swap(runnable_[rng_.Below(runnable_.size())], runnable_.back());
  Runnable chosen = std::move(runnable_.back());
  runnable_.pop_back();
  steps_++;
  if (chosen.fibre != 0) {
    RunFibre(chosen.fibre);
  } else {
    std::move(chosen.job)();
  }
  return true;
}

void Scheduler::RunFibre(uint64_t id) {
  const auto found = fibres_.find(id);
  Sleeper& sleeper = found->second;
  if (sleeper.held) {
    sleeper.due = true;
    return;
  }
  running_ = id;
  sleeper.fibre->Resume();
  running_ = 0;
  if (!sleeper.fibre->done()) return;
  idle_.push_back(std::move(sleeper.fibre));
  fibres_.erase(found);
}

bool Scheduler::RunUntil(const std::function<bool()>& end, absl::Duration limit) {
  const absl::Time last = now_ + limit;
  while (!end()) {
    if (now_ > last || !Step()) return false;
  }
  return true;
}

}  // namespace sagamesh::simulation
