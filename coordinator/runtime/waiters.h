#ifndef SAGAMESH_COORDINATOR_RUNTIME_WAITERS_H_
#define SAGAMESH_COORDINATOR_RUNTIME_WAITERS_H_

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "coordinator/engine/saga.h"

namespace sagamesh::runtime {

// What a caller of a saga gets.
struct Answer {
  std::string saga_id;
  bool succeeded = false;
  std::string bytes;          // the serialized output, or google.rpc.Status if not succeeded
  bool replayed = false;      // from the idempotency store: no saga was started for this call
  bool compensating = false;  // told before the compensation has ended
};

using AnswerCallback = absl::AnyInvocable<void(absl::StatusOr<Answer>)>;

// The answer that a saga in this state has for its callers; only for one that is final, compensating or parked.
Answer AnswerOf(const engine::SagaRecord& record);

// The callers that wait for sagas of one shard, by saga id: whether the saga is in this replica's memory, in its row or
// another replica's makes no difference to them. Lives on the shard's loop; not thread-safe.
class Waiters {
 public:
  explicit Waiters(int max_per_saga) : max_per_saga_(max_per_saga) {}

  // Returns the new waiter's id, or 0 (and leaves `done` alone) if the saga has as many as it may have.
  uint64_t Add(const std::string& saga_id, AnswerCallback& done);

  bool Has(const std::string& saga_id) const { return by_saga_.contains(saga_id); }
  std::vector<uint64_t> Ids(const std::string& saga_id) const;

  // Answer and remove; waiters that are gone already are passed over.
  void Finish(const std::string& saga_id, uint64_t waiter, absl::StatusOr<Answer> answer);
  void FinishAll(const std::string& saga_id, const absl::StatusOr<Answer>& answer);
  // The waiters of every saga.
  void FinishEvery(const absl::Status& status);

 private:
  const int max_per_saga_;
  uint64_t next_id_ = 1;
  std::unordered_map<std::string, std::map<uint64_t, AnswerCallback>> by_saga_;
};

}  // namespace sagamesh::runtime

#endif  // SAGAMESH_COORDINATOR_RUNTIME_WAITERS_H_
