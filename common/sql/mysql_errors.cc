#include "common/sql/mysql_errors.h"

namespace sagamesh::sql {

MysqlFailure ClassifyMysqlError(int code) {
  switch (code) {
    case 1020:  // ER_CHECKREAD: the record has changed (MariaDB)
    case 1205:  // ER_LOCK_WAIT_TIMEOUT: ends the statement, not the transaction
    case 1213:  // ER_LOCK_DEADLOCK
    case 3101:  // ER_TRANSACTION_ROLLBACK_DURING_COMMIT (group replication)
      return MysqlFailure::kRunAgain;
    case 1290:  // ER_OPTION_PREVENTS_STATEMENT: --read-only, --super-read-only; of COMMIT too, before it does anything
      return MysqlFailure::kReadOnly;
    case 1062:  // ER_DUP_ENTRY
      return MysqlFailure::kTaken;
    case 1021:  // ER_DISK_FULL
    case 1040:  // ER_CON_COUNT_ERROR
    case 1053:  // ER_SERVER_SHUTDOWN
    case 1114:  // ER_RECORD_FILE_FULL
    case 1129:  // ER_HOST_IS_BLOCKED
    case 1158:  // ER_NET_READ_ERROR
    case 1159:  // ER_NET_READ_INTERRUPTED
    case 1160:  // ER_NET_ERROR_ON_WRITE
    case 1161:  // ER_NET_WRITE_INTERRUPTED
    case 1180:  // ER_ERROR_DURING_COMMIT
    case 1203:  // ER_TOO_MANY_USER_CONNECTIONS
    case 1317:  // ER_QUERY_INTERRUPTED: KILL
    case 1792:  // ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
    case 1836:  // ER_READ_ONLY_MODE
    case 1927:  // ER_CONNECTION_KILLED (MariaDB)
    case 2002:  // CR_CONNECTION_ERROR
    case 2003:  // CR_CONN_HOST_ERROR
    case 2005:  // CR_UNKNOWN_HOST
    case 2006:  // CR_SERVER_GONE_ERROR
    case 2013:  // CR_SERVER_LOST
    case 2026:  // CR_SSL_CONNECTION_ERROR
    case 2027:  // CR_MALFORMED_PACKET
    case 2055:  // CR_SERVER_LOST_EXTENDED
    case 3032:  // ER_SERVER_OFFLINE_MODE
    case 4031:  // ER_CLIENT_INTERACTION_TIMEOUT: wait_timeout
      return MysqlFailure::kLost;
    default:
      return MysqlFailure::kDefect;
  }
}

}  // namespace sagamesh::sql
