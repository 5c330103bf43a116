#ifndef SAGAMESH_COMMON_SQL_MYSQL_H_
#define SAGAMESH_COMMON_SQL_MYSQL_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/sql/sql.h"

namespace sagamesh::sql {

// A MySQL or MariaDB server, and how it is used.
struct MysqlOptions {
  std::string host;
  uint16_t port = 3306;
  std::string user;
  std::string password;
  std::string database;

  int max_writers = 4;
  absl::Duration connect_timeout = absl::Seconds(2);
  // A server that is silent for so long is lost. Longer than lock_wait.
  absl::Duration answer_timeout = absl::Seconds(10);
  absl::Duration lock_wait = absl::Seconds(3);
  // The server ends a transaction of ours that does nothing for so long: a stopped process holds no locks.
  absl::Duration idle_transaction_max = absl::Seconds(3);
  // Take a server whose COMMIT is not durable (innodb_flush_log_at_trx_commit, sync_binlog), with a warning.
  bool allow_relaxed_durability = false;
};

// From "mysql://USER@HOST:PORT/DATABASE" (port 3306 if there is none). INVALID_ARGUMENT, saying what is wrong; a
// password in the URL is refused, since it would show in the process list.
absl::StatusOr<MysqlOptions> ParseMysqlUrl(const std::string& url);

// MySQL 8.4 or 9 and MariaDB 10.11 or later, through MySQL Connector/C++ 1.1. Connections are READ COMMITTED and are
// never made again silently. After a connection was lost inside a transaction, the next Connect first kills it on the
// server, if it is still the same one there, so that its locks and its COMMIT, whatever became of it, come to an end.
// Connect: UNAVAILABLE if the server is away or read-only; FAILED_PRECONDITION if its COMMIT is not durable (once it
// was, UNAVAILABLE).
std::unique_ptr<Database> MakeMysqlDatabase(MysqlOptions options);

}  // namespace sagamesh::sql

#endif  // SAGAMESH_COMMON_SQL_MYSQL_H_
