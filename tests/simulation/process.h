#ifndef SAGAMESH_TESTS_SIMULATION_PROCESS_H_
#define SAGAMESH_TESTS_SIMULATION_PROCESS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/clock/clock.h"
#include "common/exec/executor.h"
#include "common/metrics/metrics.h"
#include "tests/simulation/rng.h"
#include "tests/simulation/scheduler.h"

namespace sagamesh::simulation {

class SimEventLoop;
class SimWorkerPool;

// One life of a simulated process, from its start to its crash: the seams that its objects were given, and the objects.
// After the crash nothing of it has an effect any more: tasks and timers are dropped, database calls answer
// UNAVAILABLE, messages are not sent. Fibres that were in the middle go on under these rules until they end; only then
// the objects are destroyed.
class Life {
 public:
  // The process's `number`th. `clock_error`: by how much its clock is wrong; may be changed while it lives.
  Life(Scheduler& scheduler, std::string name, int number, uint64_t seed, const absl::Duration& clock_error);
  ~Life();
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;

  // The process's name, such as "orders/2".
  const std::string& name() const { return name_; }
  // What the process is a replica of: its name up to the slash.
  std::string service() const { return ServiceOf(name_); }
  static std::string ServiceOf(const std::string& name) { return name.substr(0, name.find('/')); }
  // Tells it from every other life of every process: "orders/2#3".
  const std::string& id() const { return id_; }
  bool alive() const { return alive_; }
  Scheduler& scheduler() { return scheduler_; }

  Clock& clock() { return clock_; }
  Rng& random() { return random_; }
  metrics::Registry& registry() { return registry_; }
  EventLoop& MakeLoop();
  // At most `threads` tasks run at a time, each on a fibre.
  WorkerPool& MakePool(int threads);

  // Objects of the process; destroyed in the reverse order, after every task.
  void Own(std::shared_ptr<void> object) { objects_.push_back(std::move(object)); }
  template <typename T, typename... Args>
  T& Make(Args&&... args) {
    auto object = std::make_shared<T>(std::forward<Args>(args)...);
    T& reference = *object;
    Own(std::move(object));
    return reference;
  }

  // Runs when the process crashes, at once: open connections, calls in flight.
  void OnCrash(Task task) { on_crash_.push_back(std::move(task)); }
  // Between two steps of the scheduler, never from a task of its own.
  void Crash();

  // As SIGSTOP and SIGCONT do, between two steps: meanwhile no fibre, loop or timer of it runs; its clock goes on, and
  // what others sent it waits.
  void Freeze();
  void Thaw();
  bool frozen() const { return frozen_; }
  // Something from outside that needs the process to run: at once, or when it has thawed; dropped if it crashes first.
  void WhenAwake(Task task);

  // From a task of its own: an assertion failed. It has no effect from here on, and whoever keeps the process crashes
  // it before the next step.
  void Abort() { alive_ = false; }

  // No fibre is in the middle of a task.
  bool settled() const { return fibres_.empty(); }
  // Destroys tasks, then objects. Only once dead and settled.
  void Bury();

 private:
  friend class SimWorkerPool;

  class SimClock final : public Clock {
   public:
    explicit SimClock(Life& life) : life_(life) {}
    absl::Time Now() const override { return life_.scheduler_.now() + life_.clock_error_ + dead_offset_; }
    void SleepFor(absl::Duration duration) override;

   private:
    Life& life_;
    // The dead do not wait, but their clock goes on, so that loops that wait for a time end.
    absl::Duration dead_offset_ = absl::ZeroDuration();
  };

  Scheduler& scheduler_;
  const std::string name_;
  const std::string id_;
  bool alive_ = true;
  bool frozen_ = false;
  std::vector<Task> when_thawed_;
  const absl::Duration& clock_error_;
  Rng random_;
  SimClock clock_;
  metrics::Registry registry_;
  std::vector<std::shared_ptr<SimEventLoop>> loops_;
  std::vector<std::shared_ptr<SimWorkerPool>> pools_;
  std::vector<std::shared_ptr<void>> objects_;
  std::vector<Task> on_crash_;
  std::set<uint64_t> fibres_;
};

// A process that is started, crashes and is started again. Its lives have nothing in common but what is in databases.
class Process {
 public:
  // Makes the objects of a life. Runs on the scheduler's stack: what waits goes to a pool.
  using Boot = std::function<void(Life&)>;

  Process(Scheduler& scheduler, std::string name, Boot boot);
  ~Process();

  const std::string& name() const { return name_; }
  bool up() const { return life_ != nullptr; }
  // It ended itself: Life::Abort.
  bool aborted() const { return up() && !life_->alive(); }
  bool frozen() const { return up() && life_->frozen(); }
  // nullptr while it is down.
  Life* life() { return life_.get(); }
  int crashes() const { return crashes_; }
  int freezes() const { return freezes_; }

  void Start();
  void Crash();
  // For so long, unless it crashes first.
  void FreezeFor(absl::Duration duration);
  void Thaw();
  // Its machine's clock is wrong by so much from now on.
  void SetClockError(absl::Duration error) { clock_error_ = error; }
  // Destroys earlier lives whose fibres have ended.
  void BuryDead();
  bool all_buried() const { return graveyard_.empty(); }

 private:
  Scheduler& scheduler_;
  const std::string name_;
  const Boot boot_;
  absl::Duration clock_error_ = absl::ZeroDuration();
  std::unique_ptr<Life> life_;
  std::vector<std::unique_ptr<Life>> graveyard_;
  int lives_ = 0;
  int crashes_ = 0;
  int freezes_ = 0;
};

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_PROCESS_H_
