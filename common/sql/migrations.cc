#include "common/sql/migrations.h"

#include <spdlog/spdlog.h>

#include "absl/strings/str_cat.h"
#include "common/status/error.h"

namespace sagamesh::sql {
namespace {

absl::StatusOr<int64_t> SchemaVersion(Connection& connection) {
  SAGAMESH_ASSIGN_OR_RETURN(const std::vector<Row> rows, connection.Query("SELECT MAX(version) FROM schema_version"));
  return rows.empty() ? 0 : rows[0].Int(0);
}

absl::Status AddColumn(Connection& connection, const Migration::Column& column) {
  const auto there = [&] {
    return connection.Query(absl::StrCat("SELECT ", column.name, " FROM ", column.table, " LIMIT 1")).ok();
  };
  if (there()) return absl::OkStatus();
  const absl::Status status = connection
                                  .Execute(absl::StrCat("ALTER TABLE ", column.table, " ADD COLUMN ", column.name, " ",
                                                        column.TypeOn(connection.dialect())))
                                  .status();
  return there() ? absl::OkStatus() : status;  // perhaps by a peer
}

absl::Status DropIndex(Connection& connection, const Migration::Index& index) {
  if (connection.dialect() == Dialect::kSqlite) {
    return connection.Execute(absl::StrCat("DROP INDEX IF EXISTS ", index.name)).status();
  }
  // A table that can be read, but not by the index, has none of that name.
  const auto there = [&]() -> absl::StatusOr<bool> {
    const std::string read = absl::StrCat("SELECT 1 FROM ", index.table);
    if (connection.Query(absl::StrCat(read, " FORCE INDEX (", index.name, ") LIMIT 1")).ok()) return true;
    SAGAMESH_RETURN_IF_ERROR(connection.Query(absl::StrCat(read, " LIMIT 1")).status());
    return false;
  };
  SAGAMESH_ASSIGN_OR_RETURN(const bool before, there());
  if (!before) return absl::OkStatus();
  const absl::Status status =
      connection.Execute(absl::StrCat("ALTER TABLE ", index.table, " DROP KEY ", index.name)).status();
  SAGAMESH_ASSIGN_OR_RETURN(const bool after, there());
  return after ? status : absl::OkStatus();  // perhaps by a peer
}

// Under the write lock, since another process may have migrated meanwhile.
absl::Status Apply(Connection& connection, const Migration& migration) {
  SAGAMESH_ASSIGN_OR_RETURN(const int64_t version, SchemaVersion(connection));
  if (version >= migration.version) return absl::OkStatus();
  for (const Migration::Column& column : migration.columns) SAGAMESH_RETURN_IF_ERROR(AddColumn(connection, column));
  const bool own_mysql = connection.dialect() == Dialect::kMysql && migration.mysql_statements.has_value();
  for (const std::string& statement : own_mysql ? *migration.mysql_statements : migration.statements) {
    SAGAMESH_RETURN_IF_ERROR(connection.Execute(statement).status());
  }
  for (const Migration::Index& index : migration.dropped_indexes) {
    SAGAMESH_RETURN_IF_ERROR(DropIndex(connection, index));
  }
  return connection
      .Execute("INSERT INTO schema_version (version, name) VALUES (?, ?)",
               {Value(int64_t{migration.version}), Value(migration.name)})
      .status();
}

int LastVersion(absl::Span<const Migration> migrations) { return migrations.empty() ? 0 : migrations.back().version; }

// FAILED_PRECONDITION if it is above the last.
absl::StatusOr<int64_t> FindVersion(Connection& connection, absl::Span<const Migration> migrations) {
  SAGAMESH_RETURN_IF_ERROR(connection
                               .Execute("CREATE TABLE IF NOT EXISTS schema_version ("
                                        "version INTEGER NOT NULL PRIMARY KEY, name VARCHAR(255) NOT NULL)")
                               .status());
  SAGAMESH_ASSIGN_OR_RETURN(const int64_t version, SchemaVersion(connection));
  if (version <= LastVersion(migrations)) return version;
  return absl::FailedPreconditionError(absl::StrCat("the database's schema has version ", version,
                                                    ", newer than this program's ", LastVersion(migrations)));
}

// A peer that migrated at the same time has written the version first.
absl::Status Arrived(Connection& connection, const Migration& migration) {
  SAGAMESH_ASSIGN_OR_RETURN(const int64_t version, SchemaVersion(connection));
  if (version >= migration.version) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("migration ", migration.version, " writes a key that is taken"));
}

}  // namespace

absl::Status Migrate(Connection& connection, absl::Span<const Migration> migrations) {
  SAGAMESH_ASSIGN_OR_RETURN(const int64_t version, FindVersion(connection, migrations));
  for (const Migration& migration : migrations) {
    if (migration.version <= version) continue;
    SAGAMESH_RETURN_IF_ERROR(connection.Begin());
    absl::Status status = Apply(connection, migration);
    if (status.ok()) status = connection.Commit();
    if (!status.ok()) connection.Rollback().IgnoreError();
    if (absl::IsAlreadyExists(status)) status = Arrived(connection, migration);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Migrate(Database& database, absl::Span<const Migration> migrations) {
  {
    SAGAMESH_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection, database.Connect(Access::kWrite));
    SAGAMESH_ASSIGN_OR_RETURN(const int64_t version, FindVersion(*connection, migrations));
    if (version == LastVersion(migrations)) return absl::OkStatus();
  }
  spdlog::info("the schema is brought to version {}, which may take a while", LastVersion(migrations));
  SAGAMESH_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection, database.Connect(Access::kMigrate));
  return Migrate(*connection, migrations);
}

}  // namespace sagamesh::sql
