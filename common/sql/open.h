#ifndef SAGAMESH_COMMON_SQL_OPEN_H_
#define SAGAMESH_COMMON_SQL_OPEN_H_

#include <memory>
#include <string>

#include "common/sql/sql.h"

namespace sagamesh::sql {

// What a database server is told beside its URL.
struct ServerLogin {
  std::string password;
  bool allow_relaxed_durability = false;
  int max_writers = 2;  // 1 to kWritersMax
};

inline constexpr int kWritersMax = 64;

// Opens "sqlite:PATH", or "mysql://USER@HOST:PORT/DATABASE" as ParseMysqlUrl has it (INVALID_ARGUMENT for any other,
// and for a number of writers that cannot be). A server that cannot be reached is no error here. Of a file:
// FAILED_PRECONDITION, naming the holder's pid, if another process has the same file open: the lock is held as long as
// the Database lives, so whoever holds it knows that every earlier owner is dead. A file that cannot be opened yet is
// no error here.
absl::StatusOr<std::unique_ptr<Database>> OpenDatabase(const std::string& url, const ServerLogin& login = {});

}  // namespace sagamesh::sql

#endif  // SAGAMESH_COMMON_SQL_OPEN_H_
