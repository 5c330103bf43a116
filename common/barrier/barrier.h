#ifndef SAGAMESH_COMMON_BARRIER_BARRIER_H_
#define SAGAMESH_COMMON_BARRIER_BARRIER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/barrier/claim_history.h"
#include "common/rpc/call_context.h"
#include "common/sql/migrations.h"
#include "common/sql/sql.h"

namespace sagamesh {

// The barrier: a participant's own idempotency, in the transaction of its business change. After the "sub-transaction
// barrier" of DTM (https://en.dtm.pub/practice/barrier.html), with one row per saga that locks it, fenced by epochs.
//
// A service makes a BarrierCall of each call that comes (MakeBarrierCall), keeps it in the Guard of the call's
// operation, and in the transaction of a batch
//   1. loads the rows of all its guards, locked, before any other table (BarrierRows::Load); of two transactions that
//      both find a row missing, or did not look, the second to write it gets ALREADY_EXISTS: it rolls back and runs
//      again (GroupCommit does);
//   2. for each operation in arrival order asks BarrierRows::End: what it gives ends the operation; otherwise decides,
//      changes its business rows in memory, and stores the end (BarrierRows::Store) if it is a success or a definite
//      refusal; never a transient, infrastructure or injected error. A direct call that stores nothing may only insert
//      business rows, or change those that it has locked: nothing else keeps it apart from its twin;
//   3. writes: BarrierRows::Save, then its business rows.
// The library has no state and needs no gRPC. A service that links it adds BarrierMigration() to its migrations.

// The row that guards a call: of the saga for a saga's calls, of the caller's key for direct ones.
struct BarrierKey {
  std::string id;     // first in the primary key
  std::string scope;  // "saga", or "key/<principal>/<method>", or a service's own; "saga/..." is taken
  bool operator<(const BarrierKey& other) const { return std::tie(id, scope) < std::tie(other.id, other.scope); }
};

// The stored end of one call.
struct BarrierResult {
  std::string step;
  SagaOp op = SagaOp::kAction;
  std::string method;
  std::string fingerprint;  // of the request
  bool refused = false;
  std::string bytes;  // the serialized response, or google.rpc.Status if refused
};

struct BarrierRow {
  uint64_t epoch = 0;         // the highest seen
  bool compensating = false;  // the mark: every later action is refused
  std::vector<BarrierResult> results;
  int64_t created_ms = 0;  // since the Unix epoch
};

// One call as the barrier sees it.
struct BarrierCall {
  BarrierKey key;
  absl::string_view domain;  // of the errors
  std::string step;          // "" for direct calls
  SagaOp op = SagaOp::kAction;
  uint64_t epoch = 0;
  std::string method;       // "orders.v1.OrdersService/CreateOrder"
  std::string fingerprint;  // SHA-256 of the deterministic request bytes
  // The saga's age is checked against the retention; nullopt for direct calls.
  std::optional<absl::Time> saga_started;
};

// A saga's call is guarded by the saga's row, a direct one with an idempotency key by the key's row; for a direct one
// without a key `fallback_id` (a generated id or the order's id) makes an unknown COMMIT safe to run again.
// INVALID_ARGUMENT (SAGA_ID_INVALID) if the saga id is not a UUIDv7.
absl::StatusOr<BarrierCall> MakeBarrierCall(absl::string_view domain, const CallContext& context,
                                            absl::string_view method, std::string request_bytes,
                                            absl::string_view fallback_id);

// INVALID_ARGUMENT naming saga-op if a saga calls a method as something that it is not: as an action or a compensation.
absl::Status CheckSagaOp(absl::string_view domain, const CallContext& context, SagaOp op_of_method);

// The end of a call that is not decided.
struct BarrierEnd {
  absl::StatusOr<std::string> reply;  // the serialized response, or the refusal
  bool stored = false;                // by an earlier run of the call; otherwise a fence refuses it
};

// Pure. What ends the call without its being decided; nullopt: it goes on. Raises the row's epoch and sets its mark as
// the call asks. Refusals: ABORTED STALE_EPOCH (before any stored result; its metadata has highest_epoch),
// FAILED_PRECONDITION TOO_OLD, UNAVAILABLE SAGA_IN_THE_FUTURE, ABORTED ALREADY_COMPENSATED
// (an action after the mark), INVALID_ARGUMENT IDEMPOTENCY_KEY_REUSED (another payload).
std::optional<BarrierEnd> CheckBarrier(BarrierRow& row, const BarrierCall& call, absl::Time now,
                                       absl::Duration retention);

// Pure. Stores how a call ended that went on: the serialized response, or the refusal.
void StoreEnd(BarrierRow& row, const BarrierCall& call, const absl::StatusOr<std::string>& reply);

// Whether an action that a saga begins with here may be its first call: what was taken over, its first owner may have
// called already.
bool MayBeFirst(const std::optional<BarrierCall>& call);

// What guards one operation of a batch, through every run of the batch.
struct Guard {
  // nullopt: nothing, where the business rows alone make the operation repeatable.
  std::optional<BarrierCall> call;
  // Likely the first call of its saga here, whose row is not there: it is not looked for when the operation is run for
  // the first time (ClaimHistory). If it is there all the same, the batch is run again.
  bool likely_first = false;
  // It was decided before, in a run that did not commit or whose COMMIT has an unknown outcome.
  bool decided = false;
  // Its end is one that an earlier call stored.
  bool replayed = false;
};

// The rows of one transaction.
class BarrierRows {
 public:
  // Takes and locks the rows of `keys` that there are, in key order; those that are missing are made in memory.
  static absl::StatusOr<BarrierRows> Load(sql::Connection& connection, const std::vector<BarrierKey>& keys,
                                          absl::Time now);
  // The rows that the guards need; `claims` is the service's. `in_doubt`: an earlier transaction of the same operations
  // may have been committed.
  static absl::StatusOr<BarrierRows> Load(sql::Connection& connection, const std::vector<const Guard*>& guards,
                                          absl::Time now, bool in_doubt, ClaimHistory& claims);

