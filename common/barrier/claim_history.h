#ifndef SAGAMESH_COMMON_BARRIER_CLAIM_HISTORY_H_
#define SAGAMESH_COMMON_BARRIER_CLAIM_HISTORY_H_

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"

namespace sagamesh {

// Whether rows that are claimed by inserting them should be looked for first. Mostly they are new: a look finds
// nothing, and the insert that meets one all the same has its batch run again. But where calls are repeated, as to a
// service that is slow, each batch would run twice: for a second after a claim met a row, rows are looked for.
// Thread-safe.
class ClaimHistory {
 public:
  void MetRow(absl::Time now) { look_until_ms_ = absl::ToUnixMillis(now + kLookFor); }
  bool LookFirst(absl::Time now) const { return absl::ToUnixMillis(now) < look_until_ms_; }

 private:
  static constexpr absl::Duration kLookFor = absl::Seconds(1);
  std::atomic<int64_t> look_until_ms_{0};
};

}  // namespace sagamesh

#endif  // SAGAMESH_COMMON_BARRIER_CLAIM_HISTORY_H_
