#include "tests/simulation/evidence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "common/status/error.h"
#include "coordinator/v1/coordinator.pb.h"
#include "tests/simulation/limits.h"

namespace sagamesh::simulation {
namespace {

using engine::KeyKind;
using engine::Phase;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

// A count that counts too much is worse than none: each test has what counts beside what does not.
class EvidenceTest : public ::testing::Test {
 protected:
  engine::SagaRecord& AddSaga(const std::string& id, Phase phase, KeyKind kind, const std::string& key) {
    engine::SagaRecord& saga = snapshot_.sagas[id];
    saga.saga_id = id;
    saga.phase = phase;
    saga.key_kind = kind;
    saga.key = key;
    saga.created = now_ += absl::Minutes(1);
    saga.updated = saga.created;
    return saga;
  }

  // An order through the coordinator: asked now, answered a second later.
  Answer& AddAnswer(const std::string& key, absl::StatusOr<std::string> reply, ReplyInfo info = {}) {
    Answer answer{.method = kProcessOrder, .reply = std::move(reply), .info = info};
    if (!key.empty()) answer.key = key;
    answer.asked = now_ += absl::Minutes(1);
    answer.answered = now_ += absl::Seconds(1);
    history_.push_back(answer);
    return history_.back();
  }

  static std::string Good(const std::string& saga_id) {
    ::coordinator::v1::ProcessOrderResponse response;
    response.set_saga_id(saga_id);
    return response.SerializeAsString();
  }
  static absl::Status Failed(const std::string& saga_id, absl::string_view reason = "FAULT_INJECTED") {
    return MakeError(absl::StatusCode::kInternal, {"orders", reason}, "failed", {{"saga_id", saga_id}});
  }
  static absl::Status Refused(absl::string_view domain, absl::string_view reason) {
    return MakeError(absl::StatusCode::kAborted, {domain, reason}, "refused");
  }

  Exchange& AddCall(const std::string& to, SagaOp op, absl::StatusOr<std::string> reply, bool replayed = false) {
    Exchange call{.to = to, .method = op == SagaOp::kAction ? kCreateOrder : kCancelOrder};
    call.context.saga = SagaCall{"saga", "create", op, 1};
    call.arrived = now_ += absl::Seconds(1);
    call.answered = now_ += absl::Seconds(1);
    call.reply = std::move(reply);
    call.info.replayed = replayed;
    exchanges_.push_back(call);
    return exchanges_.back();
  }

  Counts Layer1() const {
    Counts counts;
    CountLayer1(snapshot_, history_, exchanges_, counts);
    return counts;
  }
  Counts Layer2() const {
    Counts counts;
    CountLayer2(snapshot_, exchanges_, counts);
    return counts;
  }

  Counts Replicas() const {
    Counts counts;
    CountReplicas(history_, exchanges_, counts);
    return counts;
  }