  // The key must have been loaded.
  BarrierRow& Get(const BarrierKey& key);

  // CheckBarrier of the guard's call, which must have been loaded; nullopt where there is none.
  std::optional<absl::StatusOr<std::string>> End(Guard& guard, absl::Time now, absl::Duration retention);
  // StoreEnd of the guard's call; nothing where there is none.
  void Store(const Guard& guard, const absl::StatusOr<std::string>& reply);

  // Nothing was here before of the call's saga, so that its own business rows are not there either, and need not be
  // loaded: to insert one that is there all the same is ALREADY_EXISTS. False in a later run of the operation, which
  // then finds it. Of a direct call it says nothing: what another key made may be in its way.
  bool IsNew(const Guard& guard) const;

  // Writes what differs from what was loaded. Returns how many keys that are. A saga's row is written when it is made
  // and when its epoch or mark change; a later result is a row of its own ("saga/001" and on), since a row that grows
  // costs a database three times what a new one does. ALREADY_EXISTS: a row that was missing is there now.
  absl::StatusOr<int> Save(sql::Connection& connection);

 private:
  struct Entry {
    absl::Status Read(const std::string& bytes, bool later);

    BarrierRow row;              // its results: those of the row itself, of later rows, new ones
    uint32_t loaded_format = 0;  // 0: there was no row
    uint64_t loaded_epoch = 0;
    bool loaded_compensating = false;
    size_t first_results = 0;   // in the row itself
    size_t loaded_results = 0;  // with those of later rows
    int later_rows = 0;
  };
  // Made in memory.
  void Add(const BarrierKey& key, absl::Time now);
  absl::Status Read(sql::Connection& connection, const std::set<BarrierKey>& keys);

  bool in_doubt_ = false;
  std::map<BarrierKey, Entry> entries_;
};

// Creates the table `barrier`; give it the number that is next in the service's list.
sql::Migration BarrierMigration(int version);

}  // namespace sagamesh

#endif  // SAGAMESH_COMMON_BARRIER_BARRIER_H_
