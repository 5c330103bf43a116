#ifndef SAGAMESH_COORDINATOR_JOURNAL_JOURNAL_FIXTURE_TEST_H_
#define SAGAMESH_COORDINATOR_JOURNAL_JOURNAL_FIXTURE_TEST_H_

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/exec/mutex.h"
#include "common/exec/threads.h"
#include "common/testing/engines.h"
#include "common/testing/scripted_database.h"
#include "common/testing/shifted_clock.h"
#include "common/testing/status_matchers.h"
#include "common/uuid/uuid.h"
#include "coordinator/journal/journal.h"

// The journal over a real database and real threads, in processes that follow one another.

namespace sagamesh::journal::testing {

using Loaded = absl::StatusOr<std::vector<SagaRecord>>;

// One process's journal.
class Process {
 public:
  Process(sagamesh::testing::ScriptedDatabase& database, Clock& clock, JournalOptions options = {})
      : database_(database),
        pool_(MakeThreadPool("worker", database.max_writers() + 4)),
        journal_(options, database_, *pool_, clock, *random_, registry_,
                 [this](absl::Span<const SagaRecord> changed, int64_t) {
                   MutexLock lock(mutex_);
                   published_.insert(published_.end(), changed.begin(), changed.end());
                 }) {}
  ~Process() { pool_->Shutdown(); }

  Journal& journal() { return journal_; }
  Random& random() { return *random_; }
  sagamesh::testing::ScriptedDatabase& database() { return database_; }

  std::future<absl::StatusOr<Claimed>> StartAsync(SagaRecord saga) {
    return Ask<absl::StatusOr<Claimed>>(
        [&](auto done) { journal_.Start(std::move(saga), absl::InfiniteFuture(), std::move(done)); });
  }
  absl::StatusOr<Claimed> Start(SagaRecord saga) { return StartAsync(std::move(saga)).get(); }
  // What was written, or what fenced it.
  using Written = std::pair<absl::StatusOr<WriteOutcome>, SagaRecord>;
  std::future<Written> WriteAsync(SagaRecord saga, std::optional<absl::Time> due = {}) {
    auto promise = std::make_shared<std::promise<Written>>();
    std::future<Written> written = promise->get_future();
    journal_.Write(std::move(saga), due, [promise](absl::StatusOr<WriteOutcome> outcome, SagaRecord record) {
      promise->set_value({std::move(outcome), std::move(record)});
    });
    return written;
  }
  Written Write(SagaRecord saga, std::optional<absl::Time> due = {}) { return WriteAsync(std::move(saga), due).get(); }
  SagaRecord MustWrite(SagaRecord saga, std::optional<absl::Time> due = {}) {
    auto [outcome, record] = Write(std::move(saga), due);
    EXPECT_OK(outcome);
    EXPECT_EQ(*outcome, WriteOutcome::kWritten);
    return record;
  }
  std::future<Loaded> LoadDueAsync(int limit) {
    return Ask<Loaded>([&](auto done) { journal_.LoadDue(limit, std::move(done)); });
  }
  std::vector<SagaRecord> LoadDue(int limit = 1000) { return Must(LoadDueAsync(limit)); }
  absl::Status Heartbeat() {
    return Ask<absl::Status>([&](auto done) { journal_.Heartbeat(std::move(done)); }).get();
  }
  // How many sagas are due by it.
  absl::StatusOr<int> Sweep() {
    return Ask<absl::StatusOr<int>>([&](auto done) { journal_.Sweep(std::move(done)); }).get();
  }
  Commanded Command(const std::string& id, engine::Command::Kind kind) {
    engine::Command command{.kind = kind, .id = MakeUuidV7(absl::UnixEpoch(), *random_), .reason = "because"};
    return Must(Ask<absl::StatusOr<Commanded>>(
        [&](auto done) { journal_.Command(id, std::move(command), absl::InfiniteFuture(), std::move(done)); }));
  }
  absl::Status ReleaseLease() {
    return Ask<absl::Status>([&](auto done) { journal_.ReleaseLease(std::move(done)); }).get();
  }
  SagaRecord Get(const std::string& id) {
    return *Must(Ask<absl::StatusOr<std::optional<SagaRecord>>>([&](auto done) { journal_.Get(id, std::move(done)); }));
  }
  std::vector<SagaRecord> List(ListFilter filter) {
    return Must(Ask<Loaded>([&](auto done) { journal_.List(std::move(filter), std::move(done)); }));
  }
  std::vector<SagaRecord> ChangedSince(int64_t updated_ms, const std::string& id, int limit) {
    return Must(Ask<Loaded>([&](auto done) { journal_.ListChangedSince(updated_ms, id, limit, std::move(done)); }));
  }
  // Behind the journal's back.
  void Execute(const std::string& statement) {
    auto connection = database_.Connect(sql::Access::kWrite);
    ASSERT_OK(connection);
    EXPECT_OK((*connection)->Execute(statement));
  }
  std::vector<SagaRecord> published() {
    MutexLock lock(mutex_);
    return published_;
  }

