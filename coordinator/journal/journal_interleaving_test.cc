#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/testing/interleaving.h"
#include "common/testing/status_matchers.h"
#include "common/uuid/uuid.h"
#include "coordinator/journal/journal.h"
#include "coordinator/journal/lease.h"

// Coordinators on one real database, one stopped at every place between two statements while the other goes as far as
// it can.

namespace sagamesh::journal {
namespace {

using sagamesh::testing::InterleavedProcess;
using sagamesh::testing::InterleavingTest;
using sagamesh::testing::SqlServers;

struct Coordinator : InterleavedProcess {
  explicit Coordinator(const sql::MysqlOptions& options, int writers = 1)
      : InterleavedProcess(options, writers),
        journal(JournalOptions(), database, *pool, clock, *random, registry, nullptr) {}
  ~Coordinator() {
    database.Resume();
    pool->Shutdown();
  }

  std::future<void> Start(SagaRecord saga, std::shared_ptr<absl::StatusOr<Claimed>> claimed) {
    auto done = std::make_shared<std::promise<void>>();
    journal.Start(std::move(saga), absl::InfiniteFuture(), [done, claimed](absl::StatusOr<Claimed> found) {
      *claimed = std::move(found);
      done->set_value();
    });
    return done->get_future();
  }
  SagaRecord MustStart(SagaRecord saga) {
    const auto claimed = std::make_shared<absl::StatusOr<Claimed>>(absl::UnknownError("never called back"));
    Start(std::move(saga), claimed).get();
    EXPECT_OK(*claimed);
    return (*claimed)->saga;
  }
  // OK: written.
  std::future<void> Write(SagaRecord saga, std::shared_ptr<absl::Status> end) {
    auto done = std::make_shared<std::promise<void>>();
    journal.Write(std::move(saga), std::nullopt, [done, end](absl::StatusOr<WriteOutcome> outcome, SagaRecord) {
      *end = outcome.status();
      if (outcome.ok() && *outcome == WriteOutcome::kFenced) *end = absl::AbortedError("fenced");
      done->set_value();
    });
    return done->get_future();
  }
  std::future<void> Compensate(const std::string& id, std::shared_ptr<absl::StatusOr<Commanded>> commanded) {
    auto done = std::make_shared<std::promise<void>>();
    const engine::Command command{.kind = engine::Command::Kind::kCompensate, .id = MakeUuidV7(clock.Now(), *random)};
    journal.Command(id, command, absl::InfiniteFuture(), [done, commanded](absl::StatusOr<Commanded> found) {
      *commanded = std::move(found);
      done->set_value();
    });
    return done->get_future();
  }
  std::future<void> Sweep(std::shared_ptr<absl::StatusOr<int>> due) {
    auto done = std::make_shared<std::promise<void>>();
    journal.Sweep([done, due](absl::StatusOr<int> swept) {
      *due = std::move(swept);
      done->set_value();
    });
    return done->get_future();
  }
  SagaRecord Get(const std::string& id) {
    std::promise<SagaRecord> found;
    journal.Get(id, [&found](absl::StatusOr<std::optional<SagaRecord>> record) {
      EXPECT_OK(record);
      found.set_value(record.ok() && record->has_value() ? **record : SagaRecord());
    });
    return found.get_future().get();
  }

  Journal journal;
};

class JournalInterleavingTest : public InterleavingTest {
 protected:
  SagaRecord NewSaga(const std::string& key, KeyKind kind) {
    SagaRecord saga;
    saga.saga_id = MakeUuidV7(clock_.Now(), *random_);
    saga.definition = "process_order";
    saga.key_kind = kind;
    saga.key = key;
    saga.fingerprint = key;
    saga.input = "input";
    return saga;
  }
  void RunOut(const std::string& incarnation) {
    const auto connection = sql::MakeMysqlDatabase(scratch_.options())->Connect(sql::Access::kWrite);
    EXPECT_OK((*connection)->Execute("UPDATE leases SET expires_ms = 0 WHERE incarnation = ?", {incarnation}));
  }
  std::string NewKey() { return absl::StrCat("key-", keys_++); }
  int64_t Count(const std::string& rows) {
    const auto connection = sql::MakeMysqlDatabase(scratch_.options())->Connect(sql::Access::kWrite);
    EXPECT_OK(connection);
    const auto counted = (*connection)->Query("SELECT COUNT(*) FROM " + rows);
    EXPECT_OK(counted);
    return (*counted)[0].Int(0);
  }
  // Two replicas want the same key, which is free: one starts its saga, the other attaches to it.
  Case BothClaim(std::shared_ptr<Coordinator> a, std::shared_ptr<Coordinator> b, const std::string& key, KeyKind kind) {
    const auto one = std::make_shared<absl::StatusOr<Claimed>>(absl::UnknownError("never called back"));
    const auto other = std::make_shared<absl::StatusOr<Claimed>>(absl::UnknownError("never called back"));
    return {{&a->database, [=, this] { return a->Start(NewSaga(key, kind), one); }},
            {&b->database, [=, this] { return b->Start(NewSaga(key, kind), other); }},
            [=] {
              ASSERT_OK(*one);
              ASSERT_OK(*other);
              const bool first = (*one)->outcome == ClaimOutcome::kStarted;
              EXPECT_EQ((first ? *other : *one)->outcome, ClaimOutcome::kAttached);
              EXPECT_EQ((first ? *one : *other)->outcome, ClaimOutcome::kStarted);
              EXPECT_EQ((*one)->saga.saga_id, (*other)->saga.saga_id);
            }};
  }

