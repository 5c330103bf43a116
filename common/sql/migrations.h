#ifndef SAGAMESH_COMMON_SQL_MIGRATIONS_H_
#define SAGAMESH_COMMON_SQL_MIGRATIONS_H_

#include <optional>
#include <string>
#include <vector>

#include "common/sql/sql.h"

namespace sagamesh::sql {

// One numbered step of a schema: columns, then statements, then indexes that go. Both engines end at the same version;
// where their SQL differs, MySQL's is given too. There a statement that changes the schema commits by itself: each must
// be one that may run again, after a crash or beside a peer that migrates too ("IF NOT EXISTS", "INSERT IGNORE").
struct Migration {
  int version;  // 1, 2, 3, ... without gaps
  std::string name;
  std::vector<std::string> statements;
  std::optional<std::vector<std::string>> mysql_statements = {};  // nullopt: the same
  // Added unless it is there, which no two engines of ours can say alike.
  struct Column {
    std::string table;
    std::string name;
    std::string type;
    // "": the same. After a comma comes what else the same ALTER TABLE does.
    std::string mysql_type = {};
    const std::string& TypeOn(Dialect dialect) const {
      return dialect == Dialect::kMysql && !mysql_type.empty() ? mysql_type : type;
    }
  };
  std::vector<Column> columns = {};
  struct Index {
    std::string table;
    std::string name;
  };
  std::vector<Index> dropped_indexes = {};
};

// Brings the schema to the last version, each migration in a transaction of its own; does nothing if it is there.
// FAILED_PRECONDITION if the schema is newer than this program.
absl::Status Migrate(Connection& connection, absl::Span<const Migration> migrations);
// ... through connections of its own: where there is something to do, one that waits for as long as it takes.
absl::Status Migrate(Database& database, absl::Span<const Migration> migrations);

}  // namespace sagamesh::sql

#endif  // SAGAMESH_COMMON_SQL_MIGRATIONS_H_
