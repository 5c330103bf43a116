#include "common/sql/sqlite.h"

#include <sqlite3.h>

#include <atomic>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/error.h"

namespace sagamesh::sql {
namespace {

constexpr int kBusyTimeoutMs = 2'000;
constexpr size_t kStatementsMax = 512;

struct StatementDeleter {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, StatementDeleter>;

void NowMsFunction(sqlite3_context* context, int, sqlite3_value**) {
  const auto* clock = static_cast<const Clock*>(sqlite3_user_data(context));
  sqlite3_result_int64(context, absl::ToUnixMillis(clock->Now()));
}

class SqliteConnection final : public Connection {
 public:
  SqliteConnection(sqlite3* handle, Access access) : handle_(handle), access_(access) {}
  ~SqliteConnection() override {
    statements_.clear();
    sqlite3_close_v2(handle_);
  }

  Dialect dialect() const override { return Dialect::kSqlite; }
  bool alive() const override { return alive_; }

  absl::Status Begin() override;
  absl::Status Commit() override;
  absl::Status Rollback() override;
  absl::StatusOr<int64_t> Execute(absl::string_view statement, absl::Span<const Value> parameters) override;
  absl::StatusOr<std::vector<Row>> Query(absl::string_view statement, absl::Span<const Value> parameters) override;

 private:
  // A prepared statement with its parameters bound, from the cache.
  absl::StatusOr<sqlite3_stmt*> Prepare(absl::string_view text, absl::Span<const Value> parameters);
  absl::Status Bind(sqlite3_stmt* statement, absl::Span<const Value> parameters);
  // The error of the last call; a transaction that cannot go on is rolled back, a broken connection marked dead.
  absl::Status Failed(absl::string_view statement);
  // UNAVAILABLE if the file was moved away since it was opened: SQLite would go on in it, out of everyone's sight.
  absl::Status CheckFileIsThere();
  static absl::Status Dead() { return absl::UnavailableError("the database connection is lost"); }

  sqlite3* handle_;
  const Access access_;
  bool alive_ = true;
  std::unordered_map<std::string, Statement> statements_;
};

Row ReadRow(sqlite3_stmt* statement) {
  std::vector<Value> values;
  const int columns = sqlite3_column_count(statement);
  values.reserve(columns);
  for (int i = 0; i < columns; i++) {
    const auto size = [&] { return static_cast<size_t>(sqlite3_column_bytes(statement, i)); };
    switch (sqlite3_column_type(statement, i)) {
      case SQLITE_NULL:
        values.emplace_back(std::monostate{});
        break;
      case SQLITE_INTEGER:
        values.emplace_back(static_cast<int64_t>(sqlite3_column_int64(statement, i)));
        break;
      case SQLITE_BLOB: {
        const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement, i));
        values.emplace_back(Blob{bytes == nullptr ? std::string() : std::string(bytes, size())});
        break;
      }
      default: {
        const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, i));
        values.emplace_back(text == nullptr ? std::string() : std::string(text, size()));
      }
    }
  }
  return Row(std::move(values));
}

absl::Status SqliteConnection::Failed(absl::string_view statement) {
  const int code = sqlite3_extended_errcode(handle_);
  const std::string message = absl::StrCat("sqlite: ", sqlite3_errmsg(handle_), " (", code, ") in ", statement);
  switch (code & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      if (sqlite3_get_autocommit(handle_) == 0) sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
      return absl::AbortedError(message);
    case SQLITE_IOERR:
    case SQLITE_FULL:
    case SQLITE_CANTOPEN:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      alive_ = false;
      return absl::UnavailableError(message);
    case SQLITE_READONLY:
      if (access_ == Access::kRead) return absl::InternalError(message);  // it was asked to write
      alive_ = false;
      return absl::UnavailableError(message);
    case SQLITE_CONSTRAINT:
      if (code == SQLITE_CONSTRAINT_PRIMARYKEY || code == SQLITE_CONSTRAINT_UNIQUE) {
        return absl::AlreadyExistsError(message);
      }
      return absl::InternalError(message);
    default:
      return absl::InternalError(message);
  }
}

