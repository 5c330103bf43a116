#include "coordinator/runtime/waiters.h"

#include <utility>

#include "common/status/error.h"
#include "coordinator/runtime/errors.h"

namespace sagamesh::runtime {

Answer AnswerOf(const engine::SagaRecord& record) {
  Answer answer;
  answer.saga_id = record.saga_id;
  answer.succeeded = record.phase == engine::Phase::kSucceeded;
  answer.compensating = !engine::IsFinal(record.phase);
  if (answer.succeeded) {
    answer.bytes = record.result;
  } else if (!record.error.empty()) {
    answer.bytes = record.error;
  } else {
    answer.bytes = SerializeStatus(error::Parked(record.saga_id, record.park_reason));
  }
  return answer;
}

uint64_t Waiters::Add(const std::string& saga_id, AnswerCallback& done) {
  auto& waiters = by_saga_[saga_id];
  if (static_cast<int>(waiters.size()) >= max_per_saga_) return 0;
  const uint64_t id = next_id_++;
  waiters.emplace(id, std::move(done));
  return id;
}

std::vector<uint64_t> Waiters::Ids(const std::string& saga_id) const {
  std::vector<uint64_t> ids;
  const auto found = by_saga_.find(saga_id);
  if (found == by_saga_.end()) return ids;
  for (const auto& [id, done] : found->second) ids.push_back(id);
  return ids;
}

void Waiters::Finish(const std::string& saga_id, uint64_t waiter, absl::StatusOr<Answer> answer) {
  const auto found = by_saga_.find(saga_id);
  if (found == by_saga_.end()) return;
  auto node = found->second.extract(waiter);
  if (node.empty()) return;
  if (found->second.empty()) by_saga_.erase(found);
  node.mapped()(std::move(answer));
}

void Waiters::FinishAll(const std::string& saga_id, const absl::StatusOr<Answer>& answer) {
  auto node = by_saga_.extract(saga_id);
  if (node.empty()) return;
  for (auto& [id, done] : node.mapped()) done(answer);
}

void Waiters::FinishEvery(const absl::Status& status) {
  for (auto& [saga_id, waiters] : std::exchange(by_saga_, {})) {
    for (auto& [id, done] : waiters) done(status);
  }
}

}  // namespace sagamesh::runtime
