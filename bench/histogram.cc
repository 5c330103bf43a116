#include "bench/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "absl/strings/str_format.h"

namespace sagamesh::bench {

// Below kSubBuckets a bucket is one microsecond wide; from there on each doubling has kSubBuckets of equal width.
int Histogram::BucketOf(uint64_t microseconds) {
  if (microseconds < kSubBuckets) return static_cast<int>(microseconds);
  const int shift = static_cast<int>(std::bit_width(microseconds)) - kSubBucketBits - 1;
  const int within = static_cast<int>(microseconds >> shift) - kSubBuckets;
  return std::min((shift + 1) * kSubBuckets + within, kRanges * kSubBuckets - 1);
}

uint64_t Histogram::UpperEdge(int bucket) {
  if (bucket < kSubBuckets) return bucket;
  const int shift = bucket / kSubBuckets - 1;
  const uint64_t within = bucket % kSubBuckets;
  return ((kSubBuckets + within + 1) << shift) - 1;
}

void Histogram::Add(absl::Duration latency) {
  const int64_t microseconds = std::max<int64_t>(absl::ToInt64Microseconds(latency), 0);
  buckets_[BucketOf(microseconds)].fetch_add(1, std::memory_order_relaxed);
}

int64_t Histogram::count() const {
  int64_t count = 0;
  for (const auto& bucket : buckets_) count += bucket.load(std::memory_order_relaxed);
  return count;
}

absl::Duration Histogram::Percentile(double share) const {
  const auto wanted = std::max<int64_t>(1, std::llround(std::ceil(share * static_cast<double>(count()))));
  int64_t seen = 0;
  for (int bucket = 0; bucket < kRanges * kSubBuckets; bucket++) {
    seen += buckets_[bucket].load(std::memory_order_relaxed);
    if (seen >= wanted) return absl::Microseconds(UpperEdge(bucket));
  }
  return absl::ZeroDuration();
}

std::string Histogram::ToJson() const {
  const auto milliseconds = [this](double share) { return absl::ToDoubleMilliseconds(Percentile(share)); };
  return absl::StrFormat(R"("p50_ms": %.3f, "p90_ms": %.3f, "p99_ms": %.3f, "p999_ms": %.3f, "max_ms": %.3f)",
                         milliseconds(0.5), milliseconds(0.9), milliseconds(0.99), milliseconds(0.999),
                         milliseconds(1));
}

}  // namespace sagamesh::bench
