#ifndef SAGAMESH_TESTS_SIMULATION_RNG_H_
#define SAGAMESH_TESTS_SIMULATION_RNG_H_

#include <cstdint>

#include "absl/time/time.h"
#include "common/random/random.h"

namespace sagamesh::simulation {

// SplitMix64: the same numbers for a seed on every machine. Not thread-safe: the simulation has one thread.
class Rng final : public Random {
 public:
  explicit Rng(uint64_t seed) : state_(seed) {}

  uint64_t Next() override {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

  // Uniform in [0, n); n > 0.
  uint64_t Below(uint64_t n) { return Next() % n; }
  // Uniform in [low, high].
  int64_t Between(int64_t low, int64_t high) { return low + static_cast<int64_t>(Below(high - low + 1)); }
  absl::Duration Between(absl::Duration low, absl::Duration high) {
    return absl::Microseconds(Between(absl::ToInt64Microseconds(low), absl::ToInt64Microseconds(high)));
  }
  bool Chance(double probability) { return NextDouble() < probability; }

  // A generator of its own for one part, so that what one part draws does not shift another's numbers.
  Rng Fork() { return Rng(Next()); }

 private:
  uint64_t state_;
};

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_RNG_H_
