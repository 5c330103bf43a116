#ifndef SAGAMESH_COMMON_FAULT_PLANTED_H_
#define SAGAMESH_COMMON_FAULT_PLANTED_H_

namespace sagamesh {

// Bugs that are planted to see whether the checkers of tests/simulation find them, each at the place where it would be
// made. Only a build with SAGAMESH_PLANTED_BUGS has them, all off until `simulate --plant=NAME` turns one on; in any
// other build Planted is a constant, and nothing of a bug is compiled.
enum class Bug {
  kNone,

  // The coordinator's engine and runtime.
  kAnswerBeforeCommit,        // callers are answered before the saga's final record is durable
  kCompensateBeforeDecision,  // the first compensation is sent before the decision is durable
  kCompensateForward,         // compensations run in the order of the steps
  kFailedStepNotUndone,       // only the steps that were answered well are undone
  kForgetEarlierOwner,        // a saga taken over undoes only what this owner attempted
  kCommandKeepsEpoch,         // an operator's command goes on under the epoch that is there
  kDeferredForgotten,         // nobody looks again for compensations that wait in their rows

  // The coordinator's journal.
  kSkipFence,               // a write does not look at its row's owner, epoch and version
  kUnseenWriteTrusted,      // a write without a look is not asked whether it found its row as it must be
  kReuseEpoch,              // a takeover does not raise the epoch
  kInsertUnderClosedLease,  // a transaction goes on though its lease is closed
  kLostStartForgotten,      // a start whose COMMIT was never found out about is not made due
  kFreeKeyEarly,            // a key is free as soon as its saga compensates
  kStoreTransientError,     // an error that is not definite is kept as an explicit key's answer
  kAnswerOtherPayload,      // a key answers whatever payload comes with it
  kClaimOverwrites,         // of two that find a key free both get it

  // What participants share.
  kDropCompensatingMark,    // a compensation leaves no mark at the barrier
  kLowerEpochTaken,         // the barrier takes a call of an epoch that is over
  kBarrierOverwrites,       // of two that find no barrier row the second replaces the first one's
  kDoubleApplyOnRetry,      // a repeated call does not look for its stored result
  kUnknownCommitIsSuccess,  // a COMMIT whose outcome is unknown is taken for done

  kBatchAnswersShifted,  // each call of a batch is given its neighbour's answer

  // Orders and customers.
  kConfirmOverCancelling,  // CONFIRMED is written over CANCELLING and CANCELLED
  kRefusalUndoesBatch,     // one refusal rolls a batch back whose other callers are told that it went well
  kReversalKeepsStock,     // a release after a commit does not bring the stock back
  kReleaseLeavesNoRow,     // the release of an order never seen does not keep out a late reserve
  kReadStockUnlocked,      // balances are read without a lock
};

#ifdef SAGAMESH_PLANTED_BUGS
// At most one in a process: what a checker says is then about this one.
inline Bug planted_bug = Bug::kNone;
inline bool Planted(Bug bug) { return planted_bug == bug; }
#else
constexpr bool Planted(Bug) { return false; }
#endif

}  // namespace sagamesh

#endif  // SAGAMESH_COMMON_FAULT_PLANTED_H_
