#include "common/random/random.h"

#include <mutex>
#include <random>

namespace sagamesh {
namespace {

class SystemRandom final : public Random {
 public:
  SystemRandom() {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device(), device(), device(), device(), device()};
    engine_.seed(seed);
  }

  uint64_t Next() override {
    std::lock_guard<std::mutex> lock(mutex_);
    return engine_();
  }

 private:
  std::mutex mutex_;
  std::mt19937_64 engine_;
};

}  // namespace

double Random::NextDouble() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

std::unique_ptr<Random> MakeSystemRandom() { return std::make_unique<SystemRandom>(); }

}  // namespace sagamesh
