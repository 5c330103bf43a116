#ifndef SAGAMESH_COMMON_SQL_MYSQL_H_
#define SAGAMESH_COMMON_SQL_MYSQL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/sql/sql.h"

namespace sagamesh::sql {

inline constexpr size_t kMysqlHostsMax = 8;

struct MysqlHost {
  std::string name;  // an IPv6 address is in brackets
  uint16_t port = 3306;
};

// How the way to the server is protected; the names are those of the mysql client. Its "preferred" and "verify-ca" are
// not here: whoever sits on the way takes the encryption off unnoticed, since the client library insists on it only
// where it also checks the server's name.
enum class TlsMode {
  kDisabled,
  kRequired,        // encrypted, or no connection is made; says nothing of who answers
  kVerifyIdentity,  // and the certificate is of `ca` and names the host
};

struct MysqlTls {
  TlsMode mode = TlsMode::kDisabled;
  // Files in PEM form. Without `ca` the system's certificates are trusted.
  std::string ca;
  std::string certificate;  // our own, with its key; none if empty
  std::string key;
};

// A MySQL or MariaDB server, or several that replicate from the one that can be written; and how it is used.
struct MysqlOptions {
  std::vector<MysqlHost> hosts;  // 1 to kMysqlHostsMax
  std::string user;
  std::string password;
  std::string database;
  MysqlTls tls;

  int max_writers = 2;
  absl::Duration connect_timeout = absl::Seconds(2);
  // A server that is silent for so long is lost. Longer than lock_wait.
  absl::Duration answer_timeout = absl::Seconds(10);
  absl::Duration lock_wait = absl::Seconds(3);
  // The server ends a transaction of ours that does nothing for so long: a stopped process holds no locks.
  absl::Duration idle_transaction_max = absl::Seconds(3);
  // Take a server whose COMMIT is not durable (innodb_flush_log_at_trx_commit, sync_binlog), with a warning.
  bool allow_relaxed_durability = false;
};

// From "mysql://USER@HOST:PORT,HOST:PORT/DATABASE?ssl-mode=MODE&ssl-ca=FILE&ssl-cert=FILE&ssl-key=FILE" (port 3306 if
// there is none). INVALID_ARGUMENT, saying what is wrong; a password in the URL is refused, since it would show in the
// process list.
absl::StatusOr<MysqlOptions> ParseMysqlUrl(const std::string& url);

// MySQL 8.4 or 9 and MariaDB 10.11 or later, through MySQL Connector/C++ 1.1. Connections are READ COMMITTED and are
// never made again silently. After a connection was lost inside a transaction, the next Connect first kills it on the
// server, if it is still the same one there, so that its locks and its COMMIT, whatever became of it, come to an end.
// Connect: UNAVAILABLE if the server is away or read-only; FAILED_PRECONDITION if its COMMIT is not durable (once it
// was, UNAVAILABLE).
//
// Of several hosts all that can be reached are asked, and the only one that is not read_only is used, by readers too:
// they see what was committed. None, or two: UNAVAILABLE, saying what each said. Check asks again; when another host
// has become the one, every connection to the old one counts as dead as soon as its transaction has ended.
//
// A COMMIT of unknown outcome on the old one is run again on the new one, which is right if that one has all that the
// old one committed: the old one was made read_only first, which waits for COMMITs under way and refuses later ones,
// and only when the new one had caught up was that made writable. The lost connection is killed on the old one all the
// same, if that answers. A switch while the old one cannot be asked is only as good as the replication: what was not
// yet replicated is lost.
std::unique_ptr<Database> MakeMysqlDatabase(MysqlOptions options);

}  // namespace sagamesh::sql

#endif  // SAGAMESH_COMMON_SQL_MYSQL_H_
