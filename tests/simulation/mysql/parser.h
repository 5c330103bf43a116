#ifndef SAGAMESH_TESTS_SIMULATION_MYSQL_PARSER_H_
#define SAGAMESH_TESTS_SIMULATION_MYSQL_PARSER_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tests/simulation/mysql/statement.h"

namespace sagamesh::simulation::mysql {

// The SQL that our stores send to MySQL. INTERNAL for any other: nothing of it is left out or guessed.
absl::StatusOr<Statement> Parse(absl::string_view text);

}  // namespace sagamesh::simulation::mysql

#endif  // SAGAMESH_TESTS_SIMULATION_MYSQL_PARSER_H_
