#ifndef SAGAMESH_TESTS_SIMULATION_MYSQL_BIND_H_
#define SAGAMESH_TESTS_SIMULATION_MYSQL_BIND_H_

#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "tests/simulation/mysql/statement.h"
#include "tests/simulation/mysql/table.h"

namespace sagamesh::simulation::mysql {

using Tables = std::map<std::string, std::unique_ptr<Table>>;

// Finds the tables and columns that a statement names, and decides how it will look for its rows. It is good for as
// long as the schema stays. INTERNAL if it names what there is not.
absl::Status Bind(const Tables& tables, Statement& statement);

// Binds the conditions that a table checks its rows by, and what it generates its columns by.
absl::Status BindOwn(Table& table);

}  // namespace sagamesh::simulation::mysql

#endif  // SAGAMESH_TESTS_SIMULATION_MYSQL_BIND_H_
