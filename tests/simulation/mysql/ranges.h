#ifndef SAGAMESH_TESTS_SIMULATION_MYSQL_RANGES_H_
#define SAGAMESH_TESTS_SIMULATION_MYSQL_RANGES_H_

#include <string>
#include <vector>

#include "tests/simulation/mysql/evaluator.h"
#include "tests/simulation/mysql/statement.h"

namespace sagamesh::simulation::mysql {

// Entries of an index from `low` on, below `high`.
struct Range {
  std::string low;
  std::string high;
  bool point = false;  // the one record of the primary key `low`
};

// Where a source's plan looks, in ascending order and without overlaps. The evaluator learns of errors.
std::vector<Range> MakeRanges(const Source& source, Evaluator& evaluator);

}  // namespace sagamesh::simulation::mysql

#endif  // SAGAMESH_TESTS_SIMULATION_MYSQL_RANGES_H_
