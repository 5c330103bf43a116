#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "coordinator/journal/journal.h"

namespace sagamesh::journal {
namespace {

// NULL but where a saga is compensating, parked or compensated. Generated, so that programs of earlier versions keep it
// true as well.
constexpr absl::string_view kUnhappyPhase = "INTEGER GENERATED ALWAYS AS (CASE WHEN phase IN (2, 3, 5) THEN phase END)";

struct Table {
  std::string name;
  std::vector<std::string> columns;
  std::vector<std::pair<std::string, std::string>> indexes;  // name, columns
};

std::vector<Table> Tables() {
  return {
      // open_owner: the owner of a saga that is neither final nor parked. due_ms: NULL while it is in its owner's
      // memory. Times are milliseconds since the epoch.
      {"sagas",
       {"saga_id VARCHAR(36) NOT NULL PRIMARY KEY", "definition VARCHAR(255) NOT NULL", "phase INTEGER NOT NULL",
        "stuck INTEGER NOT NULL", "owner VARCHAR(36) NOT NULL", "epoch BIGINT NOT NULL", "version BIGINT NOT NULL",
        "takeovers INTEGER NOT NULL", "open_owner VARCHAR(36)", "due_ms BIGINT", "created_ms BIGINT NOT NULL",
        "updated_ms BIGINT NOT NULL", "record BLOB NOT NULL"},
       {{"sagas_open", "open_owner, due_ms, saga_id"},
        {"sagas_phase", "phase, saga_id"},
        {"sagas_stuck", "stuck, saga_id"},
        {"sagas_updated", "updated_ms, saga_id"}}},
      // key_hash: of principal, definition, kind and key.
      {"saga_keys",
       {"key_hash VARCHAR(64) NOT NULL PRIMARY KEY", "principal VARCHAR(255) NOT NULL DEFAULT ''",
        "definition VARCHAR(255) NOT NULL DEFAULT ''", "kind INTEGER NOT NULL DEFAULT 0",
        "idempotency_key VARCHAR(255) NOT NULL DEFAULT ''", "fingerprint VARCHAR(64) NOT NULL DEFAULT ''",
        "saga_id VARCHAR(36) NOT NULL DEFAULT ''", "status INTEGER NOT NULL DEFAULT 0",
        "claimed_ms BIGINT NOT NULL DEFAULT 0"},
       {{"saga_keys_key", "idempotency_key, kind"}}},
      {"leases",
       {"incarnation VARCHAR(36) NOT NULL PRIMARY KEY", "expires_ms BIGINT NOT NULL", "closed INTEGER NOT NULL"},
       {}},
  };
}

std::vector<std::string> ForSqlite(const std::vector<Table>& tables) {
  std::vector<std::string> statements;
  for (const Table& table : tables) {
    statements.push_back(absl::StrCat("CREATE TABLE ", table.name, " (", absl::StrJoin(table.columns, ", "), ")"));
    for (const auto& [name, columns] : table.indexes) {
      statements.push_back(absl::StrCat("CREATE INDEX ", name, " ON ", table.name, " (", columns, ")"));
    }
  }
  return statements;
}

// Ids and keys are compared byte by byte on every engine, and a record may be larger than MySQL's BLOB.
std::vector<std::string> ForMysql(const std::vector<Table>& tables) {
  std::vector<std::string> statements;
  for (const Table& table : tables) {
    std::vector<std::string> parts = table.columns;
    for (const auto& [name, columns] : table.indexes) parts.push_back(absl::StrCat("KEY ", name, " (", columns, ")"));
    statements.push_back(absl::StrCat("CREATE TABLE IF NOT EXISTS ", table.name, " (",
                                      absl::StrReplaceAll(absl::StrJoin(parts, ", "), {{" BLOB ", " MEDIUMBLOB "}}),
                                      ") DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"));
  }
  return statements;
}

}  // namespace

std::vector<sql::Migration> Migrations() {
  return {
      {.version = 1, .name = "journal", .statements = ForSqlite(Tables()), .mysql_statements = ForMysql(Tables())},
      // What a replica stamps from now on, and has not committed yet, is not older.
      {.version = 2, .name = "untold", .columns = {{"leases", "untold_ms", "BIGINT NOT NULL DEFAULT 0"}}},
      // The name of the replica that holds it; "" if it has none.
      {.version = 3, .name = "replica", .columns = {{"leases", "replica", "VARCHAR(255) NOT NULL DEFAULT ''"}}},
      // Indexes that a saga which ends well stays out of, or at the same place in: those of all phases and of stuck
      // were changed, or grew, with each saga.
      {.version = 4,
       .name = "unhappy phases",
       .statements = {"CREATE INDEX sagas_unhappy ON sagas (unhappy_phase, saga_id)"},
       .mysql_statements = std::vector<std::string>(),
       .columns = {{.table = "sagas",
                    .name = "unhappy_phase",
                    .type = absl::StrCat(kUnhappyPhase, " VIRTUAL"),
                    .mysql_type =
                        absl::StrCat(kUnhappyPhase, " STORED, ADD KEY sagas_unhappy (unhappy_phase, saga_id)")}},
       .dropped_indexes = {{"sagas", "sagas_phase"}, {"sagas", "sagas_stuck"}, {"saga_keys", "saga_keys_key"}}},
  };
}

}  // namespace sagamesh::journal
