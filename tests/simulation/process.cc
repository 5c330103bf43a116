#include "tests/simulation/process.h"

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/simulation/check.h"

namespace sagamesh::simulation {

// Tasks in the order they came, one a step.
class SimEventLoop final : public EventLoop, public std::enable_shared_from_this<SimEventLoop> {
 public:
  explicit SimEventLoop(Life& life) : scheduler_(life.scheduler()) {}

  void Post(Task task) override {
    if (stopped_) return;
    ready_.push_back(std::move(task));
    Kick();
  }

  void PostAfter(absl::Duration delay, Task task) override {
    if (stopped_) return;
    const uint64_t id = next_timer_++;
    timers_.emplace(id, std::move(task));
    scheduler_.After(delay, [self = shared_from_this(), id] { self->Fire(id); });
  }

  void Shutdown() override {
    stopped_ = true;
    Clear();
  }

  // Tasks stay where they are until Clear: their destructors may touch objects that a fibre still uses.
  void Stop() { stopped_ = true; }
  void Hold(bool held) {
    held_ = held;
    Kick();
  }
  void Clear() {
    while (!ready_.empty()) std::exchange(ready_, {}).clear();
    while (!timers_.empty()) std::exchange(timers_, {}).clear();
  }

 private:
  void Kick() {
    if (scheduled_ || ready_.empty() || stopped_ || held_) return;
    scheduled_ = true;
    scheduler_.Ready([self = shared_from_this()] { self->RunOne(); });
  }

  void RunOne() {
    scheduled_ = false;
    if (stopped_ || held_ || ready_.empty()) return;
    {
      Task task = std::move(ready_.front());
      ready_.pop_front();
      std::move(task)();
    }
    Kick();
  }

  void Fire(uint64_t id) {
    const auto found = timers_.find(id);
    if (stopped_ || found == timers_.end()) return;
    ready_.push_back(std::move(found->second));
    timers_.erase(found);
    Kick();
  }

  Scheduler& scheduler_;
  bool stopped_ = false;
  bool held_ = false;
  bool scheduled_ = false;
  std::deque<Task> ready_;
  std::map<uint64_t, Task> timers_;
  uint64_t next_timer_ = 0;
};

class SimWorkerPool final : public WorkerPool, public std::enable_shared_from_this<SimWorkerPool> {
 public:
  SimWorkerPool(Life& life, int threads) : life_(life), threads_(threads) {}

  void Post(Task task) override {
    if (stopped_) return;
    ready_.push_back(std::move(task));
    Kick();
  }

  void Shutdown() override {
    stopped_ = true;
    Clear();
  }

  void Stop() { stopped_ = true; }
  // The fibres that run are held apart.
  void Hold(bool held) {
    held_ = held;
    Kick();
  }
  void Clear() {
    while (!ready_.empty()) std::exchange(ready_, {}).clear();
  }

 private:
  void Kick() {
    while (!stopped_ && !held_ && running_ < threads_ && !ready_.empty()) {
      running_++;
      Task task = std::move(ready_.front());
      ready_.pop_front();
      const uint64_t fibre = life_.scheduler_.Spawn([self = shared_from_this(), task = std::move(task)]() mutable {
        std::move(task)();
        task = nullptr;
        self->running_--;
        self->life_.fibres_.erase(self->life_.scheduler_.current());
        self->Kick();
      });
      life_.fibres_.insert(fibre);
    }
  }

