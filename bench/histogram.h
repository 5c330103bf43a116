#ifndef SAGAMESH_BENCH_HISTOGRAM_H_
#define SAGAMESH_BENCH_HISTOGRAM_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace sagamesh::bench {

// Latencies in buckets whose width is at most 1/32 of their value, from 1 us to about an hour; what is longer counts as
// that. Thread-safe and without locks, since every reply comes through here.
class Histogram {
 public:
  void Add(absl::Duration latency);

  int64_t count() const;

  // The latency that `share` (0 to 1) of all stay within: the upper edge of its bucket. 0 if there are none.
  absl::Duration Percentile(double share) const;

  // Members of a JSON object, in milliseconds: "p50_ms": ..., "p90_ms", "p99_ms", "p999_ms", "max_ms".
  std::string ToJson() const;

 private:
  static constexpr int kSubBucketBits = 5;
  static constexpr int kSubBuckets = 1 << kSubBucketBits;
  // A range of kSubBuckets for each doubling.
  static constexpr int kRanges = 28;

  static int BucketOf(uint64_t microseconds);
  static uint64_t UpperEdge(int bucket);  // microseconds, inclusive

  std::array<std::atomic<int64_t>, kRanges * kSubBuckets> buckets_{};
};

}  // namespace sagamesh::bench

#endif  // SAGAMESH_BENCH_HISTOGRAM_H_
