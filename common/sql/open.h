#ifndef SAGAMESH_COMMON_SQL_OPEN_H_
#define SAGAMESH_COMMON_SQL_OPEN_H_

#include <memory>
#include <string>

#include "common/sql/sql.h"

namespace sagamesh::sql {

// Opens "sqlite:PATH" (INVALID_ARGUMENT for any other URL). FAILED_PRECONDITION, naming the holder's pid, if another
// process has the same file open: the lock is held as long as the Database lives, so whoever holds it knows that every
// earlier owner is dead. A file that cannot be opened yet is no error here.
absl::StatusOr<std::unique_ptr<Database>> OpenDatabase(const std::string& url);

}  // namespace sagamesh::sql

#endif  // SAGAMESH_COMMON_SQL_OPEN_H_