  SystemClock clock_;
  std::unique_ptr<Random> random_ = MakeSystemRandom();
  int keys_ = 0;
};

TEST_P(JournalInterleavingTest, AZombiesWriteComesBeforeTheTakeoverOrIsFenced) {
  int written = 0;
  int fenced = 0;
  InEveryOrder([&] {
    const auto zombie = std::make_shared<Coordinator>(scratch_.options());
    EXPECT_OK(zombie->journal.Open());
    SagaRecord saga = zombie->MustStart(NewSaga(NewKey(), KeyKind::kExplicit));
    saga.phase = Phase::kCompensating;
    const auto taker = std::make_shared<Coordinator>(scratch_.options());
    const auto write = std::make_shared<absl::Status>(absl::UnknownError("never called back"));
    const auto swept = std::make_shared<absl::StatusOr<int>>(absl::UnknownError("never called back"));
    EXPECT_OK(taker->journal.Open());
    RunOut(zombie->journal.incarnation());
    return Case{{&zombie->database, [=] { return zombie->Write(saga, write); }},
                {&taker->database, [=] { return taker->Sweep(swept); }},
                [=, &written, &fenced] {
                  ASSERT_OK(*swept);
                  const SagaRecord record = taker->Get(saga.saga_id);
                  EXPECT_EQ(record.epoch, 2u);
                  EXPECT_NE(record.owner, saga.owner);
                  EXPECT_EQ(record.phase, write->ok() ? Phase::kCompensating : Phase::kRunning);
                  (write->ok() ? written : fenced)++;
                  // Whatever it believes now.
                  for (const SagaRecord& state : {saga, record}) {
                    const auto late = std::make_shared<absl::Status>();
                    zombie->Write(state, late).get();
                    EXPECT_EQ(late->message(), "fenced");
                  }
                  EXPECT_EQ(taker->Get(saga.saga_id).version, record.version);
                }};
  });
  EXPECT_GT(written, 0);
  EXPECT_GT(fenced, 0);
}

TEST_P(JournalInterleavingTest, OfTwoWhoTakeADeadOwnersSagaOneDoes) {
  const auto coordinator = std::make_shared<Coordinator>(scratch_.options());
  EXPECT_OK(coordinator->journal.Open());
  const auto takers = std::make_shared<std::vector<std::unique_ptr<InterleavedProcess>>>();
  for (int i = 0; i < 2; i++) takers->push_back(std::make_unique<InterleavedProcess>(scratch_.options()));
  // As a heartbeat sweeps.
  const auto take = [](InterleavedProcess& process, const std::string& incarnation, std::shared_ptr<int> taken) {
    return std::async(std::launch::async, [&process, incarnation, taken] {
      const auto connection = process.database.Connect(sql::Access::kWrite);
      ASSERT_OK(connection);
      ASSERT_OK((*connection)->Begin());
      const auto sagas = TakeOver(**connection, incarnation, /*stamp_ms=*/1'000'000, /*limit=*/100);
      ASSERT_OK(sagas);
      ASSERT_OK((*connection)->Commit());
      *taken = static_cast<int>(sagas->sagas.size());
    });
  };
  InEveryOrder([&] {
    const SagaRecord saga = coordinator->MustStart(NewSaga(NewKey(), KeyKind::kExplicit));
    const auto connection = sql::MakeMysqlDatabase(scratch_.options())->Connect(sql::Access::kWrite);
    EXPECT_OK((*connection)->Execute("UPDATE leases SET closed = 1"));
    const auto one = std::make_shared<int>(-1);
    const auto other = std::make_shared<int>(-1);
    return Case{{&(*takers)[0]->database, [=] { return take(*(*takers)[0], "one", one); }},
                {&(*takers)[1]->database, [=] { return take(*(*takers)[1], "other", other); }},
                [=] {
                  EXPECT_EQ(*one + *other, 1);
                  EXPECT_EQ(coordinator->Get(saga.saga_id).epoch, 2u);
                  EXPECT_EQ(coordinator->Get(saga.saga_id).owner, *one == 1 ? "one" : "other");
                }};
  });
}

TEST_P(JournalInterleavingTest, OfTwoWhoClaimAFreedKeyOneStartsAndTheOtherAttaches) {
  const auto a = std::make_shared<Coordinator>(scratch_.options());
  const auto b = std::make_shared<Coordinator>(scratch_.options());
  EXPECT_OK(a->journal.Open());
  EXPECT_OK(b->journal.Open());
  InEveryOrder([&] {
    const std::string key = NewKey();
    SagaRecord failed = a->MustStart(NewSaga(key, KeyKind::kContent));
    failed.phase = Phase::kCompensated;
    failed.error = "error";
    const auto freed = std::make_shared<absl::Status>();
    a->Write(failed, freed).get();
    EXPECT_OK(*freed);
    return BothClaim(a, b, key, KeyKind::kContent);
  });
}

TEST_P(JournalInterleavingTest, OfTwoWhoClaimANewKeyOneStartsAndTheOtherAttaches) {
  const auto a = std::make_shared<Coordinator>(scratch_.options());
  const auto b = std::make_shared<Coordinator>(scratch_.options());
  EXPECT_OK(a->journal.Open());
  EXPECT_OK(b->journal.Open());
  InEveryOrder([&] { return BothClaim(a, b, NewKey(), KeyKind::kExplicit); });
}

// Two workers of one coordinator: each finds its lease closed.
TEST_P(JournalInterleavingTest, WorkersSideBySideTakeOneNewLeaseAfterTheirsWasClosed) {
  const auto coordinator = std::make_shared<Coordinator>(scratch_.options(), /*writers=*/2);
  EXPECT_OK(coordinator->journal.Open());
  const auto connection = sql::MakeMysqlDatabase(scratch_.options())->Connect(sql::Access::kWrite);
  ASSERT_OK(connection);
  InEveryOrder([&] {
    EXPECT_OK((*connection)->Execute("UPDATE leases SET closed = 1"));
    const auto one = std::make_shared<absl::StatusOr<Claimed>>(absl::UnknownError("never called back"));
    const auto other = std::make_shared<absl::StatusOr<Claimed>>(absl::UnknownError("never called back"));
    return Case{
        {&coordinator->database, [=, this] { return coordinator->Start(NewSaga(NewKey(), KeyKind::kExplicit), one); }},
        {&coordinator->database,
         [=, this] { return coordinator->Start(NewSaga(NewKey(), KeyKind::kExplicit), other); }},
        [=, this] {
          ASSERT_OK(*one);
          ASSERT_OK(*other);
          EXPECT_EQ((*one)->saga.owner, (*other)->saga.owner);
          EXPECT_EQ(Count("leases WHERE closed = 0"), 1);
        }};
  });
}

TEST_P(JournalInterleavingTest, AnOperatorsCommandComesBeforeTheOwnersEndAndFencesItOrAfterItAndIsRefused) {
  int before = 0;
  int after = 0;
  InEveryOrder([&] {
    const auto owner = std::make_shared<Coordinator>(scratch_.options());
    const auto peer = std::make_shared<Coordinator>(scratch_.options());
    EXPECT_OK(owner->journal.Open());
    EXPECT_OK(peer->journal.Open());
    SagaRecord saga = owner->MustStart(NewSaga(NewKey(), KeyKind::kExplicit));
    saga.phase = Phase::kSucceeded;
    const auto write = std::make_shared<absl::Status>(absl::UnknownError("never called back"));
    const auto commanded = std::make_shared<absl::StatusOr<Commanded>>(absl::UnknownError("never called back"));
    return Case{{&owner->database, [=] { return owner->Write(saga, write); }},
                {&peer->database, [=] { return peer->Compensate(saga.saga_id, commanded); }},
                [=, &before, &after] {
                  ASSERT_OK(*commanded);
                  const SagaRecord record = peer->Get(saga.saga_id);
                  const bool first = !write->ok();
                  EXPECT_EQ((*commanded)->outcome,
                            first ? engine::CommandOutcome::kDone : engine::CommandOutcome::kFinal);
                  EXPECT_EQ(record.phase, first ? Phase::kCompensating : Phase::kSucceeded);
                  EXPECT_EQ(record.owner, first ? peer->journal.incarnation() : saga.owner);
                  EXPECT_EQ(record.epoch, first ? 2u : 1u);
                  (first ? before : after)++;
                }};
  });
  EXPECT_GT(before, 0);
  EXPECT_GT(after, 0);
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(JournalInterleavingTest);
INSTANTIATE_TEST_SUITE_P(Servers, JournalInterleavingTest, ::testing::ValuesIn(SqlServers()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sagamesh::journal