  absl::Time now_ = absl::UnixEpoch();
  Snapshot snapshot_;
  std::vector<Answer> history_;
  std::deque<Exchange> exchanges_;
};

TEST_F(EvidenceTest, AReplayIsAnAnswerWithTheHeader) {
  AddAnswer("key", Good("a"));
  AddAnswer("key", Good("a"), {.replayed = true});
  AddAnswer("", Good("b"), {.replayed = true});
  AddAnswer("other", Failed("c"), {.replayed = true});
  EXPECT_THAT(Layer1(),
              ElementsAre(Pair("content key, ended well: the stored response", 1),
                          Pair("explicit key, definite failure: the stored error", 1),
                          Pair("explicit key, ended well: the stored response", 1), Pair("running: attached", 0)));
}

TEST_F(EvidenceTest, AttachedAreThoseWhoWaitedForASagaThatAnotherHadStarted) {
  AddAnswer("key", Good("a"));
  AddAnswer("key", Good("a"));
  AddAnswer("key", Good("a"));
  AddAnswer("key", Good("a"), {.replayed = true});
  AddAnswer("other", Good("b"));
  EXPECT_THAT(Layer1(), Contains(Pair("running: attached", 2)));
}

TEST_F(EvidenceTest, WhoAsksAfterACompensationIsKnownToRunAttachesToIt) {
  AddSaga("a", Phase::kCompensated, KeyKind::kExplicit, "key");
  AddAnswer("key", Failed("a"));
  AddAnswer("key", Failed("a"), {.compensating = true});
  AddAnswer("key", Failed("a"));
  AddAnswer("key", Failed("a"), {.replayed = true});
  const Counts counts = Layer1();
  EXPECT_THAT(counts, Contains(Pair("compensating: attached", 1)));
  EXPECT_THAT(counts, Contains(Pair("answered before compensation ended", 1)));
}

TEST_F(EvidenceTest, WhoAsksLongAfterASagaParkedAttachesToIt) {
  AddSaga("a", Phase::kParked, KeyKind::kExplicit, "key");
  AddAnswer("key", Failed("a"), {.compensating = true});
  snapshot_.sagas["a"].updated = now_;
  AddAnswer("key", Failed("a"), {.compensating = true}).asked = now_ + kClockErrorMax;
  AddAnswer("key", Failed("a"), {.compensating = true}).asked = now_ + 2 * kClockErrorMax;
  EXPECT_THAT(Layer1(), Contains(Pair("parked: attached", 1)));
}

TEST_F(EvidenceTest, AKeyWasFreeIfItHadAnotherSagaLater) {
  AddSaga("a", Phase::kCompensated, KeyKind::kExplicit, "transient");
  AddSaga("b", Phase::kSucceeded, KeyKind::kExplicit, "transient");
  AddSaga("c", Phase::kCompensated, KeyKind::kContent, "content");
  AddSaga("d", Phase::kSucceeded, KeyKind::kContent, "content");
  AddSaga("e", Phase::kSucceeded, KeyKind::kContent, "content");
  AddSaga("f", Phase::kCompensated, KeyKind::kExplicit, "content");
  EXPECT_THAT(Layer1(),
              ElementsAre(Pair("content key, failed: a new saga", 1), Pair("content key, window over: a new saga", 1),
                          Pair("explicit key, transient failure: free again", 1)));
}

TEST_F(EvidenceTest, AnotherPayloadIsRefusedWhileTheKeyIsFree) {
  const absl::Status reused = Refused("coordinator", "IDEMPOTENCY_KEY_REUSED");
  AddSaga("a", Phase::kCompensated, KeyKind::kExplicit, "key");
  AddAnswer("key", reused);  // it was not free yet
  AddAnswer("key", Failed("a"));
  AddAnswer("key", reused);
  EXPECT_THAT(Layer1(), ElementsAre(Pair("explicit key, other payload: refused", 2),
                                    Pair("explicit key, transient failure: other payload refused", 1)));
  snapshot_.sagas["a"].error_definite = true;
  EXPECT_THAT(Layer1(), ElementsAre(Pair("explicit key, other payload: refused", 2)));
}

TEST_F(EvidenceTest, ARejectionStoredNothingIfItsKeyHadASagaOnlyLater) {
  AddAnswer("late", InvalidField("coordinator", "items", "is empty"));
  AddAnswer("late", Overloaded({"coordinator", "SAGAS_IN_FLIGHT"}, "full", absl::Seconds(1)));
  AddSaga("a", Phase::kSucceeded, KeyKind::kExplicit, "late");
  AddAnswer("late", InvalidField("coordinator", "items", "is empty"));
  AddAnswer("never", InvalidField("coordinator", "items", "is empty"));
  EXPECT_THAT(Layer1(), ElementsAre(Pair("invalid: nothing stored", 1), Pair("overload: nothing stored", 1)));
}

TEST_F(EvidenceTest, AStoredResultIsOfACallThatCameBefore) {
  AddCall("orders", SagaOp::kAction, "reply", /*replayed=*/true);  // its own COMMIT was unknown at first
  EXPECT_THAT(Layer2(), IsEmpty());
  AddCall("orders", SagaOp::kAction, "reply", /*replayed=*/true);
  AddCall("customers", SagaOp::kAction, "reply", /*replayed=*/true);
  EXPECT_THAT(Layer2(), ElementsAre(Pair("orders: repeated action, the stored result", 1)));
}

TEST_F(EvidenceTest, ARefusalCountsForTheParticipantThatMadeIt) {
  AddCall("orders", SagaOp::kAction, Refused("customers", "STALE_EPOCH"));
  AddCall("customers", SagaOp::kAction, Refused("customers", "STALE_EPOCH"));
  AddCall("orders", SagaOp::kAction, Refused("orders", "ALREADY_COMPENSATED"));
  AddCall("orders", SagaOp::kCompensation, Refused("orders", "ALREADY_COMPENSATED"));
  EXPECT_THAT(Layer2(), ElementsAre(Pair("customers: lower epoch, STALE_EPOCH", 1),
                                    Pair("orders: late action, ALREADY_COMPENSATED", 1)));
}

TEST_F(EvidenceTest, ANullCompensationIsOneThatNoActionWentBefore) {
  AddCall("orders", SagaOp::kCompensation, "reply");
  EXPECT_THAT(Layer2(), IsEmpty());  // no mark
  snapshot_.orders_barrier["saga"].compensating = true;
  EXPECT_THAT(Layer2(), ElementsAre(Pair("orders: null compensation, the mark", 1)));
  AddCall("orders", SagaOp::kAction, Refused("orders", "ALREADY_COMPENSATED"));
  EXPECT_THAT(Layer2(), Contains(Pair("orders: null compensation, the mark", 1)));
  exchanges_.back().arrived = absl::UnixEpoch();
  EXPECT_THAT(Layer2(), ElementsAre(Pair("orders: late action, ALREADY_COMPENSATED", 1)));
}

TEST_F(EvidenceTest, APeerIsAnotherReplicaNotAnotherLife) {
  for (const char* caller : {"coordinator/1#1", "coordinator/1#2", "coordinator/2#1"}) {
    Exchange& call = AddCall("orders", SagaOp::kAction, "reply");
    call.from = "coordinator";
    call.caller = caller;
  }
  AddCall("customers", SagaOp::kAction, "reply").caller = "orders/1#1";
  EXPECT_THAT(Replicas(), ElementsAre(Pair("sagas that a peer took over", 1)));
}

TEST_F(EvidenceTest, AZombiesCallIsOneOfACoordinatorThatWasRefused) {
  AddCall("orders", SagaOp::kAction, Refused("orders", "STALE_EPOCH"));  // a straggler's
  EXPECT_THAT(Replicas(), IsEmpty());
  exchanges_.back().from = "coordinator";
  EXPECT_THAT(Replicas(), Contains(Pair("zombie's call, STALE_EPOCH", 1)));
}

TEST_F(EvidenceTest, ADuplicateAtAnotherReplicaAttachesThereOrGetsTheStoredAnswer) {
  AddAnswer("key", Good("a")).replica = "coordinator/1";
  AddAnswer("key", Good("a")).replica = "coordinator/1";
  EXPECT_THAT(Replicas(), ElementsAre(Pair("running: attached at another replica", 0)));
  AddAnswer("key", Good("a")).replica = "coordinator/2";
  AddAnswer("key", Good("a"), {.replayed = true}).replica = "coordinator/1";
  AddAnswer("key", Good("a"), {.replayed = true}).replica = "coordinator/3";
  EXPECT_THAT(Replicas(), ElementsAre(Pair("ended well: the stored response at another replica", 1),
                                      Pair("running: attached at another replica", 1)));
}

TEST(CoverageTest, WhatWasNeverReachedIsNamed) {
  Coverage coverage;
  EXPECT_THAT(coverage.NeverReached(), Contains("crashes"));
  coverage.Add({{"crashes", 2}, {"of no list", 3}});
  coverage.Add({{"crashes", 1}, {"connections lost", 0}});
  EXPECT_THAT(coverage.NeverReached(), Not(Contains("crashes")));
  EXPECT_THAT(coverage.NeverReached(), Contains("connections lost"));
  EXPECT_THAT(coverage.Table(), HasSubstr("         3  fault    crashes\n"));
  EXPECT_THAT(coverage.Table(), HasSubstr("         3  besides  of no list\n"));
}

}  // namespace
}  // namespace sagamesh::simulation
