#ifndef SAGAMESH_COMMON_BARRIER_BARRIER_H_
#define SAGAMESH_COMMON_BARRIER_BARRIER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/rpc/call_context.h"
#include "common/sql/migrations.h"
#include "common/sql/sql.h"

namespace sagamesh {

// The barrier: a participant's own idempotency, in the transaction of its business change. After the "sub-transaction
// barrier" of DTM (https://en.dtm.pub/practice/barrier.html), made one row per saga and fenced by epochs.
//
// A transaction
//   1. names the row of each call (BarrierKeyOf) and loads them all, locked, before any other table
//   (BarrierRows::Load);
//   2. for each call in arrival order: Check; on kProceed it decides and changes its business rows in memory, then
//      Record (for successes and definite refusals; never for a transient, infrastructure or injected error);
//   3. writes its business rows and BarrierRows::Save.
// Check and Record are pure; this library has no state and needs no gRPC. A service links it and adds
// BarrierMigration() to its migrations.

// The row that guards a call: of the saga for a saga's calls, of the caller's key for direct ones.
struct BarrierKey {
  std::string id;     // first in the primary key
  std::string scope;  // "saga", or "key/<principal>/<method>", or a service's own
  bool operator<(const BarrierKey& other) const { return std::tie(id, scope) < std::tie(other.id, other.scope); }
};

struct BarrierResult {
  std::string step;
  SagaOp op = SagaOp::kAction;
  std::string method;
  std::string fingerprint;  // of the request
  bool refused = false;
  std::string bytes;  // the serialized response, or google.rpc.Status if refused
};

struct BarrierRow {
  uint64_t epoch = 0;
  bool compensating = false;
  std::vector<BarrierResult> results;
  int64_t created_ms = 0;
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

struct Proceed {};
struct Replay {
  bool refused = false;
  std::string bytes;
};
// The stored end of a call: the serialized response, or the refusal.
absl::StatusOr<std::string> StoredReply(const Replay& replay);

// What to do with a call: run it, answer its stored result, or refuse it with a status (not stored).
using Verdict = std::variant<Proceed, Replay, absl::Status>;

// Pure. Raises the row's epoch and sets its mark as the call asks. Refusals: ABORTED STALE_EPOCH (before any stored
// result), FAILED_PRECONDITION TOO_OLD, ABORTED ALREADY_COMPENSATED (an action after the mark),
// INVALID_ARGUMENT IDEMPOTENCY_KEY_REUSED (another payload).
Verdict CheckBarrier(BarrierRow& row, const BarrierCall& call, absl::Time now, absl::Duration retention);

// Pure. Stores the result of a call that proceeded.
void RecordSuccess(BarrierRow& row, const BarrierCall& call, std::string response_bytes);
void RecordRefusal(BarrierRow& row, const BarrierCall& call, const absl::Status& refusal);

// The rows of one transaction.
class BarrierRows {
 public:
  // Takes and locks the rows of `keys`, in key order, making those that are missing in memory (on MySQL also in the
  // table, which locks them exclusively at once).
  static absl::StatusOr<BarrierRows> Load(sql::Connection& connection, std::vector<BarrierKey> keys, absl::Time now);

  // The key must have been loaded.
  BarrierRow& Get(const BarrierKey& key);

  // Writes the rows that differ from what was loaded, with one statement. Returns how many.
  absl::StatusOr<int> Save(sql::Connection& connection);

 private:
  struct Entry {
    BarrierRow row;
    std::string loaded;  // encoded, to see what changed
  };
  std::map<BarrierKey, Entry> entries_;
};

// Creates the table `barrier`; give it the number that is next in the service's list.
sql::Migration BarrierMigration(int version);

}  // namespace sagamesh

#endif  // SAGAMESH_COMMON_BARRIER_BARRIER_H_
