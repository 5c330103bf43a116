#include "coordinator/journal/claim.h"

#include "coordinator/journal/sha256.h"

namespace sagamesh::journal {

ClaimOutcome DecideClaim(const KeyRow& row, const SagaRecord* holder, const SagaRecord& candidate, absl::Time now,
                         absl::Duration content_key_window) {
  if (row.status == KeyStatus::kNone) return ClaimOutcome::kStarted;
  // Content keys are fingerprints. An explicit key stays with its payload even while it is free.
  if (row.fingerprint != candidate.fingerprint) return ClaimOutcome::kReused;
  if (holder == nullptr || holder->saga_id == candidate.saga_id) return ClaimOutcome::kStarted;
  if (!engine::IsFinal(holder->phase)) return ClaimOutcome::kAttached;
  if (SettleKey(*holder) == KeyStatus::kFree) return ClaimOutcome::kStarted;
  // The window frees only what has ended: a saga that is still under way keeps its key however long it takes.
  if (candidate.key_kind == KeyKind::kContent && now - row.claimed >= content_key_window) return ClaimOutcome::kStarted;
  return ClaimOutcome::kReplayed;
}

KeyStatus SettleKey(const SagaRecord& record) {
  switch (record.phase) {
    case Phase::kRunning:
    case Phase::kCompensating:
    case Phase::kParked:
      return KeyStatus::kHeld;
    case Phase::kSucceeded:
      return KeyStatus::kDone;
    case Phase::kCompensated:
      return record.key_kind == KeyKind::kExplicit && record.error_definite ? KeyStatus::kDone : KeyStatus::kFree;
  }
  return KeyStatus::kHeld;
}

std::string KeyHash(const SagaRecord& record) {
  return Sha256Hex({record.principal, record.definition, record.key_kind == KeyKind::kExplicit ? "explicit" : "content",
                    record.key});
}

}  // namespace sagamesh::journal
