#include "common/barrier/barrier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/random/random.h"
#include "common/testing/engines.h"
#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"
#include "common/uuid/uuid.h"
#include "tests/simulation/mysql/threaded_database.h"

namespace sagamesh {
namespace {

using ::absl::StatusCode;
using ::sagamesh::simulation::mysql::SimulatedEngine;
using ::sagamesh::testing::Engine;
using ::sagamesh::testing::EngineName;
using ::sagamesh::testing::FakeClock;
using ::sagamesh::testing::IsError;
using ::sagamesh::testing::ServerEngines;
using ::sagamesh::testing::SqliteEngine;
using ::testing::ElementsAre;

constexpr absl::Duration kRetention = absl::Hours(168);
constexpr char kMethod[] = "orders.v1.OrdersService/CreateOrder";
constexpr char kUndoMethod[] = "orders.v1.OrdersService/CancelOrder";

class BarrierTest : public ::testing::Test {
 protected:
  std::string SagaId(absl::Duration age = absl::ZeroDuration()) { return MakeUuidV7(clock_.Now() - age, *random_); }

  static BarrierCall Make(const CallContext& context, const std::string& method, const std::string& request,
                          const std::string& fallback = "fallback") {
    absl::StatusOr<BarrierCall> call = MakeBarrierCall("orders", context, method, request, fallback);
    EXPECT_OK(call);
    return call.ok() ? *std::move(call) : BarrierCall();
  }

  BarrierCall Action(uint64_t epoch = 1, const std::string& request = "request") {
    CallContext context;
    context.saga = SagaCall{saga_id_, "create", SagaOp::kAction, epoch};
    return Make(context, kMethod, request);
  }

  BarrierCall Compensation(uint64_t epoch = 1, const std::string& request = "undo") {
    CallContext context;
    context.saga = SagaCall{saga_id_, "create", SagaOp::kCompensation, epoch};
    return Make(context, kUndoMethod, request);
  }

  static BarrierCall Direct(const std::string& key, const std::string& request, const std::string& principal = "") {
    CallContext context;
    context.idempotency_key = key;
    context.principal = principal;
    return Make(context, kMethod, request);
  }

  std::optional<BarrierEnd> Check(const BarrierCall& call) {
    return CheckBarrier(row_, call, clock_.Now(), kRetention);
  }
  bool Proceeds(const BarrierCall& call) { return !Check(call).has_value(); }
  // The stored reply that is answered; "refused:" before a refusal's. "none" if there is none.
  std::string Replayed(const BarrierCall& call) {
    const std::optional<BarrierEnd> end = Check(call);
    if (!end.has_value() || !end->stored) return "none";
    return end->reply.ok() ? *end->reply : "refused:" + SerializeStatus(end->reply.status());
  }
  absl::Status Refused(const BarrierCall& call) {
    const std::optional<BarrierEnd> end = Check(call);
    return end.has_value() && !end->stored ? end->reply.status() : absl::OkStatus();
  }

