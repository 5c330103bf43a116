#include "coordinator/journal/claim.h"

#include "absl/strings/str_cat.h"
#include "common/fault/planted.h"
#include "common/hash/sha256.h"

namespace sagamesh::journal {

ClaimOutcome DecideClaim(const KeyRow& row, const SagaRecord* holder, const SagaRecord& candidate, absl::Time now,
                         absl::Duration content_key_window) {
  if (row.saga_id.empty()) return ClaimOutcome::kStarted;
  // Content keys are fingerprints. An explicit key stays with its payload even while it is free.
  if (row.fingerprint != candidate.fingerprint && !Planted(Bug::kAnswerOtherPayload)) return ClaimOutcome::kReused;
  if (holder == nullptr) return ClaimOutcome::kStarted;
  if (holder->saga_id == candidate.saga_id) return ClaimOutcome::kStarted;
  if (holder->phase == Phase::kCompensating && Planted(Bug::kFreeKeyEarly)) return ClaimOutcome::kStarted;
  if (!engine::IsFinal(holder->phase)) return ClaimOutcome::kAttached;
  if (SettleKey(*holder) == KeyStatus::kFree) return ClaimOutcome::kStarted;
  // The window frees only what has ended: a saga that is still under way keeps its key however long it takes.
  if (candidate.key_kind == KeyKind::kContent && now - holder->created >= content_key_window) {
    return ClaimOutcome::kStarted;
  }
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
      return record.key_kind == KeyKind::kExplicit && (record.error_definite || Planted(Bug::kStoreTransientError))
                 ? KeyStatus::kDone
                 : KeyStatus::kFree;
  }
  return KeyStatus::kHeld;
}

std::string KeyHash(const ScopedKey& key) {
  const absl::string_view kind = key.kind == KeyKind::kExplicit ? "explicit" : "content";
  std::string bytes;
  // Lengths keep the parts apart.
  for (absl::string_view part : {key.principal, key.definition, kind, key.key}) {
    absl::StrAppend(&bytes, part.size(), ":", part);
  }
  return Sha256Hex(bytes);
}

std::string KeyHash(const SagaRecord& record) {
  return KeyHash({record.principal, record.definition, record.key_kind, record.key});
}

}  // namespace sagamesh::journal
