#ifndef SAGAMESH_TESTS_SIMULATION_SCHEDULER_H_
#define SAGAMESH_TESTS_SIMULATION_SCHEDULER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/exec/executor.h"
#include "tests/simulation/fibre.h"
#include "tests/simulation/rng.h"
#include "tests/simulation/trace.h"

namespace sagamesh::simulation {

// The only thread there is: it holds simulated time, and everything that could run next, and lets its generator choose.
// A step runs one job, or one fibre up to the next point where it waits; everything that happens is a function of the
// seed. (The idea is FoundationDB's: one seed is one execution, and a failure is replayed by its seed.)
class Scheduler {
 public:
  // `print` writes every Trace line to stdout.
  explicit Scheduler(uint64_t seed, bool print = false);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  absl::Time now() const { return now_; }
  Rng& rng() { return rng_; }
  uint64_t steps() const { return steps_; }

  // Runs `job` in some later step, on the scheduler's own stack: it must not wait.
  void Ready(Task job);
  void After(absl::Duration delay, Task job);

  // Runs `body` on a fibre of its own, where it may wait. Returns the fibre's id, which is never used again.
  uint64_t Spawn(Task body);

  // Whether the caller may wait.
  bool in_fibre() const { return running_ != 0; }
  uint64_t current() const { return running_; }

  // From a fibre. Yield lets others go first, now; Park waits for Wake, at most `limit` (false: the limit ended it).
  void Yield();
  bool Park(absl::Duration limit = absl::InfiniteDuration());
  // Does nothing if the fibre does not wait in Park.
  void Wake(uint64_t fibre);

  // From now on the fibre does not run, whatever wakes it, until Release; what woke it meanwhile counts then. Not from
  // a fibre.
  void Hold(uint64_t fibre);
  void Release(uint64_t fibre);

  // Runs one step; time goes on to the next timer where nothing else is left. False: nothing will ever happen again.
  bool Step();
  // Steps until `end` holds (true) or `limit` of simulated time passed (false).
  bool RunUntil(const std::function<bool()>& end, absl::Duration limit);

  // What happened, for people and for the comparison of two runs. `parts` as in TraceLog.
  template <typename... Parts>
  void Trace(absl::string_view who, const Parts&... parts) {
    trace_.Line(now_ - kBirth, who, parts...);
  }
  TraceLog& trace() { return trace_; }
  uint64_t trace_hash() const { return trace_.hash(); }

 private:
  static constexpr absl::Time kBirth = absl::FromUnixSeconds(1'800'000'000);

  struct Runnable {
    Task job;            // or
    uint64_t fibre = 0;  // a fibre that goes on
  };
  struct Timer {
    absl::Time at;
    uint64_t number;  // of two at the same time the older goes first
    Task job;
    bool operator<(const Timer& other) const {
      return at == other.at ? number > other.number : at > other.at;  // the next one is the heap's greatest
    }
  };
  struct Sleeper {
    std::unique_ptr<Fibre> fibre;
    bool parked = false;
    bool held = false;
    bool due = false;   // it would run, were it not held
    uint64_t turn = 0;  // tells this wait from earlier ones
  };

  void FireTimers();
  void RunFibre(uint64_t id);
  void Unpark(uint64_t id, uint64_t turn);

  TraceLog trace_;
  Rng rng_;
  absl::Time now_ = kBirth;
  uint64_t steps_ = 0;

  std::vector<Runnable> runnable_;
  std::vector<Timer> timers_;  // a heap
  uint64_t next_timer_ = 0;
  std::map<uint64_t, Sleeper> fibres_;
  std::vector<std::unique_ptr<Fibre>> idle_;  // whose tasks have ended
  uint64_t next_fibre_ = 1;
  uint64_t running_ = 0;
};

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_SCHEDULER_H_
