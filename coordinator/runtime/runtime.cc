#include "coordinator/runtime/runtime.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <utility>

#include "common/fault/planted.h"
#include "common/uuid/uuid.h"
#include "coordinator/engine/history.h"
#include "coordinator/runtime/crash_points.h"
#include "coordinator/runtime/errors.h"
#include "coordinator/runtime/shard.h"

namespace sagamesh::runtime {

using engine::SagaRecord;
using journal::Claimed;
using journal::ClaimOutcome;

namespace {

// How soon there may be room for more of the sagas that wait to be taken up.
constexpr absl::Duration kRecoveringLookInterval = absl::Milliseconds(10);

}  // namespace

class Runtime::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(RuntimeOptions options, const engine::DefinitionSet& definitions, journal::Journal& journal,
       rpc::StepCaller& step_caller, const std::vector<EventLoop*>& loops, Clock& clock, Random& random,
       metrics::Registry& registry)
      : shared_{
            options, definitions, journal, step_caller, clock, random, SagaMetrics(registry), InflightSagas(registry)} {
    for (EventLoop* loop : loops) shards_.push_back(std::make_shared<Shard>(shared_, *loop));
  }

  // Claims the request's key; a saga that starts is in memory when `done` is called.
  void Claim(Request request, StartCallback done);
  void Attach(const std::string& saga_id, absl::Time deadline, AnswerCallback done);
  void Command(std::string saga_id, engine::Command command, absl::Time deadline, CommandCallback done);
  // Looks for due sagas now, and again and again.
  void Recover() { LoadDue(/*once=*/false); }
  void TakeUpDue() { LoadDue(/*once=*/true); }
  void DropStrangers(const std::string& owner);
  void Drain() { draining_ = true; }
  void SendCallersAway();
  int inflight() const { return shared_.inflight.count(); }

 private:
  SagaRecord MakeRecord(Request request);
  void Adopt(SagaRecord record, Recovering recovering);
  void ParkUnknownDefinition(SagaRecord record);
  // `once`: until there are no more, beside the endless look.
  void LoadDue(bool once);
  // `places` are as many as were asked for, held meanwhile.
  void DueLoaded(std::vector<Recovering> places, bool once, absl::StatusOr<std::vector<SagaRecord>> records);
  void LoadDueAfter(absl::Duration delay, bool once);
  void WaitForDeferred(absl::Duration waited);
  Shard& ShardOf(const std::string& saga_id) { return *shards_[std::hash<std::string>{}(saga_id) % shards_.size()]; }

  Shared shared_;
  std::vector<std::shared_ptr<Shard>> shards_;
  std::atomic<bool> draining_{false};
};

SagaRecord Runtime::Impl::MakeRecord(Request request) {
  SagaRecord record;
  record.saga_id = MakeUuidV7(shared_.clock.Now(), shared_.random);
  record.definition = request.definition->name;
  record.definition_version = request.definition->version;
  record.principal = request.call.principal;
  record.key_kind = request.call.idempotency_key.has_value() ? engine::KeyKind::kExplicit : engine::KeyKind::kContent;
  record.key = request.call.idempotency_key.value_or(request.fingerprint);
  record.fingerprint = std::move(request.fingerprint);
  record.input = std::move(request.input);
  record.fault = std::move(request.call.fault);
  record.traceparent = std::move(request.call.traceparent);
  record.tracestate = std::move(request.call.tracestate);
  return record;
}

