#include "coordinator/journal/claim.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sagamesh::journal {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);
constexpr absl::Duration kWindow = absl::Hours(24);

SagaRecord Saga(const std::string& id, KeyKind kind, Phase phase, bool definite = false) {
  SagaRecord record;
  record.saga_id = id;
  record.definition = "process_order";
  record.key_kind = kind;
  record.key = kind == KeyKind::kExplicit ? "key" : "fingerprint";
  record.fingerprint = "fingerprint";
  record.phase = phase;
  record.error_definite = definite;
  return record;
}

struct Row {
  std::string situation;
  KeyKind kind;
  Phase holder;
  bool definite;
  absl::Duration age;
  bool other_payload;
  ClaimOutcome outcome;
};

class ClaimTable : public ::testing::TestWithParam<Row> {};

TEST_P(ClaimTable, IsDecidedAsDocumented) {
  const Row& row = GetParam();
  SagaRecord holder = Saga("old", row.kind, row.holder, row.definite);
  holder.created = kNow - row.age;
  SagaRecord candidate = Saga("new", row.kind, Phase::kRunning);
  if (row.other_payload) candidate.fingerprint = "another";
  const KeyRow key = {.fingerprint = "fingerprint", .saga_id = "old"};
  EXPECT_EQ(DecideClaim(key, &holder, candidate, kNow, kWindow), row.outcome) << row.situation;
}

constexpr KeyKind kE = KeyKind::kExplicit;
constexpr KeyKind kC = KeyKind::kContent;
constexpr absl::Duration kSoon = absl::Seconds(1);
constexpr absl::Duration kLate = absl::Hours(25);

INSTANTIATE_TEST_SUITE_P(
    Docs, ClaimTable,
    ::testing::ValuesIn(std::vector<Row>{
        {"explicit, finished well", kE, Phase::kSucceeded, false, kSoon, false, ClaimOutcome::kReplayed},
        {"content, finished well", kC, Phase::kSucceeded, false, kSoon, false, ClaimOutcome::kReplayed},
        {"explicit, running", kE, Phase::kRunning, false, kSoon, false, ClaimOutcome::kAttached},
        {"content, running", kC, Phase::kRunning, false, kSoon, false, ClaimOutcome::kAttached},
        {"explicit, other payload, running", kE, Phase::kRunning, false, kSoon, true, ClaimOutcome::kReused},
        {"explicit, other payload, done", kE, Phase::kSucceeded, false, kSoon, true, ClaimOutcome::kReused},
        {"explicit, other payload, parked", kE, Phase::kParked, false, kSoon, true, ClaimOutcome::kReused},
        {"explicit, failed definitely", kE, Phase::kCompensated, true, kSoon, false, ClaimOutcome::kReplayed},
        {"explicit, failed definitely, other payload", kE, Phase::kCompensated, true, kSoon, true,
         ClaimOutcome::kReused},
        {"explicit, failed transiently", kE, Phase::kCompensated, false, kSoon, false, ClaimOutcome::kStarted},
        {"explicit, failed transiently, other payload", kE, Phase::kCompensated, false, kSoon, true,
         ClaimOutcome::kReused},
        {"explicit, compensating", kE, Phase::kCompensating, true, kSoon, false, ClaimOutcome::kAttached},
        {"content, compensating", kC, Phase::kCompensating, true, kSoon, false, ClaimOutcome::kAttached},
        {"explicit, parked", kE, Phase::kParked, true, kSoon, false, ClaimOutcome::kAttached},
        {"content, parked", kC, Phase::kParked, false, kSoon, false, ClaimOutcome::kAttached},
        {"content, failed definitely", kC, Phase::kCompensated, true, kSoon, false, ClaimOutcome::kStarted},
        {"content, failed transiently", kC, Phase::kCompensated, false, kSoon, false, ClaimOutcome::kStarted},
        {"content, finished well before the window", kC, Phase::kSucceeded, false, kLate, false,
         ClaimOutcome::kStarted},
        {"content, parked before the window", kC, Phase::kParked, false, kLate, false, ClaimOutcome::kAttached},
        {"content, running before the window", kC, Phase::kRunning, false, kLate, false, ClaimOutcome::kAttached},
        {"explicit, finished well before the window", kE, Phase::kSucceeded, false, kLate, false,
         ClaimOutcome::kReplayed},
    }));

TEST(ClaimTest, AKeyThatNobodyClaimedIsTaken) {
  EXPECT_EQ(DecideClaim({}, nullptr, Saga("new", kE, Phase::kRunning), kNow, kWindow), ClaimOutcome::kStarted);
}

TEST(ClaimTest, AClaimThatIsRunAgainAfterAnUnknownCommitHasStarted) {
  const SagaRecord saga = Saga("new", kE, Phase::kRunning);
  const KeyRow key = {.fingerprint = "fingerprint", .saga_id = "new"};
  EXPECT_EQ(DecideClaim(key, &saga, saga, kNow, kWindow), ClaimOutcome::kStarted);
}

TEST(ClaimTest, KeysOfOtherPrincipalsDefinitionsAndKindsAreOtherKeys) {
  const SagaRecord saga = Saga("a", kE, Phase::kRunning);
  SagaRecord other = saga;
  other.principal = "someone";
  EXPECT_NE(KeyHash(saga), KeyHash(other));
  other = saga;
  other.definition = "another";
  EXPECT_NE(KeyHash(saga), KeyHash(other));
  other = saga;
  other.key_kind = kC;
  EXPECT_NE(KeyHash(saga), KeyHash(other));
}

}  // namespace
}  // namespace sagamesh::journal
