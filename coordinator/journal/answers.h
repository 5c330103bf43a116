#ifndef SAGAMESH_COORDINATOR_JOURNAL_ANSWERS_H_
#define SAGAMESH_COORDINATOR_JOURNAL_ANSWERS_H_

#include <cstddef>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "absl/base/thread_annotations.h"
#include "common/exec/mutex.h"
#include "coordinator/journal/journal.h"

namespace sagamesh::journal {

// Final sagas whose explicit keys were asked for again, by the hash of the key: those asked for last, as many as fit. A
// final saga never changes, and an explicit key that it answers stays with it, at whatever replica, so that no row need
// be read to replay it. A content key does not: its window is over by another replica's clock first. Thread-safe.
class Answers {
 public:
  explicit Answers(size_t max_bytes) : max_bytes_(max_bytes) {}

  // The saga that the candidate's key answers, without its history, fault and trace. nullopt: ask the journal.
  std::optional<SagaRecord> Find(const std::string& key_hash, const SagaRecord& candidate);
  // A saga that was replayed from its row.
  void Add(const std::string& key_hash, const SagaRecord& saga);

 private:
  struct Entry {
    std::string key_hash;
    std::shared_ptr<const SagaRecord> saga;
    size_t bytes;
  };

  const size_t max_bytes_;
  Mutex mutex_;
  std::list<Entry> entries_ ABSL_GUARDED_BY(mutex_);  // the one asked for last first
  std::unordered_map<std::string, std::list<Entry>::iterator> by_key_ ABSL_GUARDED_BY(mutex_);
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace sagamesh::journal

#endif  // SAGAMESH_COORDINATOR_JOURNAL_ANSWERS_H_
