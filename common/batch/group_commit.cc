#include "common/batch/group_commit.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <deque>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/fault/planted.h"
#include "common/status/error.h"

namespace sagamesh::batch_internal {
namespace {

using Item = GroupCommitCore::Item;

// A worker that has run this many batches lets others have its thread.
constexpr int kBatchesPerTurn = 16;
constexpr absl::Duration kBackoffInitial = absl::Milliseconds(2);
// After a batch of so few, a worker more cannot make batches much smaller, and need not wait for what holds the first.
constexpr size_t kFewOperations = 4;
constexpr size_t kUnknownOperations = std::numeric_limits<size_t>::max();
// Accepted work may queue up to this many times the limit of new work.
constexpr size_t kAcceptedQueueFactor = 2;

}  // namespace

// Kept alive by the drains on the pool.
struct GroupCommitCore::State : std::enable_shared_from_this<State> {
  State(GroupCommitOptions options, sql::Database& database, WorkerPool& pool, Clock& clock, Random& random,
        metrics::Registry& registry, Run run);

  void Submit(Item item);
  void Close();
  // Ends all that waits: the database is away.
  void RefuseWaiting();

  bool AnotherShouldJoin(absl::Time now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // What another worker begins with; nullptr if all work.
  std::unique_ptr<sql::Session> TakeIdle(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void StartWorker(std::unique_ptr<sql::Session> session);
  // Before a worker waits for what others hold: what is queued need not wait with it.
  void HandOn();
  // A worker's turn with one session: batches until nothing waits.
  void Drain(std::unique_ptr<sql::Session> session);
  // Takes what waits, expired ones apart.
  bool Take(std::vector<Item>& batch, std::vector<Item>& expired);

  // Runs the items until each has its end; whole, then split where it cannot go on as a whole.
  void Settle(sql::Session& session, absl::Span<Item> items);
  // One transaction for all items, run again while that can help. What it returns is the end of all of them, or
  // (INTERNAL and the like) the reason to split.
  absl::Status RunWhole(sql::Session& session, absl::Span<Item> items);
  absl::Status RunOnce(sql::Session& session, absl::Span<void* const> operations, bool in_doubt);
  // What the callers of these operations are told: the database's own words are for the log.
  absl::Status ForCallers(const absl::Status& status, size_t operations);

  const GroupCommitOptions options;
  const std::string domain;
  WorkerPool& pool;
  Clock& clock;
  Random& random;
  Run run;

  prometheus::Counter& commits;
  prometheus::Counter& operations_total;
  prometheus::Counter& retries;
  prometheus::Counter& rejected;
  prometheus::Gauge& depth;
  prometheus::Histogram& batch_operations;

  Mutex mutex;
  bool closed ABSL_GUARDED_BY(mutex) = false;
  std::deque<Item> accepted ABSL_GUARDED_BY(mutex);
  std::deque<Item> fresh ABSL_GUARDED_BY(mutex);
  const size_t writers;
  std::vector<std::unique_ptr<sql::Session>> idle ABSL_GUARDED_BY(mutex);
  absl::Time last_take ABSL_GUARDED_BY(mutex) = absl::InfinitePast();  // of a batch, or when a worker was last started
  size_t last_batch_operations ABSL_GUARDED_BY(mutex) = kUnknownOperations;
};

GroupCommitCore::State::State(GroupCommitOptions given, sql::Database& database, WorkerPool& pool, Clock& clock,
                              Random& random, metrics::Registry& registry, Run run)
    : options(std::move(given)),
      domain(options.domain.empty() ? options.name : options.domain),
      pool(pool),
      clock(clock),
      random(random),
      run(std::move(run)),
      commits(registry.Counter("sagamesh_batch_commits_total", "Transactions that were committed.",
                               {{"queue", options.name}})),
      operations_total(registry.Counter("sagamesh_batch_operations_total",
                                        "Operations that were run to their end, refusals included.",
                                        {{"queue", options.name}})),
      retries(
          registry.Counter("sagamesh_batch_retries_total", "Batches that were run again.", {{"queue", options.name}})),
      rejected(registry.Counter("sagamesh_batch_rejected_total", "Operations refused because the queue was full.",
                                {{"queue", options.name}})),
      depth(registry.Gauge("sagamesh_batch_queue_depth", "Operations that wait.", {{"queue", options.name}})),
      batch_operations(registry.Histogram("sagamesh_batch_size_operations", "Operations in a batch.",
                                          {1, 2, 4, 8, 16, 32, 64, 128, 256}, {{"queue", options.name}})),
      writers(static_cast<size_t>(database.max_writers())) {
  for (size_t i = 0; i < writers; i++) idle.push_back(std::make_unique<sql::Session>(database, sql::Access::kWrite));
}

void GroupCommitCore::State::Submit(Item item) {
  std::unique_ptr<sql::Session> session;
  absl::Status refusal;
  const absl::Time now = clock.Now();
  {
    MutexLock lock(mutex);
    const bool is_new = item.priority == Priority::kNew;
    const size_t waiting = accepted.size() + fresh.size();
    const size_t limit = static_cast<size_t>(options.max_queued_operations) * (is_new ? 1 : kAcceptedQueueFactor);
    if (closed) {
      refusal = DatabaseUnavailable(domain);
    } else if (waiting >= limit) {
      refusal = Overloaded({domain, "QUEUE_FULL"}, absl::StrCat(waiting, " operations wait already"), absl::Seconds(1));
      rejected.Increment();
    } else {
      (is_new ? fresh : accepted).push_back(std::move(item));
      depth.Set(static_cast<double>(waiting + 1));
      if (AnotherShouldJoin(now)) session = TakeIdle(now);
    }
  }
  if (!refusal.ok()) return item.finish(std::move(refusal));
  if (session != nullptr) StartWorker(std::move(session));
}

bool GroupCommitCore::State::AnotherShouldJoin(absl::Time now) const {
  const bool none_works = idle.size() == writers;
  const bool many_wait = accepted.size() + fresh.size() >= static_cast<size_t>(options.join_at_operations);
  const bool stands_still = now - last_take >= options.join_after;
  return none_works || many_wait || stands_still || last_batch_operations <= kFewOperations;
}

std::unique_ptr<sql::Session> GroupCommitCore::State::TakeIdle(absl::Time now) {
  if (idle.empty()) return nullptr;
  last_take = now;
  last_batch_operations = kUnknownOperations;
  std::unique_ptr<sql::Session> session = std::move(idle.back());
  idle.pop_back();
  return session;
}

void GroupCommitCore::State::StartWorker(std::unique_ptr<sql::Session> session) {
  pool.Post([self = shared_from_this(), session = std::move(session)]() mutable { self->Drain(std::move(session)); });
}

void GroupCommitCore::State::HandOn() {
  std::unique_ptr<sql::Session> session;
  {
    MutexLock lock(mutex);
    if (!closed && !(accepted.empty() && fresh.empty())) session = TakeIdle(clock.Now());
  }
  if (session != nullptr) StartWorker(std::move(session));
}

bool GroupCommitCore::State::Take(std::vector<Item>& batch, std::vector<Item>& expired) {
  const absl::Time now = clock.Now();
  MutexLock lock(mutex);
  for (std::deque<Item>* queue : {&accepted, &fresh}) {
    while (!queue->empty() && batch.size() < static_cast<size_t>(options.max_batch_operations)) {
      (queue->front().deadline <= now ? expired : batch).push_back(std::move(queue->front()));
      queue->pop_front();
    }
  }
  depth.Set(static_cast<double>(accepted.size() + fresh.size()));
  if (batch.empty()) return !expired.empty();
  last_take = now;
  last_batch_operations = batch.size();
  return true;
}

void GroupCommitCore::State::Drain(std::unique_ptr<sql::Session> session) {
  for (int turn = 0; turn < kBatchesPerTurn; turn++) {
    std::vector<Item> batch;
    std::vector<Item> expired;
    if (!Take(batch, expired)) break;
    for (Item& item : expired) item.finish(TooLate(domain, "the operation"));
    if (!batch.empty()) Settle(*session, absl::MakeSpan(batch));
  }
  {
    MutexLock lock(mutex);
    if (closed || (accepted.empty() && fresh.empty())) {
      idle.push_back(std::move(session));
      return;
    }
  }
  StartWorker(std::move(session));
}

void GroupCommitCore::State::Settle(sql::Session& session, absl::Span<Item> items) {
  absl::Status status = RunWhole(session, items);
  const bool shared_fate = status.ok() || status.code() == absl::StatusCode::kUnavailable;
  if (!shared_fate && items.size() > 1) {
    spdlog::warn("{}: a batch of {} is split: {}", options.name, items.size(), status.ToString());
    Settle(session, items.subspan(0, items.size() / 2));
    return Settle(session, items.subspan(items.size() / 2));
  }
  if (status.ok()) {
    operations_total.Increment(static_cast<double>(items.size()));
    batch_operations.Observe(static_cast<double>(items.size()));
  } else {
    status = ForCallers(status, items.size());
  }
  for (Item& item : items) item.finish(status);
}

absl::Status GroupCommitCore::State::ForCallers(const absl::Status& status, size_t operations) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
      spdlog::warn("{}: {} operations failed: {}", options.name, operations, status.ToString());
      return DatabaseUnavailable(domain);
    case absl::StatusCode::kAborted:
      spdlog::warn("{}: an operation found no way past others: {}", options.name, status.ToString());
      return Contended(domain);
    default:
      spdlog::error("{}: an operation cannot be run: {}", options.name, status.ToString());
      return InternalFailure(domain);
  }
}

absl::Status GroupCommitCore::State::RunWhole(sql::Session& session, absl::Span<Item> items) {
  std::vector<void*> operations;
  for (const Item& item : items) operations.push_back(item.operation);
  absl::Time give_up = absl::InfiniteFuture();  // set while the outcome of a COMMIT is unknown
  absl::Duration backoff = kBackoffInitial;
  for (int attempt = 1;; attempt++) {
    const absl::Status status = RunOnce(session, operations, /*in_doubt=*/give_up != absl::InfiniteFuture());
    const bool contended = absl::IsAborted(status) || absl::IsAlreadyExists(status);
    const bool unknown = status.code() == absl::StatusCode::kUnknown;
    if (unknown && give_up == absl::InfiniteFuture()) give_up = clock.Now() + options.unknown_outcome_max;
    const bool looking = give_up != absl::InfiniteFuture();
    // While an outcome is unknown, a database that is away is waited for, and so are the locks that the lost COMMIT may
    // still hold: each operation is guarded, so that running the batch again finds out.
    const bool again = unknown || (looking && (absl::IsUnavailable(status) || contended));
    if (again && clock.Now() >= give_up) {
      RefuseWaiting();  // batch after batch would wait as long
      return absl::UnavailableError(status.message());
    }
    if (!again && (!contended || attempt >= options.max_attempts)) return status;
    retries.Increment();
    if (absl::IsAlreadyExists(status) && attempt == 1) continue;  // who made the row has committed
    HandOn();
    clock.SleepFor(backoff * random.NextDouble());
    backoff = std::min(options.retry_backoff_max, backoff * 2);
  }
}

absl::Status GroupCommitCore::State::RunOnce(sql::Session& session, absl::Span<void* const> operations, bool in_doubt) {
  SAGAMESH_ASSIGN_OR_RETURN(sql::Connection* const connection,
                            session.Run([](sql::Connection& connection) -> absl::StatusOr<sql::Connection*> {
                              SAGAMESH_RETURN_IF_ERROR(connection.Begin());
                              return &connection;
                            }));
  const absl::StatusOr<BatchEffect> effect = run(*connection, operations, in_doubt);
  if (!effect.ok()) {
    connection->Rollback().IgnoreError();
    return effect.status();
  }
  if (*effect == BatchEffect::kNothing) return connection->Rollback();
  absl::Status committed = connection->Commit();
  if (absl::IsUnknown(committed) && Planted(Bug::kUnknownCommitIsSuccess)) committed = absl::OkStatus();
  SAGAMESH_RETURN_IF_ERROR(committed);
  commits.Increment();
  return absl::OkStatus();
}

void GroupCommitCore::State::Close() {
  {
    MutexLock lock(mutex);
    closed = true;
  }
  RefuseWaiting();
}

void GroupCommitCore::State::RefuseWaiting() {
  std::deque<Item> waiting;
  {
    MutexLock lock(mutex);
    waiting.swap(accepted);
    for (Item& item : fresh) waiting.push_back(std::move(item));
    fresh.clear();
    depth.Set(0);
  }
  for (Item& item : waiting) item.finish(DatabaseUnavailable(domain));
}

GroupCommitCore::GroupCommitCore(GroupCommitOptions options, sql::Database& database, WorkerPool& pool, Clock& clock,
                                 Random& random, metrics::Registry& registry, Run run)
    : state_(std::make_shared<State>(std::move(options), database, pool, clock, random, registry, std::move(run))) {}

GroupCommitCore::~GroupCommitCore() { state_->Close(); }

void GroupCommitCore::Submit(Item item) { state_->Submit(std::move(item)); }

}  // namespace sagamesh::batch_internal
