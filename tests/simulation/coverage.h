#ifndef SAGAMESH_TESTS_SIMULATION_COVERAGE_H_
#define SAGAMESH_TESTS_SIMULATION_COVERAGE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace sagamesh::simulation {

// How often each thing happened, by its name. The names that matter are listed in coverage.cc.
using Counts = std::map<std::string, int64_t>;

inline constexpr int kSeedsForCoverage = 1000;

// What the runs of many seeds reached: each kind of fault, each row of the tables of docs/semantics.md. What was never
// reached is not proven, so that a run of kSeedsForCoverage seeds or more fails for it.
class Coverage {
 public:
  void Add(const Counts& counts);

  // The names of the list with a count of 0.
  std::vector<std::string> NeverReached() const;
  // A line a name, those of the list first; ends with a newline.
  std::string Table() const;

 private:
  Counts totals_;
};

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_COVERAGE_H_
