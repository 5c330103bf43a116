#ifndef SAGAMESH_COMMON_SQL_MYSQL_ERRORS_H_
#define SAGAMESH_COMMON_SQL_MYSQL_ERRORS_H_

namespace sagamesh::sql {

// What an error of MySQL or MariaDB means for the transaction that met it. The numbers are those of
// https://dev.mysql.com/doc/mysql-errors/9.0/en/ and https://mariadb.com/kb/en/mariadb-error-code-reference/.
enum class MysqlFailure {
  kRunAgain,  // deadlock, lock wait, a certification that failed: nothing happened, another run may succeed
  kReadOnly,  // read_only is on: nothing happened, and nothing more will on this server
  kTaken,     // a unique key
  kLost,      // the connection, or the server's will to write
  kDefect,    // of the statement or the data
};

MysqlFailure ClassifyMysqlError(int code);

}  // namespace sagamesh::sql

#endif  // SAGAMESH_COMMON_SQL_MYSQL_ERRORS_H_
