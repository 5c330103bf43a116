#include "coordinator/journal/answers.h"

#include <utility>

namespace sagamesh::journal {
namespace {

// Of one saga in memory, with its place here, besides its longest texts.
constexpr size_t kEntryBytes = 2048;

// All that a caller may be shown of it: neither its history nor what its steps are sent with.
SagaRecord Kept(SagaRecord saga) {
  saga.history.clear();
  saga.fault.reset();
  saga.traceparent.clear();
  saga.tracestate.clear();
  return saga;
}

size_t BytesOf(const SagaRecord& saga) {
  return kEntryBytes + saga.input.size() + saga.result.size() + saga.error.size() + saga.park_reason.size();
}

}  // namespace

std::optional<SagaRecord> Answers::Find(const std::string& key_hash, const SagaRecord& candidate) {
  std::shared_ptr<const SagaRecord> saga;
  {
    MutexLock lock(mutex_);
    const auto found = by_key_.find(key_hash);
    if (found == by_key_.end()) return std::nullopt;
    entries_.splice(entries_.begin(), entries_, found->second);
    saga = found->second->saga;
  }
  if (saga->fingerprint != candidate.fingerprint) return std::nullopt;
  return *saga;
}

void Answers::Add(const std::string& key_hash, const SagaRecord& saga) {
  if (saga.key_kind != KeyKind::kExplicit) return;
  Entry entry{key_hash, std::make_shared<const SagaRecord>(Kept(saga)), BytesOf(saga)};
  MutexLock lock(mutex_);
  if (by_key_.contains(key_hash)) return;  // by a call at the same time
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
