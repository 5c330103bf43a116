#ifndef SAGAMESH_COMMON_SQL_SQLITE_H_
#define SAGAMESH_COMMON_SQL_SQLITE_H_

#include <memory>
#include <string>

#include "common/clock/clock.h"
#include "common/sql/sql.h"

namespace sagamesh::sql {

// The embedded engine. WAL with synchronous=FULL; one connection does all writes and checkpoints, because SQLite 3.40
// can corrupt a WAL that several connections reset. `name` is a path or an SQLite URI: "file:/NAME?vfs=memdb" is a
// database in memory that all connections of the process share. `clock` is the database's clock (NowMs); it outlives
// the database. The first kWrite connection makes the file; from then on, and for kRead, a file that is missing or was
// moved away is a database that is away. Takes no lock against other processes: OpenDatabase does.
std::unique_ptr<Database> MakeSqliteDatabase(std::string name, const Clock& clock);

}  // namespace sagamesh::sql

#endif  // SAGAMESH_COMMON_SQL_SQLITE_H_
