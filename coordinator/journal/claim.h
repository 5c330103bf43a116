#ifndef SAGAMESH_COORDINATOR_JOURNAL_CLAIM_H_
#define SAGAMESH_COORDINATOR_JOURNAL_CLAIM_H_

#include <string>

#include "absl/time/time.h"
#include "coordinator/engine/saga.h"
#include "coordinator/journal/journal.h"

namespace sagamesh::journal {

// A row of `saga_keys`: who claimed the key last, and for what. Whether it is still held is told by its saga's row
// alone, so that what ends a saga frees its key.
struct KeyRow {
  std::string fingerprint;  // stays while the key is free
  std::string saga_id;      // "": never claimed
};

// Layer 1 of idempotency (docs/semantics.md), pure. `holder` is the saga that `row` names, nullptr if it does not
// exist; `candidate` is the saga that the caller wants to start. kStarted means: write the candidate and give it the
// key. It is also the answer if the candidate holds the key already: an earlier, unknown COMMIT succeeded.
ClaimOutcome DecideClaim(const KeyRow& row, const SagaRecord* holder, const SagaRecord& candidate, absl::Time now,
                         absl::Duration content_key_window);

// What a saga makes of the key that it holds.
enum class KeyStatus {
  kHeld,  // the saga is not final
  kDone,  // its result or error is the answer
  kFree,  // it failed and left nothing to answer
};
// Pure.
KeyStatus SettleKey(const SagaRecord& record);

// What a key is scoped by, and the key.
struct ScopedKey {
  absl::string_view principal;
  absl::string_view definition;
  KeyKind kind;
  absl::string_view key;
};
// The primary key of the key's row.
std::string KeyHash(const ScopedKey& key);
std::string KeyHash(const SagaRecord& record);

}  // namespace sagamesh::journal

#endif  // SAGAMESH_COORDINATOR_JOURNAL_CLAIM_H_
