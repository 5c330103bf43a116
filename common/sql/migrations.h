#ifndef SAGAMESH_COMMON_SQL_MIGRATIONS_H_
#define SAGAMESH_COMMON_SQL_MIGRATIONS_H_

#include <string>
#include <vector>

#include "common/sql/sql.h"

namespace sagamesh::sql {

// One numbered step of a schema. Both engines end at the same version; where their SQL differs, mysql_statements are
// given too. There a statement that changes the schema commits by itself: each must be one that may run again, after a
// crash or beside a peer that migrates too ("IF NOT EXISTS", "INSERT IGNORE").
struct Migration {
  int version;  // 1, 2, 3, ... without gaps
  std::string name;
  std::vector<std::string> statements;
  std::vector<std::string> mysql_statements;  // empty: the same
  // Then these, which no engine of ours can add "IF NOT EXISTS" alike.
  struct Column {
    std::string table;
    std::string name;
    std::string type;
  };
  std::vector<Column> columns = {};
};

// Brings the schema to the last version, each migration in a transaction of its own; does nothing if it is there.
// FAILED_PRECONDITION if the schema is newer than this program.
absl::Status Migrate(Connection& connection, absl::Span<const Migration> migrations);

}  // namespace sagamesh::sql

#endif  // SAGAMESH_COMMON_SQL_MIGRATIONS_H_