void Runtime::Impl::Claim(Request request, StartCallback done) {
  if (draining_) return done(error::ShuttingDown());
  if (shared_.inflight.Enter() >= shared_.options.max_inflight_sagas) {
    shared_.inflight.Leave();
    return done(error::SagasInFlight(shared_.options.max_inflight_sagas));
  }
  const absl::Time deadline = request.call.deadline;
  shared_.journal.Start(MakeRecord(std::move(request)), deadline,
                        [self = shared_from_this(), done = std::move(done)](absl::StatusOr<Claimed> claimed) mutable {
                          if (claimed.ok() && claimed->outcome == ClaimOutcome::kStarted) {
                            self->shared_.options.crash_at.Reached(crash_point::kStarted);
                            self->shared_.metrics.Started();
                            self->Adopt(claimed->saga, /*recovering=*/nullptr);
                            return done(std::move(claimed));
                          }
                          self->shared_.inflight.Leave();
                          if (claimed.ok() && claimed->outcome == ClaimOutcome::kReused) {
                            return done(error::IdempotencyKeyReused(claimed->saga.key));
                          }
                          if (claimed.ok() && claimed->outcome == ClaimOutcome::kAttached) {
                            self->shared_.metrics.Attached();
                          }
                          if (claimed.ok() && claimed->outcome == ClaimOutcome::kReplayed) {
                            self->shared_.metrics.Replayed();
                          }
                          done(std::move(claimed));
                        });
}

void Runtime::Impl::Adopt(SagaRecord record, Recovering recovering) {
  const engine::Definition* definition = shared_.definitions.Find(record.definition);
  if (definition == nullptr || definition->version < record.definition_version) {
    return ParkUnknownDefinition(std::move(record));
  }
  if (recovering != nullptr) shared_.metrics.Recovered();
  Shard& shard = ShardOf(record.saga_id);
  shard.loop().Post([shard = shard.shared_from_this(), record = std::move(record), definition,
                     recovering = std::move(recovering)]() mutable {
    shard->Adopt(std::move(record), *definition, std::move(recovering));
  });
}

// A row of a definition, or of a version of it, that this program does not know (a downgrade) never stops a start.
void Runtime::Impl::ParkUnknownDefinition(SagaRecord record) {
  SagaRecord parked = record;
  engine::Park(parked, absl::StrCat("DEFINITION_UNKNOWN: ", record.definition, " ", record.definition_version),
               shared_.clock.Now());
  shared_.journal.Write(std::move(parked), std::nullopt,
                        [self = shared_from_this(), record = std::move(record)](
                            absl::StatusOr<journal::WriteOutcome> outcome, SagaRecord) mutable {
                          if (outcome.ok()) return self->shared_.inflight.Leave();
                          self->shards_[0]->loop().PostAfter(self->shared_.options.due_poll_interval,
                                                             [self, record = std::move(record)]() mutable {
                                                               self->ParkUnknownDefinition(std::move(record));
                                                             });
                        });
}

void Runtime::Impl::Attach(const std::string& saga_id, absl::Time deadline, AnswerCallback done) {
  Shard& shard = ShardOf(saga_id);
  shard.loop().Post([shard = shard.shared_from_this(), saga_id, deadline, done = std::move(done)]() mutable {
    shard->Attach(saga_id, deadline, std::move(done));
  });
}

void Runtime::Impl::Command(std::string saga_id, engine::Command command, absl::Time deadline, CommandCallback done) {
  if (draining_) return done(error::ShuttingDown());
  command.id = MakeUuidV7(shared_.clock.Now(), shared_.random);
  const engine::Command::Kind kind = command.kind;
  shared_.journal.Command(
      std::move(saga_id), std::move(command), deadline,
      [self = shared_from_this(), kind, done = std::move(done)](absl::StatusOr<journal::Commanded> commanded) mutable {
        if (commanded.ok()) self->shared_.metrics.Commanded(kind, commanded->outcome);
        if (commanded.ok() && commanded->outcome == engine::CommandOutcome::kDone) self->TakeUpDue();
        done(std::move(commanded));
      });
}

void Runtime::Impl::SendCallersAway() {
  for (const std::shared_ptr<Shard>& shard : shards_) {
    shard->loop().Post([shard] { shard->SendCallersAway(); });
  }
}

void Runtime::Impl::DropStrangers(const std::string& owner) {
  for (const std::shared_ptr<Shard>& shard : shards_) {
    shard->loop().Post([shard, owner] { shard->DropStrangers(owner); });
  }
}

