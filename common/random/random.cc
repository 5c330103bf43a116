#include "common/random/random.h"

#include <random>

#include "absl/base/thread_annotations.h"
#include "common/exec/mutex.h"

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
    MutexLock lock(mutex_);
    return engine_();
  }

 private:
  Mutex mutex_;
  std::mt19937_64 engine_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

double Random::NextDouble() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

std::unique_ptr<Random> MakeSystemRandom() { return std::make_unique<SystemRandom>(); }

}  // namespace sagamesh
