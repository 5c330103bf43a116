#ifndef SAGAMESH_COORDINATOR_JOURNAL_CLAIM_H_
#define SAGAMESH_COORDINATOR_JOURNAL_CLAIM_H_

#include <string>

#include "absl/time/time.h"
#include "coordinator/engine/saga.h"
#include "coordinator/journal/journal.h"

namespace sagamesh::journal {

enum class KeyStatus {
  kNone = 0,  // never claimed
  kHeld = 1,  // its saga is not final
  kDone = 2,  // its saga's result or error is the answer
  kFree = 3,  // its saga failed and left nothing to answer; the fingerprint stays
};

// A row of `saga_keys`.
struct KeyRow {
  std::string fingerprint;
  std::string saga_id;
  KeyStatus status = KeyStatus::kNone;
  absl::Time claimed;
};

// Layer 1 of idempotency (docs/semantics.md), pure. `holder` is the saga that `row` names, nullptr if it does not
// exist; `candidate` is the saga that the caller wants to start. kStarted means: write the candidate and give it the
// key. It is also the answer if the candidate holds the key already: an earlier, unknown COMMIT succeeded.
ClaimOutcome DecideClaim(const KeyRow& row, const SagaRecord* holder, const SagaRecord& candidate, absl::Time now,
                         absl::Duration content_key_window);

// What a saga makes of the key that it holds, pure.
KeyStatus SettleKey(const SagaRecord& record);

// The primary key of the key's row.
std::string KeyHash(const SagaRecord& record);

}  // namespace sagamesh::journal

#endif  // SAGAMESH_COORDINATOR_JOURNAL_CLAIM_H_
