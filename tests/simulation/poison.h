#ifndef SAGAMESH_TESTS_SIMULATION_POISON_H_
#define SAGAMESH_TESTS_SIMULATION_POISON_H_

#include <cstdint>
#include <map>
#include <string>

#include "tests/simulation/rng.h"

namespace sagamesh::simulation {

// A saga that no coordinator survives: whoever is about to call a step of it dies, as at an assertion that fails. At
// most one in a run.
class Poison {
 public:
  // `chance`: that a saga is the one.
  Poison(uint64_t seed, double chance) : rng_(seed), chance_(chance) {}

  // Whether who is about to call a step of the saga dies of it; counted.
  bool Kills(const std::string& saga_id) {
    if (saga_id_.empty() && met_[saga_id]++ == 0 && rng_.Chance(chance_)) saga_id_ = saga_id;
    if (saga_id != saga_id_) return false;
    kills_++;
    return true;
  }

  // "": none yet.
  const std::string& saga_id() const { return saga_id_; }
  int kills() const { return kills_; }

 private:
  Rng rng_;
  const double chance_;
  std::map<std::string, int> met_;
  std::string saga_id_;
  int kills_ = 0;
};

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_POISON_H_
