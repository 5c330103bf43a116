#include "tests/simulation/planted_bugs.h"

#include <cstdio>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "common/clock/clock.h"
#include "common/fault/planted.h"

namespace sagamesh::simulation {
namespace {

struct Named {
  const char* name;
  Bug bug;
};
constexpr Named kBugs[] = {
    {"skip-fence", Bug::kSkipFence},
    {"answer-before-commit", Bug::kAnswerBeforeCommit},
    {"drop-compensating-mark", Bug::kDropCompensatingMark},
    {"compensate-forward", Bug::kCompensateForward},
    {"reuse-epoch", Bug::kReuseEpoch},
    {"double-apply-on-retry", Bug::kDoubleApplyOnRetry},
    {"unknown-commit-is-success", Bug::kUnknownCommitIsSuccess},
    {"free-key-early", Bug::kFreeKeyEarly},
    {"insert-under-closed-lease", Bug::kInsertUnderClosedLease},
    {"store-transient-error", Bug::kStoreTransientError},
    {"failed-step-not-undone", Bug::kFailedStepNotUndone},
    {"forget-earlier-owner", Bug::kForgetEarlierOwner},
    {"compensate-before-decision", Bug::kCompensateBeforeDecision},
    {"lower-epoch-taken", Bug::kLowerEpochTaken},
    {"command-keeps-epoch", Bug::kCommandKeepsEpoch},
    {"lost-start-forgotten", Bug::kLostStartForgotten},
    {"deferred-forgotten", Bug::kDeferredForgotten},
    {"answer-other-payload", Bug::kAnswerOtherPayload},
    {"claim-overwrites", Bug::kClaimOverwrites},
    {"barrier-overwrites", Bug::kBarrierOverwrites},
    {"read-stock-unlocked", Bug::kReadStockUnlocked},
    {"batch-answers-shifted", Bug::kBatchAnswersShifted},
    {"confirm-over-cancelling", Bug::kConfirmOverCancelling},
    {"refusal-undoes-batch", Bug::kRefusalUndoesBatch},
    {"reversal-keeps-stock", Bug::kReversalKeepsStock},
    {"release-leaves-no-row", Bug::kReleaseLeavesNoRow},
    {"unseen-write-trusted", Bug::kUnseenWriteTrusted},
};

void Set([[maybe_unused]] Bug bug) {
#ifdef SAGAMESH_PLANTED_BUGS
  planted_bug = bug;
#endif
}

}  // namespace

std::vector<std::string> PlantedBugNames() {
  std::vector<std::string> names;
  for (const Named& named : kBugs) names.push_back(named.name);
  return names;
}

absl::Status Plant(absl::string_view name) {
  for (const Named& named : kBugs) {
    if (name != named.name) continue;
    Set(named.bug);
    if (Planted(named.bug)) return absl::OkStatus();
    return absl::FailedPreconditionError("this build has no planted bugs: SAGAMESH_PLANTED_BUGS");
  }
  return absl::NotFoundError(absl::StrCat("no planted bug is called ", name));
}

bool Hunt(absl::string_view name, WorldOptions options, int64_t seeds) {
  SystemClock clock;
  const absl::Time began = clock.Now();
  const uint64_t end = options.seed + seeds;
  Violations violations;
  for (; options.seed < end && violations.empty(); options.seed++) violations = Simulate(options).violations;
  const double seconds = absl::ToDoubleSeconds(clock.Now() - began);
  if (violations.empty()) {
    absl::PrintF("%-26s NOT FOUND in %d seeds, %.1f s\n", name, seeds, seconds);
  } else {
    std::set<std::string> broken;
    for (const std::string& violation : violations) broken.insert(violation.substr(0, violation.find(':')));
    absl::PrintF("%-26s seed %4d, %5.1f s, invariants %s: %s\n", name, options.seed - 1, seconds,
                 absl::StrJoin(broken, " "), violations.back());
  }
  std::fflush(stdout);
  return !violations.empty();
}

}  // namespace sagamesh::simulation
