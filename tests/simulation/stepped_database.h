#ifndef SAGAMESH_TESTS_SIMULATION_STEPPED_DATABASE_H_
#define SAGAMESH_TESTS_SIMULATION_STEPPED_DATABASE_H_

#include <memory>

#include "common/sql/sql.h"

namespace sagamesh::simulation {

// A new simulated database, without faults, for callers that know of no scheduler: each call of a connection runs on a
// fibre, to its end, before it returns. With it the stores' suites show that the simulated database is one.
std::unique_ptr<sql::Database> MakeSteppedDatabase();

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_STEPPED_DATABASE_H_
