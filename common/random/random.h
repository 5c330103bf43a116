#ifndef SAGAMESH_COMMON_RANDOM_RANDOM_H_
#define SAGAMESH_COMMON_RANDOM_RANDOM_H_

#include <cstdint>
#include <memory>

namespace sagamesh {

// The only source of randomness. Thread-safe. The simulation has its own, seeded.
class Random {
 public:
  virtual ~Random() = default;

  virtual uint64_t Next() = 0;

  // Uniform in [0, 1).
  double NextDouble();
};

// Seeded from the operating system; used for ids, so unpredictable enough never to collide.
std::unique_ptr<Random> MakeSystemRandom();

}  // namespace sagamesh

#endif  // SAGAMESH_COMMON_RANDOM_RANDOM_H_
