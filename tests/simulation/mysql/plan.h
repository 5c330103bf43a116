#ifndef SAGAMESH_TESTS_SIMULATION_MYSQL_PLAN_H_
#define SAGAMESH_TESTS_SIMULATION_MYSQL_PLAN_H_

#include "tests/simulation/mysql/statement.h"

namespace sagamesh::simulation::mysql {

// The index that serves a bound source best, and how. No statistics: the one most of whose leading columns have a
// value; of equals, the one whose order is wanted; else the primary key.
Plan MakePlan(const Source& source);

}  // namespace sagamesh::simulation::mysql

#endif  // SAGAMESH_TESTS_SIMULATION_MYSQL_PLAN_H_
