#include "coordinator/journal/answers.h"

#include "coordinator/journal/claim.h"

namespace sagamesh::journal {
namespace {

// Of one saga in memory, with its place here, besides what its longest strings hold.
constexpr size_t kEntryBytes = 1024;

size_t BytesOf(const SagaRecord& saga) {
  return kEntryBytes + saga.input.size() + saga.result.size() + saga.error.size() + saga.key.size();
}

}  // namespace

std::optional<SagaRecord> Answers::Find(const std::string& key_hash, const SagaRecord& candidate, absl::Time now,
                                        absl::Duration content_key_window) {
  std::shared_ptr<const SagaRecord> saga;
  {
    MutexLock lock(mutex_);
    const auto found = by_key_.find(key_hash);
    if (found == by_key_.end()) return std::nullopt;
    entries_.splice(entries_.begin(), entries_, found->second);
    saga = found->second->saga;
  }
  const KeyRow row{.fingerprint = saga->fingerprint, .saga_id = saga->saga_id};
  if (DecideClaim(row, saga.get(), candidate, now, content_key_window) != ClaimOutcome::kReplayed) return std::nullopt;
  return *saga;
}

void Answers::Add(const std::string& key_hash, const SagaRecord& saga) {
  Entry entry{key_hash, std::make_shared<const SagaRecord>(saga), BytesOf(saga)};
  MutexLock lock(mutex_);
  if (const auto before = by_key_.find(key_hash); before != by_key_.end()) {
    bytes_ -= before->second->bytes;
    entries_.erase(before->second);
    by_key_.erase(before);
  }
  bytes_ += entry.bytes;
  entries_.push_front(std::move(entry));
  by_key_.emplace(key_hash, entries_.begin());
  while (bytes_ > max_bytes_) {
    bytes_ -= entries_.back().bytes;
    by_key_.erase(entries_.back().key_hash);
    entries_.pop_back();
  }
}

}  // namespace sagamesh::journal
