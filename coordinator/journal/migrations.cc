#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "coordinator/journal/journal.h"

namespace sagamesh::journal {
namespace {

// Ids and keys are compared byte by byte on every engine, and a record may be larger than MySQL's BLOB.
std::vector<std::string> ForMysql(const std::vector<std::string>& statements) {
  std::vector<std::string> result;
  for (const std::string& statement : statements) {
    if (statement.rfind("CREATE TABLE", 0) != 0) {
      result.push_back(statement);
      continue;
    }
    result.push_back(absl::StrCat(absl::StrReplaceAll(statement, {{" BLOB ", " MEDIUMBLOB "}}),
                                  " DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"));
  }
  return result;
}

}  // namespace

std::vector<sql::Migration> Migrations() {
  const std::vector<std::string> statements = {
      // open_owner: the owner of a saga that is neither final nor parked. due_ms: NULL while it is in its owner's
      // memory. Times are milliseconds since the epoch.
      "CREATE TABLE sagas ("
      "saga_id VARCHAR(36) NOT NULL PRIMARY KEY, "
      "definition VARCHAR(255) NOT NULL, "
      "phase INTEGER NOT NULL, "
      "stuck INTEGER NOT NULL, "
      "owner VARCHAR(36) NOT NULL, "
      "epoch BIGINT NOT NULL, "
      "version BIGINT NOT NULL, "
      "takeovers INTEGER NOT NULL, "
      "open_owner VARCHAR(36), "
      "due_ms BIGINT, "
      "created_ms BIGINT NOT NULL, "
      "updated_ms BIGINT NOT NULL, "
      "record BLOB NOT NULL)",
      "CREATE INDEX sagas_open ON sagas (open_owner, due_ms, saga_id)",
      "CREATE INDEX sagas_phase ON sagas (phase, saga_id)",
      "CREATE INDEX sagas_stuck ON sagas (stuck, saga_id)",
      "CREATE INDEX sagas_updated ON sagas (updated_ms, saga_id)",
      // key_hash: of principal, definition, kind and key. The defaults make a row that nobody has claimed yet.
      "CREATE TABLE saga_keys ("
      "key_hash VARCHAR(64) NOT NULL PRIMARY KEY, "
      "principal VARCHAR(255) NOT NULL DEFAULT '', "
      "definition VARCHAR(255) NOT NULL DEFAULT '', "
      "kind INTEGER NOT NULL DEFAULT 0, "
      "idempotency_key VARCHAR(255) NOT NULL DEFAULT '', "
      "fingerprint VARCHAR(64) NOT NULL DEFAULT '', "
      "saga_id VARCHAR(36) NOT NULL DEFAULT '', "
      "status INTEGER NOT NULL DEFAULT 0, "
      "claimed_ms BIGINT NOT NULL DEFAULT 0)",
      "CREATE INDEX saga_keys_key ON saga_keys (idempotency_key, kind)",
      "CREATE TABLE leases ("
      "incarnation VARCHAR(36) NOT NULL PRIMARY KEY, "
      "expires_ms BIGINT NOT NULL, "
      "closed INTEGER NOT NULL)",
  };
  return {{.version = 1, .name = "journal", .statements = statements, .mysql_statements = ForMysql(statements)}};
}

}  // namespace sagamesh::journal
