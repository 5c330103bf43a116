#ifndef SAGAMESH_COMMON_SQL_MYSQL_HOSTS_H_
#define SAGAMESH_COMMON_SQL_MYSQL_HOSTS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "common/exec/mutex.h"

namespace sagamesh::sql {

// What a host answered when it was asked whether it can be written.
struct HostAnswer {
  enum class Role { kWritable, kReadOnly, kAway };
  Role role = Role::kAway;
  std::string why;  // it is away
};

// The only one that can be written. UNAVAILABLE, with what each of them said, if there is none or more than one.
absl::StatusOr<size_t> ChooseHost(absl::Span<const std::string> names, absl::Span<const HostAnswer> answers);

// Which of several hosts is in use, as their answers told last. Each time that changes a new term begins, and what was
// connected in an earlier one is to be given up. One host alone is always the one. Thread-safe; asks nobody itself.
class HostChoice {
 public:
  // Answers are believed for so long.
  static constexpr absl::Duration kFresh = absl::Seconds(2);

  struct Place {
    size_t host = 0;
    int64_t term = 0;
  };

  explicit HostChoice(std::vector<std::string> names);

  const std::vector<std::string>& names() const { return names_; }
  bool alone() const { return names_.size() == 1; }
  bool IsCurrent(int64_t term) const { return term_.load(std::memory_order_relaxed) == term; }

  // The host in use, unless that has to be asked for: the answers are old, or there was a Doubt since.
  absl::optional<Place> Known(absl::Time now) const;
  // A connection failed, or a host refused to write.
  void Doubt();
  // A write through a connection of this term was begun then, and succeeded.
  void Wrote(int64_t term, absl::Time at);
  // The host in use, if such a write shows that it could be written within kFresh, and there was no Doubt since.
  absl::optional<size_t> Written(absl::Time now) const;

  // Take one before asking; answers that were asked for earlier than those known already change nothing.
  struct Ticket {
    int64_t number;
    int64_t doubts;
    absl::Time at;
  };
  Ticket StartAsking(absl::Time now);
  // As ChooseHost; a host in use that is merely away stays in use while there is no other: its connections find out by
  // themselves.
  absl::StatusOr<Place> Learn(const Ticket& ticket, absl::Span<const HostAnswer> answers);

 private:
  const std::vector<std::string> names_;
  std::atomic<int64_t> term_{0};
  mutable Mutex mutex_;
  absl::optional<size_t> current_ ABSL_GUARDED_BY(mutex_);
  Ticket learned_ ABSL_GUARDED_BY(mutex_) = {0, 0, absl::InfinitePast()};
  absl::Time wrote_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  int64_t asked_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t doubts_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace sagamesh::sql

#endif  // SAGAMESH_COMMON_SQL_MYSQL_HOSTS_H_