 private:
  // What `call` gives to its callback.
  template <typename Result, typename Call>
  static std::future<Result> Ask(Call call) {
    auto promise = std::make_shared<std::promise<Result>>();
    std::future<Result> result = promise->get_future();
    call([promise](Result given) { promise->set_value(std::move(given)); });
    return result;
  }
  template <typename Value>
  static Value Must(std::future<absl::StatusOr<Value>> future) {
    absl::StatusOr<Value> value = future.get();
    EXPECT_OK(value);
    return *std::move(value);
  }

  metrics::Registry registry_;
  std::unique_ptr<Random> random_ = MakeSystemRandom();
  Mutex mutex_;
  std::vector<SagaRecord> published_ ABSL_GUARDED_BY(mutex_);
  sagamesh::testing::ScriptedDatabase& database_;
  std::unique_ptr<WorkerPool> pool_;
  Journal journal_;
};

class JournalTest : public ::testing::TestWithParam<sagamesh::testing::Engine> {
 protected:
  JournalTest() { Restart(); }

  // The next process, whose journal is not open yet.
  void Replace(const std::string& replica = "") {
    process_.reset();
    process_ = std::make_unique<Process>(database_, clock_, JournalOptions{.replica = replica});
  }
  // As if other processes could use the database too, where they cannot.
  void Share() {
    if (database_.max_writers() == 1) database_.SetMaxWriters(2);
  }
  // The one before is dead, and its sagas are taken over.
  void Restart() {
    Replace();
    EXPECT_OK(process_->journal().Open());
    if (process_->journal().alone()) return;
    process_->Execute("UPDATE leases SET expires_ms = 0 WHERE incarnation <> '" + process_->journal().incarnation() +
                      "'");
    EXPECT_OK(process_->Sweep());
  }

  SagaRecord NewSaga(const std::string& key, KeyKind kind = KeyKind::kExplicit,
                     const std::string& payload = "payload") {
    SagaRecord saga;
    saga.saga_id = MakeUuidV7(clock_.Now(), process_->random());
    saga.definition = "process_order";
    saga.key_kind = kind;
    saga.key = key;
    saga.fingerprint = kind == KeyKind::kContent ? key : payload;
    saga.input = "input";
    return saga;
  }
  SagaRecord MustStart(const std::string& key, KeyKind kind = KeyKind::kExplicit) {
    absl::StatusOr<Claimed> claimed = process_->Start(NewSaga(key, kind));
    EXPECT_OK(claimed);
    EXPECT_EQ(claimed->outcome, ClaimOutcome::kStarted);
    return claimed->saga;
  }
  // Starts all at once.
  std::vector<Claimed> MustClaim(std::vector<SagaRecord> sagas) {
    std::vector<std::future<absl::StatusOr<Claimed>>> claims;
    for (SagaRecord& saga : sagas) claims.push_back(process_->StartAsync(std::move(saga)));
    std::vector<Claimed> claimed;
    for (auto& claim : claims) {
      absl::StatusOr<Claimed> answer = claim.get();
      EXPECT_OK(answer);
      claimed.push_back(*std::move(answer));
    }
    return claimed;
  }
  SagaRecord End(SagaRecord saga, Phase phase, bool definite = false) {
    saga.phase = phase;
    if (phase == Phase::kSucceeded) saga.result = "result";
    if (phase == Phase::kCompensated) saga.error = "error";
    saga.error_definite = definite;
    return process_->MustWrite(saga);
  }

  sagamesh::testing::ShiftedClock clock_;
  sagamesh::testing::ScriptedDatabase database_{GetParam().open(clock_)};
  std::unique_ptr<Process> process_;
};

}  // namespace sagamesh::journal::testing

#endif  // SAGAMESH_COORDINATOR_JOURNAL_JOURNAL_FIXTURE_TEST_H_