  FakeClock clock_;
  std::unique_ptr<Random> random_ = MakeSystemRandom();
  std::string saga_id_ = SagaId();
  BarrierRow row_;
};

TEST_F(BarrierTest, AnActionProceedsAndItsRepetitionGetsTheStoredResult) {
  ASSERT_TRUE(Proceeds(Action()));
  StoreEnd(row_, Action(), "done");
  EXPECT_EQ(Replayed(Action()), "done");
}

TEST_F(BarrierTest, AnActionWithoutAStoredResultProceedsAgain) {
  ASSERT_TRUE(Proceeds(Action()));
  EXPECT_TRUE(Proceeds(Action()));
}

TEST_F(BarrierTest, ADefiniteRefusalIsReplayedWithItsDetails) {
  ASSERT_TRUE(Proceeds(Action()));
  const absl::Status refusal =
      MakeError(StatusCode::kFailedPrecondition, {"customers", "INSUFFICIENT_STOCK"}, "Stock insuficiente");
  StoreEnd(row_, Action(), refusal);
  EXPECT_EQ(Replayed(Action()), "refused:" + SerializeStatus(refusal));
}

TEST_F(BarrierTest, AnotherPayloadIsRefused) {
  ASSERT_TRUE(Proceeds(Action()));
  StoreEnd(row_, Action(), "done");
  EXPECT_THAT(Refused(Action(1, "another")), IsError(StatusCode::kInvalidArgument, "IDEMPOTENCY_KEY_REUSED"));
  EXPECT_EQ(Replayed(Action()), "done");
}

TEST_F(BarrierTest, TheSamePayloadOfAnotherMethodOrStepIsAnotherCall) {
  ASSERT_TRUE(Proceeds(Action()));
  StoreEnd(row_, Action(), "done");
  CallContext context;
  context.saga = SagaCall{saga_id_, "other", SagaOp::kAction, 1};
  EXPECT_TRUE(Proceeds(Make(context, kMethod, "request")));
  context.saga->step = "create";
  EXPECT_TRUE(Proceeds(Make(context, "orders.v1.OrdersService/ConfirmOrder", "request")));
}

TEST_F(BarrierTest, ACompensationProceedsAndItsRepetitionGetsTheStoredResult) {
  StoreEnd(row_, Action(), "done");
  ASSERT_TRUE(Proceeds(Compensation()));
  StoreEnd(row_, Compensation(), "undone");
  EXPECT_EQ(Replayed(Compensation()), "undone");
}

TEST_F(BarrierTest, ACompensationWhoseResultIsNotStoredYetProceedsAgain) {
  ASSERT_TRUE(Proceeds(Compensation()));
  EXPECT_TRUE(row_.compensating);
  EXPECT_TRUE(Proceeds(Compensation()));
}

TEST_F(BarrierTest, ACompensationOfAnotherPayloadIsRefused) {
  ASSERT_TRUE(Proceeds(Compensation()));
  StoreEnd(row_, Compensation(), "undone");
  EXPECT_THAT(Refused(Compensation(1, "another")), IsError(StatusCode::kInvalidArgument, "IDEMPOTENCY_KEY_REUSED"));
}

TEST_F(BarrierTest, ALateActionIsRefusedAfterANullCompensation) {
  ASSERT_TRUE(Proceeds(Compensation()));
  EXPECT_THAT(Refused(Action()), IsError(StatusCode::kAborted, "ALREADY_COMPENSATED"));
}

TEST_F(BarrierTest, AnActionThatHadSucceededIsRefusedOnceTheSagaCompensates) {
  ASSERT_TRUE(Proceeds(Action()));
  StoreEnd(row_, Action(), "done");
  ASSERT_TRUE(Proceeds(Compensation()));
  EXPECT_THAT(Refused(Action()), IsError(StatusCode::kAborted, "ALREADY_COMPENSATED"));
}

TEST_F(BarrierTest, EveryOtherStepsActionIsRefusedOnceTheSagaCompensates) {
  ASSERT_TRUE(Proceeds(Compensation()));
  CallContext context;
  context.saga = SagaCall{saga_id_, "confirm", SagaOp::kAction, 2};
  EXPECT_THAT(Refused(Make(context, kMethod, "x")), IsError(StatusCode::kAborted, "ALREADY_COMPENSATED"));
}

TEST_F(BarrierTest, ALowerEpochIsRefusedBeforeAnyStoredResult) {
  ASSERT_TRUE(Proceeds(Action(3)));
  StoreEnd(row_, Action(3), "done");
  EXPECT_THAT(Refused(Action(2)), IsError(StatusCode::kAborted, "STALE_EPOCH"));
  EXPECT_THAT(Refused(Compensation(2)), IsError(StatusCode::kAborted, "STALE_EPOCH"));
  EXPECT_EQ(GetErrorInfo(Refused(Action(2)))->metadata().at("highest_epoch"), "3");
  EXPECT_FALSE(row_.compensating) << "a fenced compensation left its mark";
  EXPECT_EQ(row_.epoch, 3u);
}

TEST_F(BarrierTest, AHigherEpochIsTakenAndFencesTheOneBefore) {
  ASSERT_TRUE(Proceeds(Action(1)));
  StoreEnd(row_, Action(1), "done");
  EXPECT_EQ(Replayed(Action(2)), "done");
  EXPECT_THAT(Refused(Action(1)), IsError(StatusCode::kAborted, "STALE_EPOCH"));
}

TEST_F(BarrierTest, ASagaOlderThanTheRetentionIsRefusedAndLeavesNothing) {
  saga_id_ = SagaId(kRetention + absl::Minutes(1));
  EXPECT_THAT(Refused(Action()), IsError(StatusCode::kFailedPrecondition, "TOO_OLD"));
  EXPECT_THAT(Refused(Compensation()), IsError(StatusCode::kFailedPrecondition, "TOO_OLD"));
  EXPECT_EQ(row_.epoch, 0u);
  EXPECT_FALSE(row_.compensating);
  saga_id_ = SagaId(kRetention - absl::Minutes(1));
  EXPECT_TRUE(Proceeds(Action()));
}

// By a code that is tried again: the clocks may soon agree, and a definite refusal of a compensation parks its saga.
TEST_F(BarrierTest, ASagaFromTheFutureIsRefusedForNow) {
  saga_id_ = SagaId(-absl::Minutes(11));
  EXPECT_THAT(Refused(Action()), IsError(StatusCode::kUnavailable, "SAGA_IN_THE_FUTURE"));
  saga_id_ = SagaId(-absl::Minutes(9));
  EXPECT_TRUE(Proceeds(Action())) << "clocks differ";
}

TEST_F(BarrierTest, ASagaIdThatIsNoUuidV7IsRefused) {
  CallContext context;
  context.saga = SagaCall{"1b4e28ba-2fa1-41d2-883f-0016d3cca427", "create", SagaOp::kAction, 1};
  EXPECT_THAT(MakeBarrierCall("orders", context, kMethod, "x", ""),
              IsError(StatusCode::kInvalidArgument, "SAGA_ID_INVALID"));
}

TEST_F(BarrierTest, AMethodIsCalledByASagaOnlyAsWhatItIs) {
  CallContext context;
  EXPECT_OK(CheckSagaOp("orders", context, SagaOp::kAction));
  EXPECT_OK(CheckSagaOp("orders", context, SagaOp::kCompensation));
  context.saga = SagaCall{saga_id_, "create", SagaOp::kCompensation, 1};
  EXPECT_OK(CheckSagaOp("orders", context, SagaOp::kCompensation));
  EXPECT_EQ(CheckSagaOp("orders", context, SagaOp::kAction).message(), "saga-op: must be action for this method");
}

TEST_F(BarrierTest, ADirectKeyIsReplayedAndNotReusedForAnotherPayload) {
  ASSERT_TRUE(Proceeds(Direct("key", "request")));
  StoreEnd(row_, Direct("key", "request"), "done");
  EXPECT_EQ(Replayed(Direct("key", "request")), "done");
  EXPECT_THAT(Refused(Direct("key", "another")), IsError(StatusCode::kInvalidArgument, "IDEMPOTENCY_KEY_REUSED"));
}

TEST_F(BarrierTest, EachCallHasARowOfItsOwn) {
  const auto differ = [](const BarrierKey& a, const BarrierKey& b) { return a < b || b < a; };
  const BarrierKey direct = Direct(saga_id_, "x").key;
  EXPECT_TRUE(differ(direct, Action().key)) << "a direct caller reached a saga's row";
  EXPECT_TRUE(differ(direct, Direct(saga_id_, "x", "somebody").key));
  CallContext without_key;
  EXPECT_TRUE(differ(direct, Make(without_key, kMethod, "x", saga_id_).key));
  EXPECT_TRUE(differ(direct, Make({.idempotency_key = saga_id_}, kUndoMethod, "x").key));
  EXPECT_FALSE(differ(Action().key, Compensation().key)) << "a saga has one row";
}

// Through a database.
class BarrierRowsTest : public BarrierTest, public ::testing::WithParamInterface<Engine> {
 protected:
  BarrierRowsTest() { EXPECT_OK(sql::Migrate(*connection_, {BarrierMigration(1)})); }