absl::Status SqliteConnection::Bind(sqlite3_stmt* statement, absl::Span<const Value> parameters) {
  if (static_cast<size_t>(sqlite3_bind_parameter_count(statement)) != parameters.size()) {
    return absl::InternalError(
        absl::StrCat("sqlite: ", sqlite3_sql(statement), " was given ", parameters.size(), " parameters"));
  }
  for (size_t i = 0; i < parameters.size(); i++) {
    const int position = static_cast<int>(i) + 1;
    // The caller's values outlive the statement's run, so they are not copied.
    if (const auto* number = std::get_if<int64_t>(&parameters[i])) {
      sqlite3_bind_int64(statement, position, *number);
    } else if (const auto* text = std::get_if<std::string>(&parameters[i])) {
      sqlite3_bind_text64(statement, position, text->data(), text->size(), SQLITE_STATIC, SQLITE_UTF8);
    } else if (const auto* blob = std::get_if<Blob>(&parameters[i])) {
      sqlite3_bind_blob64(statement, position, blob->bytes.data(), blob->bytes.size(), SQLITE_STATIC);
    } else {
      sqlite3_bind_null(statement, position);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<sqlite3_stmt*> SqliteConnection::Prepare(absl::string_view text, absl::Span<const Value> parameters) {
  const std::string key(text);
  auto found = statements_.find(key);
  if (found == statements_.end()) {
    // Statements come in a few shapes, each with few counts of rows: what fills the cache all the same is made again.
    if (statements_.size() >= kStatementsMax) statements_.clear();
    sqlite3_stmt* prepared = nullptr;
    const char* tail = nullptr;
    if (sqlite3_prepare_v3(handle_, text.data(), static_cast<int>(text.size()), SQLITE_PREPARE_PERSISTENT, &prepared,
                           &tail) != SQLITE_OK) {
      return Failed(text);
    }
    Statement statement(prepared);
    // SQLite would leave what follows the first statement undone, without a word.
    if (prepared == nullptr || tail != text.data() + text.size()) {
      return absl::InternalError(absl::StrCat("sqlite: not one statement: ", text));
    }
    found = statements_.emplace(key, std::move(statement)).first;
  }
  SAGAMESH_RETURN_IF_ERROR(Bind(found->second.get(), parameters));
  return found->second.get();
}

absl::StatusOr<int64_t> SqliteConnection::Execute(absl::string_view statement, absl::Span<const Value> parameters) {
  if (!alive_) return Dead();
  SAGAMESH_ASSIGN_OR_RETURN(sqlite3_stmt * prepared, Prepare(statement, parameters));
  int code = sqlite3_step(prepared);
  while (code == SQLITE_ROW) code = sqlite3_step(prepared);
  const absl::Status status = code == SQLITE_DONE ? absl::OkStatus() : Failed(statement);
  sqlite3_reset(prepared);
  sqlite3_clear_bindings(prepared);
  if (!status.ok()) return status;
  return sqlite3_changes64(handle_);
}

absl::StatusOr<std::vector<Row>> SqliteConnection::Query(absl::string_view statement,
                                                         absl::Span<const Value> parameters) {
  if (!alive_) return Dead();
  if (sqlite3_get_autocommit(handle_) != 0) SAGAMESH_RETURN_IF_ERROR(CheckFileIsThere());
  SAGAMESH_ASSIGN_OR_RETURN(sqlite3_stmt * prepared, Prepare(statement, parameters));
  std::vector<Row> rows;
  int code = sqlite3_step(prepared);
  for (; code == SQLITE_ROW; code = sqlite3_step(prepared)) rows.push_back(ReadRow(prepared));
  const absl::Status status = code == SQLITE_DONE ? absl::OkStatus() : Failed(statement);
  sqlite3_reset(prepared);
  sqlite3_clear_bindings(prepared);
  if (!status.ok()) return status;
  return rows;
}

absl::Status SqliteConnection::CheckFileIsThere() {
  int moved = 0;
  if (sqlite3_file_control(handle_, "main", SQLITE_FCNTL_HAS_MOVED, &moved) != SQLITE_OK || moved == 0) {
    return absl::OkStatus();
  }
  alive_ = false;
  return absl::UnavailableError("the database's file was moved away");
}

absl::Status SqliteConnection::Begin() {
  if (!alive_) return Dead();
  SAGAMESH_RETURN_IF_ERROR(CheckFileIsThere());
  return Execute("BEGIN IMMEDIATE", {}).status();
}

absl::Status SqliteConnection::Commit() {
  if (!alive_) return Dead();
  if (sqlite3_get_autocommit(handle_) != 0) return absl::InternalError("sqlite: COMMIT without a transaction");
  const absl::Status status = Execute("COMMIT", {}).status();
  if (status.ok() || status.code() == absl::StatusCode::kAborted) return status;
  // FULL or IOERR: the WAL may hold the commit or not. Only a new connection, reading the file again, can tell.
  alive_ = false;
  return absl::UnknownError(absl::StrCat("the outcome of COMMIT is not known: ", status.message()));
}

absl::Status SqliteConnection::Rollback() {
  if (!alive_) return Dead();
  if (sqlite3_get_autocommit(handle_) != 0) return absl::OkStatus();  // an error rolled it back already
  return Execute("ROLLBACK", {}).status();
}

class SqliteDatabase final : public Database {
 public:
  SqliteDatabase(std::string name, const Clock& clock) : name_(std::move(name)), clock_(clock) {}

  Dialect dialect() const override { return Dialect::kSqlite; }
  int max_writers() const override { return 1; }
  bool exclusive() const override { return true; }
  absl::StatusOr<std::unique_ptr<Connection>> Connect(Access access) override;

 private:
  const std::string name_;
  const Clock& clock_;
  // From then on a file that is missing is a database that is away, not a new one.
  std::atomic<bool> was_there_{false};
};

absl::StatusOr<std::unique_ptr<Connection>> SqliteDatabase::Connect(Access access) {
  sqlite3* handle = nullptr;
  const bool create = access != Access::kRead && !was_there_;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI | (create ? SQLITE_OPEN_CREATE : 0);
  const int code = sqlite3_open_v2(name_.c_str(), &handle, flags, nullptr);
  auto connection = std::make_unique<SqliteConnection>(handle, access);
  if (code != SQLITE_OK) {
    return absl::UnavailableError(absl::StrCat("cannot open ", name_, ": ", sqlite3_errmsg(handle)));
  }
  sqlite3_busy_timeout(handle, kBusyTimeoutMs);
  sqlite3_create_function_v2(handle, "sagamesh_now_ms", 0, SQLITE_UTF8, const_cast<Clock*>(&clock_), NowMsFunction,
                             nullptr, nullptr, nullptr);
  // A statement of many rows keeps what it needs to undo itself alone, past 64 KiB in a temporary file. A batch bounds
  // it, so it stays in memory: no transaction depends on there being room in another directory.
  std::vector<absl::string_view> setup = {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL",
                                          "PRAGMA temp_store=MEMORY"};
  if (access == Access::kRead) {
    // Only the writer checkpoints: a reader neither does when the log has grown nor when it is closed.
    setup.insert(setup.end(), {"PRAGMA wal_autocheckpoint=0", "PRAGMA query_only=1"});
    sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  }
  for (absl::string_view pragma : setup) {
    if (absl::Status status = connection->Execute(pragma, {}).status(); !status.ok()) {
      return absl::UnavailableError(absl::StrCat("cannot open ", name_, ": ", status.message()));
    }
  }
  if (access != Access::kRead) was_there_ = true;
  return connection;
}

}  // namespace

std::unique_ptr<Database> MakeSqliteDatabase(std::string name, const Clock& clock) {
  return std::make_unique<SqliteDatabase>(std::move(name), clock);
}

}  // namespace sagamesh::sql