  Life& life_;
  const int threads_;
  int running_ = 0;
  bool stopped_ = false;
  bool held_ = false;
  std::deque<Task> ready_;
};

void Life::SimClock::SleepFor(absl::Duration duration) {
  if (life_.alive_) {
    Check(life_.scheduler_.in_fibre(), "SleepFor outside of a worker");
    life_.scheduler_.Park(std::max(duration, absl::Microseconds(1)));
  }
  if (!life_.alive_) {
    dead_offset_ += std::max(duration, absl::Milliseconds(1));
    Check(dead_offset_ < absl::Hours(24), "a worker of a crashed process does not end");
  }
}

Life::Life(Scheduler& scheduler, std::string name, int number, uint64_t seed, const absl::Duration& clock_error)
    : scheduler_(scheduler),
      name_(std::move(name)),
      id_(absl::StrCat(name_, "#", number)),
      clock_error_(clock_error),
      random_(seed),
      clock_(*this) {}

Life::~Life() { Check(objects_.empty(), "a life is destroyed before it was buried"); }

EventLoop& Life::MakeLoop() {
  loops_.push_back(std::make_shared<SimEventLoop>(*this));
  return *loops_.back();
}

WorkerPool& Life::MakePool(int threads) {
  pools_.push_back(std::make_shared<SimWorkerPool>(*this, threads));
  return *pools_.back();
}

void Life::Freeze() {
  Check(!scheduler_.in_fibre(), "a process is frozen between two steps");
  frozen_ = true;
  for (const auto& loop : loops_) loop->Hold(true);
  for (const auto& pool : pools_) pool->Hold(true);
  for (const uint64_t fibre : fibres_) scheduler_.Hold(fibre);
}

void Life::Thaw() {
  frozen_ = false;
  for (const auto& loop : loops_) loop->Hold(false);
  for (const auto& pool : pools_) pool->Hold(false);
  for (const uint64_t fibre : fibres_) scheduler_.Release(fibre);
  for (Task& task : std::exchange(when_thawed_, {})) scheduler_.Ready(std::move(task));
}

void Life::WhenAwake(Task task) {
  if (!frozen_) return std::move(task)();
  when_thawed_.push_back(std::move(task));
}

void Life::Crash() {
  Check(!scheduler_.in_fibre(), "a process crashes between two steps");
  alive_ = false;
  for (const auto& loop : loops_) loop->Stop();
  for (const auto& pool : pools_) pool->Stop();
  for (Task& task : on_crash_) std::move(task)();
  on_crash_.clear();
  when_thawed_.clear();
  if (frozen_) Thaw();
  for (const uint64_t fibre : fibres_) scheduler_.Wake(fibre);
}

void Life::Bury() {
  Check(!alive_ && settled(), "only the settled dead are buried");
  for (const auto& loop : loops_) loop->Clear();
  for (const auto& pool : pools_) pool->Clear();
  while (!objects_.empty()) objects_.pop_back();
}

Process::Process(Scheduler& scheduler, std::string name, Boot boot)
    : scheduler_(scheduler), name_(std::move(name)), boot_(std::move(boot)) {}

Process::~Process() {
  if (up()) Crash();
  const bool settled = scheduler_.RunUntil(
      [this] {
        BuryDead();
        return all_buried();
      },
      absl::Hours(1));
  Check(settled, "a worker of a crashed process does not end");
}

void Process::Start() {
  Check(!up(), "the process runs already");
  scheduler_.Trace(name_, "starts");
  life_ = std::make_unique<Life>(scheduler_, name_, ++lives_, scheduler_.rng().Next(), clock_error_);
  boot_(*life_);
}

void Process::Crash() {
  Check(up(), "the process is down already");
  scheduler_.Trace(name_, "crashes");
  crashes_++;
  life_->Crash();
  graveyard_.push_back(std::move(life_));
}

void Process::FreezeFor(absl::Duration duration) {
  Check(up() && !frozen(), "what is frozen runs");
  scheduler_.Trace(name_, "stands still for ", absl::ToInt64Milliseconds(duration), " ms");
  freezes_++;
  life_->Freeze();
  scheduler_.After(duration, [this, life = lives_] {
    if (life == lives_) Thaw();
  });
}

void Process::Thaw() {
  if (!frozen()) return;
  scheduler_.Trace(name_, "goes on");
  life_->Thaw();
}

void Process::BuryDead() {
  for (size_t i = 0; i < graveyard_.size();) {
    if (!graveyard_[i]->settled()) {
      i++;
      continue;
    }
    graveyard_[i]->Bury();
    graveyard_.erase(graveyard_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

}  // namespace sagamesh::simulation