  // One transaction with the row of `call`; what `body` changes is saved. Returns how many rows were.
  template <typename Body>
  int Transaction(const BarrierCall& call, Body body) {
    EXPECT_OK(connection_->Begin());
    absl::StatusOr<BarrierRows> rows = BarrierRows::Load(*connection_, {call.key}, clock_.Now());
    EXPECT_OK(rows);
    body(rows->Get(call.key));
    const absl::StatusOr<int> saved = rows->Save(*connection_);
    EXPECT_OK(saved);
    EXPECT_OK(connection_->Commit());
    return *saved;
  }

  std::optional<BarrierEnd> CheckIn(BarrierRow& row, const BarrierCall& call) {
    return CheckBarrier(row, call, clock_.Now(), kRetention);
  }

  ClaimHistory claims_;
  std::unique_ptr<sql::Database> database_ = GetParam().open(clock_);
  std::unique_ptr<sql::Connection> connection_ = *database_->Connect(sql::Access::kWrite);
};

TEST_P(BarrierRowsTest, AResultIsThereInTheNextTransaction) {
  const std::string bytes("\0\xff done", 7);
  EXPECT_EQ(Transaction(Action(5),
                        [&](BarrierRow& row) {
                          CheckIn(row, Action(5));
                          StoreEnd(row, Action(5), bytes);
                        }),
            1);
  clock_.Advance(absl::Minutes(1));
  EXPECT_EQ(Transaction(Action(5),
                        [&](BarrierRow& row) {
                          const std::optional<BarrierEnd> end = CheckIn(row, Action(5));
                          ASSERT_TRUE(end.has_value() && end->stored);
                          EXPECT_EQ(*end->reply, bytes);
                          EXPECT_EQ(row.epoch, 5u);
                          EXPECT_EQ(row.created_ms, absl::ToUnixMillis(clock_.Now() - absl::Minutes(1)));
                        }),
            0)
      << "a replay wrote";
}

TEST_P(BarrierRowsTest, TheMarkOfACompensationWithoutAResultIsSaved) {
  EXPECT_EQ(Transaction(Compensation(), [&](BarrierRow& row) { CheckIn(row, Compensation()); }), 1);
  Transaction(Action(), [&](BarrierRow& row) {
    const std::optional<BarrierEnd> end = CheckIn(row, Action());
    ASSERT_TRUE(end.has_value());
    EXPECT_THAT(end->reply, IsError(StatusCode::kAborted, "ALREADY_COMPENSATED"));
  });
}

TEST_P(BarrierRowsTest, AHigherEpochIsSavedAlsoByAReplay) {
  Transaction(Action(1), [&](BarrierRow& row) {
    CheckIn(row, Action(1));
    StoreEnd(row, Action(1), "done");
  });
  EXPECT_EQ(Transaction(Action(2), [&](BarrierRow& row) { CheckIn(row, Action(2)); }), 1);
  Transaction(Action(1), [&](BarrierRow& row) { EXPECT_FALSE(CheckIn(row, Action(1))->stored); });
}

TEST_P(BarrierRowsTest, ALaterResultIsARowOfItsOwnAndResultsStayInOrder) {
  const auto confirm = [this](uint64_t epoch) {
    CallContext context;
    context.saga = SagaCall{saga_id_, "confirm", SagaOp::kAction, epoch};
    return Make(context, "orders.v1.OrdersService/ConfirmOrder", "request");
  };
  const auto end = [&](const BarrierCall& call, const std::string& bytes) {
    Transaction(call, [&](BarrierRow& row) {
      EXPECT_FALSE(CheckIn(row, call).has_value());
      StoreEnd(row, call, bytes);
    });
  };
  const auto rows = [this] {
    std::vector<std::string> scopes;
    const auto found = connection_->Query("SELECT scope FROM barrier ORDER BY scope");
    for (const sql::Row& row : *found) {
      scopes.push_back(row.Text(0));
    }
    return scopes;
  };
  end(Action(1), "created");
  EXPECT_THAT(rows(), ElementsAre("saga"));
  end(confirm(1), "confirmed");
  EXPECT_THAT(rows(), ElementsAre("saga", "saga/001"));
  end(Compensation(2), "undone");  // with a mark and a higher epoch, which are the saga's row's
  EXPECT_THAT(rows(), ElementsAre("saga", "saga/001", "saga/002"));
  Transaction(Action(2), [&](BarrierRow& row) {
    EXPECT_EQ(row.epoch, 2u);
    EXPECT_TRUE(row.compensating);
    std::vector<std::string> results;
    for (const BarrierResult& result : row.results) results.push_back(result.bytes);
    EXPECT_THAT(results, ElementsAre("created", "confirmed", "undone"));
  });
}

TEST_P(BarrierRowsTest, ARowOfTheFirstFormatIsReadAndAddedToAsOne) {
  const auto field = [](char tag, absl::string_view bytes) {
    return absl::StrCat(std::string{tag, static_cast<char>(bytes.size())}, bytes);
  };
  const std::string result = absl::StrCat(field('\x0a', "create"), field('\x1a', kMethod),
                                          field('\x22', Action().fingerprint), field('\x32', "old"));
  const std::string record = absl::StrCat("\x08\x01\x10\x01", field('\x22', result));  // format 1, epoch 1
  ASSERT_OK(connection_->Execute("INSERT INTO barrier (id, scope, record, created_ms) VALUES (?, 'saga', ?, 1)",
                                 {sql::Value(saga_id_), sql::Blob{record}}));
  CallContext context;
  context.saga = SagaCall{saga_id_, "confirm", SagaOp::kAction, 1};
  const BarrierCall confirm = Make(context, kMethod, "request");
  Transaction(confirm, [&](BarrierRow& row) {
    EXPECT_FALSE(CheckIn(row, confirm).has_value());
    StoreEnd(row, confirm, "new");
  });
  EXPECT_EQ(connection_->Query("SELECT 1 FROM barrier")->size(), 1u) << "it is written again as one";
  for (const auto& [call, bytes] : {std::pair(Action(), "old"), std::pair(confirm, "new")}) {
    Transaction(call, [&](BarrierRow& row) { EXPECT_EQ(*CheckIn(row, call)->reply, bytes); });
  }
}

TEST_P(BarrierRowsTest, OfTwoThatFindNoRowOneWritesItAndTheOtherIsToldSo) {
  if (database_->max_writers() == 1) GTEST_SKIP() << "one writer at a time";
  const std::unique_ptr<sql::Connection> other = *database_->Connect(sql::Access::kWrite);
  const auto load = [this](sql::Connection& connection, const BarrierCall& call) {
    EXPECT_OK(connection.Begin());
    BarrierRows rows = *BarrierRows::Load(connection, {call.key}, clock_.Now());
    EXPECT_TRUE(rows.IsNew(Guard{call}));
    CheckIn(rows.Get(call.key), call);
    return rows;
  };
  BarrierRows action = load(*connection_, Action());
  BarrierRows compensation = load(*other, Compensation());
  EXPECT_OK(compensation.Save(*other));
  EXPECT_OK(other->Commit());
  EXPECT_EQ(action.Save(*connection_).status().code(), StatusCode::kAlreadyExists);
  EXPECT_OK(connection_->Rollback());
  Transaction(Action(), [&](BarrierRow& row) {
    EXPECT_THAT(CheckIn(row, Action())->reply, IsError(StatusCode::kAborted, "ALREADY_COMPENSATED"));
  });
}

TEST_P(BarrierRowsTest, ACallIsNewUntilAnythingWasHereOrItWasDecidedBefore) {
  Guard guard{Action()};
  EXPECT_FALSE(BarrierRows::Load(*connection_, {}, clock_.Now())->IsNew(Guard{}));
  ASSERT_OK(connection_->Begin());
  BarrierRows rows = *BarrierRows::Load(*connection_, {guard.call->key}, clock_.Now());
  EXPECT_TRUE(rows.IsNew(guard));
  EXPECT_FALSE(rows.End(guard, clock_.Now(), kRetention).has_value());
  EXPECT_FALSE(rows.IsNew(guard)) << "its next run must look for all";
  ASSERT_OK(rows.Save(*connection_));
  ASSERT_OK(connection_->Commit());
  EXPECT_FALSE(BarrierRows::Load(*connection_, {guard.call->key}, clock_.Now())->IsNew(Guard{Action()}));
  const Guard direct{Direct("key", "request")};
  EXPECT_FALSE(BarrierRows::Load(*connection_, {direct.call->key}, clock_.Now())->IsNew(direct));
}

TEST_P(BarrierRowsTest, AGuardTellsItsOwnStoredEndFromThatOfAnEarlierCall) {
  const auto run = [&](Guard& guard, bool in_doubt) {
    absl::StatusOr<std::string> reply;
    EXPECT_OK(connection_->Begin());
    absl::StatusOr<BarrierRows> rows = BarrierRows::Load(*connection_, {&guard}, clock_.Now(), in_doubt, claims_);
    EXPECT_OK(rows);
    if (auto end = rows->End(guard, clock_.Now(), kRetention)) {
      reply = *std::move(end);
    } else {
      reply = "done";
      rows->Store(guard, reply);
    }
    EXPECT_OK(rows->Save(*connection_));
    EXPECT_OK(connection_->Commit());
    return reply.value_or("refused") + (guard.replayed ? ", replayed" : "");
  };
  Guard first{Action()};
  EXPECT_EQ(run(first, false), "done");
  EXPECT_EQ(run(first, true), "done") << "its own: the COMMIT had an unknown outcome";
  EXPECT_EQ(run(first, false), "done, replayed") << "another's, who was faster: this one's run did not commit";
  Guard second{Action()};
  EXPECT_EQ(run(second, false), "done, replayed");
  EXPECT_EQ(run(second, true), "done, replayed");
}

TEST_P(BarrierRowsTest, TheRowOfALikelyFirstCallIsLookedForOnlyOnceItTurnedOutToBeThere) {
  Transaction(Compensation(), [&](BarrierRow& row) { CheckIn(row, Compensation()); });
  Guard guard{Action(), /*likely_first=*/true};
  const auto run = [&] {
    EXPECT_OK(connection_->Begin());
    BarrierRows rows = *BarrierRows::Load(*connection_, {&guard}, clock_.Now(), /*in_doubt=*/false, claims_);
    const auto end = rows.End(guard, clock_.Now(), kRetention);
    const absl::Status saved = rows.Save(*connection_).status();
    EXPECT_OK(connection_->Rollback());
    return std::make_pair(end, saved);
  };
  const auto [unseen, taken] = run();
  EXPECT_FALSE(unseen.has_value());
  EXPECT_EQ(taken.code(), StatusCode::kAlreadyExists) << "though no result was stored";
  const auto [seen, saved] = run();
  ASSERT_TRUE(seen.has_value());
  EXPECT_THAT(*seen, IsError(StatusCode::kAborted, "ALREADY_COMPENSATED"));
  EXPECT_OK(saved);
  // For a while the next ones are looked for at once.
  guard = {Action(), /*likely_first=*/true};
  EXPECT_TRUE(run().first.has_value());
  clock_.SleepFor(absl::Seconds(1));
  guard = {Action(), /*likely_first=*/true};
  EXPECT_FALSE(run().first.has_value());
}

TEST_P(BarrierRowsTest, OneOfTwoCallsThatMayNotBeTheFirstHasTheRowLookedFor) {
  Transaction(Compensation(), [&](BarrierRow& row) { CheckIn(row, Compensation()); });
  Guard first{Action(), /*likely_first=*/true};
  const Guard other{Compensation()};
  BarrierRows rows = *BarrierRows::Load(*connection_, {&first, &other}, clock_.Now(), /*in_doubt=*/false, claims_);
  EXPECT_TRUE(rows.End(first, clock_.Now(), kRetention).has_value());
}

TEST_F(BarrierTest, OnlyASagasCallUnderItsFirstEpochMayBeTheFirst) {
  EXPECT_TRUE(MayBeFirst(Action(1)));
  EXPECT_FALSE(MayBeFirst(Action(2)));
  EXPECT_FALSE(MayBeFirst(Compensation()));
  EXPECT_FALSE(MayBeFirst(Direct("key", "request")));
  EXPECT_FALSE(MayBeFirst(std::nullopt));
}

TEST_P(BarrierRowsTest, AnOperationWithoutACallIsGuardedByNothing) {
  BarrierRows rows = *BarrierRows::Load(*connection_, {}, clock_.Now());
  Guard guard{std::nullopt, /*likely_first=*/true};
  EXPECT_OK(BarrierRows::Load(*connection_, {&guard}, clock_.Now(), /*in_doubt=*/false, claims_));
  EXPECT_FALSE(rows.End(guard, clock_.Now(), kRetention).has_value());
  rows.Store(guard, absl::StatusOr<std::string>("done"));
  EXPECT_EQ(*rows.Save(*connection_), 0);
}

TEST_P(BarrierRowsTest, ARefusedCallLeavesNoRow) {
  saga_id_ = SagaId(kRetention * 2);
  EXPECT_EQ(Transaction(Action(), [&](BarrierRow& row) { CheckIn(row, Action()); }), 0);
  EXPECT_TRUE(connection_->Query("SELECT 1 FROM barrier")->empty());
}

TEST_P(BarrierRowsTest, ManyRowsOfOneTransactionAreLoadedAndSavedTogether) {
  std::vector<BarrierKey> keys;  // 200 of them, some named twice
  for (int i = 0; i < 300; i++) keys.push_back({std::to_string(i % 200), i % 2 == 0 ? "saga" : "key//m"});
  for (uint64_t epoch = 1; epoch <= 2; epoch++) {
    ASSERT_OK(connection_->Begin());
    absl::StatusOr<BarrierRows> rows = BarrierRows::Load(*connection_, keys, clock_.Now());
    ASSERT_OK(rows);
    for (int i = 0; i < 200; i++) {
      EXPECT_EQ(rows->Get(keys[i]).epoch, epoch - 1);
      rows->Get(keys[i]).epoch = epoch;
    }
    const absl::StatusOr<int> saved = rows->Save(*connection_);
    ASSERT_OK(saved);
    EXPECT_EQ(*saved, 200);
    ASSERT_OK(connection_->Commit());
  }
}

TEST_P(BarrierRowsTest, ARowOfANewerFormatIsNotGuessedAt) {
  Transaction(Action(), [&](BarrierRow& row) { CheckIn(row, Action()); });
  // Field 1, the format's version: 99.
  ASSERT_OK(connection_->Execute("UPDATE barrier SET record=?", {sql::Blob{std::string("\x08\x63", 2)}}));
  EXPECT_EQ(BarrierRows::Load(*connection_, {Action().key}, clock_.Now()).status().code(), StatusCode::kInternal);
  ASSERT_OK(connection_->Execute("UPDATE barrier SET record=?", {sql::Blob{"\xff\xff\xff"}}));
  EXPECT_EQ(BarrierRows::Load(*connection_, {Action().key}, clock_.Now()).status().code(), StatusCode::kInternal);
}

INSTANTIATE_TEST_SUITE_P(Engines, BarrierRowsTest, ::testing::Values(SqliteEngine(), SimulatedEngine()), EngineName);
INSTANTIATE_TEST_SUITE_P(Servers, BarrierRowsTest, ::testing::ValuesIn(ServerEngines()), EngineName);

}  // namespace
}  // namespace sagamesh
