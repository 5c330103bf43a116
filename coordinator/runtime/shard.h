#ifndef SAGAMESH_COORDINATOR_RUNTIME_SHARD_H_
#define SAGAMESH_COORDINATOR_RUNTIME_SHARD_H_

#include <atomic>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "common/clock/clock.h"
#include "common/exec/executor.h"
#include "common/random/random.h"
#include "common/rpc/step_caller.h"
#include "coordinator/engine/engine.h"
#include "coordinator/journal/journal.h"
#include "coordinator/runtime/runtime.h"
#include "coordinator/runtime/saga_metrics.h"
#include "coordinator/runtime/waiters.h"

namespace sagamesh::runtime {

// Held by each saga that was taken up from its row, so that its use_count tells how many there are.
using Recovering = std::shared_ptr<const char>;

// What all shards of a runtime share. Thread-safe.
struct Shared {
  const RuntimeOptions options;
  const engine::DefinitionSet& definitions;
  journal::Journal& journal;
  rpc::StepCaller& step_caller;
  Clock& clock;
  Random& random;
  SagaMetrics metrics;

  InflightSagas inflight;
  // Of those, the ones that were taken up from their rows each hold this; shards, and so sagas, may outlive us.
  const Recovering recovering = std::make_shared<char>();
  // Until when sagas wait in their rows, as far as this process left them there: milliseconds since the epoch.
  std::atomic<int64_t> deferred_until_ms{0};
};

// The sagas of one event loop. Every method runs on the loop, so there is no lock; ends of journal writes, calls and
// reads come back to it as tasks. Kept alive by those tasks.
class Shard : public std::enable_shared_from_this<Shard> {
 public:
  Shard(Shared& shared, EventLoop& loop)
      : shared_(shared), loop_(loop), waiters_(shared.options.max_waiters_per_saga) {}

  EventLoop& loop() { return loop_; }

  // Takes a saga into memory; its place in Shared::inflight is counted already. `recovering`: it comes from its row;
  // nullptr: it has just started.
  void Adopt(engine::SagaRecord record, const engine::Definition& definition, Recovering recovering);

  // Waits for the end of a saga, wherever it is.
  void Attach(const std::string& saga_id, absl::Time deadline, AnswerCallback done);

  // Drops the sagas that another than `owner` owns.
  void DropStrangers(const std::string& owner);

  // Tells all who wait, and whoever attaches from now on, that this process ends; the sagas go on.
  void SendCallersAway();

 private:
  struct Slot {
    engine::Saga saga;
    const engine::Definition* definition;
    Recovering recovering;
  };

  // Whether the saga is still in memory as that version of its row. A write that was under way is not its own any more
  // otherwise: the saga was forgotten, or taken up again from its row.
  bool Holds(const std::string& saga_id, uint64_t version) const;

  // The engine's turn: decides and carries out.
  void Happen(const std::string& saga_id, engine::Event event);
  void CarryOut(const std::string& saga_id, engine::WriteJournal action);
  void CarryOut(const std::string& saga_id, engine::CallStep action);
  void CarryOut(const std::string& saga_id, engine::SetTimer action);
  void CarryOut(const std::string& saga_id, engine::ReadRow action);
  void CarryOut(const std::string& saga_id, engine::AnswerCallers action);
  void CarryOut(const std::string& saga_id, engine::Forget action);

  void DeferredUntil(int64_t due_ms);
  void Written(const std::string& saga_id, std::optional<absl::Time> due, absl::StatusOr<journal::WriteOutcome> outcome,
               engine::SagaRecord record);

  // Tells each present waiter the cause when compensation_wait is over, if it still waits then.
  void AnswerLater(const engine::SagaRecord& record);
  // Looks at the row of a saga that has waiters and is not in memory, now and then.
  void PollRow(const std::string& saga_id);
  void RowPolled(const std::string& saga_id, absl::StatusOr<std::optional<engine::SagaRecord>> row);

  // Runs `method(shard, args...)` on the loop from any thread.
  template <typename Function>
  auto OnLoop(Function function) {
    return [self = shared_from_this(), function = std::move(function)](auto... arguments) mutable {
      self->loop_.Post([self, function = std::move(function), ... arguments = std::move(arguments)]() mutable {
        function(*self, std::move(arguments)...);
      });
    };
  }

  Shared& shared_;
  EventLoop& loop_;
  Waiters waiters_;
  bool callers_sent_away_ = false;
  uint64_t adoptions_ = 0;
  std::unordered_map<std::string, Slot> slots_;
};

}  // namespace sagamesh::runtime

#endif  // SAGAMESH_COORDINATOR_RUNTIME_SHARD_H_