void Runtime::Impl::LoadDue(bool once) {
  if (draining_) return;
  // Accepted sagas go before new ones: what waits in rows has a page of room that new sagas cannot fill.
  const int room = shared_.options.max_inflight_sagas + shared_.options.due_page_sagas - shared_.inflight.count();
  const int recovering = static_cast<int>(shared_.recovering.use_count()) - 1;
  const int recovering_room = shared_.options.max_recovering_sagas - recovering;
  const int wanted = std::min({shared_.options.due_page_sagas, room, recovering_room});
  if (room <= 0) return LoadDueAfter(shared_.options.due_poll_interval, once);
  if (wanted <= 0) return LoadDueAfter(kRecoveringLookInterval, once);
  shared_.journal.LoadDue(wanted,
                          [self = shared_from_this(), places = std::vector<Recovering>(wanted, shared_.recovering),
                           once](absl::StatusOr<std::vector<SagaRecord>> records) mutable {
                            self->DueLoaded(std::move(places), once, std::move(records));
                          });
}

void Runtime::Impl::DueLoaded(std::vector<Recovering> places, bool once,
                              absl::StatusOr<std::vector<SagaRecord>> records) {
  if (!records.ok()) return LoadDueAfter(shared_.options.due_poll_interval, once);
  const bool all = records->size() == places.size();
  for (SagaRecord& record : *records) {
    shared_.inflight.Enter();
    Adopt(std::move(record), shared_.recovering);
  }
  if (all) return LoadDueAfter(absl::ZeroDuration(), once);
  if (!once) WaitForDeferred(absl::ZeroDuration());
}

void Runtime::Impl::LoadDueAfter(absl::Duration delay, bool once) {
  shards_[0]->loop().PostAfter(delay, [self = shared_from_this(), once] { self->LoadDue(once); });
}

// Looks often only while sagas wait in their rows that this process left there, so that at rest it leaves its database
// alone; now and then all the same, since others become due there too (starts whose COMMIT was reported lost).
void Runtime::Impl::WaitForDeferred(absl::Duration waited) {
  const absl::Duration interval = shared_.options.due_poll_interval;
  shards_[0]->loop().PostAfter(interval, [self = shared_from_this(), interval, waited = waited + interval] {
    if (self->draining_) return;
    const absl::Time until = absl::FromUnixMillis(self->shared_.deferred_until_ms) + 2 * interval;
    const bool due = self->shared_.clock.Now() <= until || waited >= self->shared_.options.due_poll_at_rest;
    if (due && !Planted(Bug::kDeferredForgotten)) return self->Recover();
    self->WaitForDeferred(waited);
  });
}

Runtime::Runtime(RuntimeOptions options, const engine::DefinitionSet& definitions, journal::Journal& journal,
                 rpc::StepCaller& step_caller, std::vector<EventLoop*> loops, Clock& clock, Random& random,
                 metrics::Registry& registry)
    : impl_(std::make_shared<Impl>(options, definitions, journal, step_caller, loops, clock, random, registry)) {}

Runtime::~Runtime() = default;

void Runtime::Run(Request request, AnswerCallback done) {
  const absl::Time deadline = request.call.deadline;
  impl_->Claim(std::move(request),
               [impl = impl_, deadline, done = std::move(done)](absl::StatusOr<Claimed> claimed) mutable {
                 if (!claimed.ok()) return done(claimed.status());
                 if (claimed->outcome != ClaimOutcome::kReplayed) {
                   return impl->Attach(claimed->saga.saga_id, deadline, std::move(done));
                 }
                 Answer answer = AnswerOf(claimed->saga);
                 answer.replayed = true;
                 done(std::move(answer));
               });
}

void Runtime::Start(Request request, StartCallback done) { impl_->Claim(std::move(request), std::move(done)); }

void Runtime::Command(std::string saga_id, engine::Command command, absl::Time deadline, CommandCallback done) {
  impl_->Command(std::move(saga_id), std::move(command), deadline, std::move(done));
}

void Runtime::Recover() { impl_->Recover(); }

void Runtime::TakeUpDue() { impl_->TakeUpDue(); }

void Runtime::DropStrangers(const std::string& owner) { impl_->DropStrangers(owner); }

void Runtime::Drain() { impl_->Drain(); }

void Runtime::SendCallersAway() { impl_->SendCallersAway(); }

int Runtime::inflight() const { return impl_->inflight(); }

}  // namespace sagamesh::runtime
