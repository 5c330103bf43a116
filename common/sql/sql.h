#ifndef SAGAMESH_COMMON_SQL_SQL_H_
#define SAGAMESH_COMMON_SQL_SQL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace sagamesh::sql {

struct Blob {
  std::string bytes;
};

// NULL, INTEGER, TEXT, BLOB.
using Value = std::variant<std::monostate, int64_t, std::string, Blob>;

class Row {
 public:
  explicit Row(std::vector<Value> values) : values_(std::move(values)) {}

  bool IsNull(size_t column) const { return std::holds_alternative<std::monostate>(values_.at(column)); }
  // 0 and "" for NULL. Text also reads a blob.
  int64_t Int(size_t column) const;
  const std::string& Text(size_t column) const;

 private:
  std::vector<Value> values_;
};

enum class Dialect { kSqlite, kMysql };

// A connection to a database. Not thread-safe: one worker uses it at a time. Every call may block.
//
// Errors, which callers tell apart by code alone:
//   UNAVAILABLE     the database cannot be reached; nothing of the transaction happened.
//   ABORTED         deadlock, lock wait or busy; the driver has rolled the transaction back: run it again as a whole.
//   UNKNOWN         from Commit only: it may have happened. Drop the connection, run the guarded transaction again.
//   ALREADY_EXISTS  a unique key is taken.
//   INTERNAL        anything else: a defect in the statement or in the data.
// After UNAVAILABLE or UNKNOWN the connection is dead (alive() is false) and answers UNAVAILABLE to everything.
class Connection {
 public:
  virtual ~Connection() = default;

  virtual Dialect dialect() const = 0;
  virtual bool alive() const = 0;

  // Starts a transaction that will write: on SQLite it takes the write lock at once, on MySQL it is READ COMMITTED.
  virtual absl::Status Begin() = 0;
  virtual absl::Status Commit() = 0;
  virtual absl::Status Rollback() = 0;

  // Bound parameters only ("?"). Returns how many rows the statement changed. Outside Begin/Commit it commits alone.
  virtual absl::StatusOr<int64_t> Execute(absl::string_view statement, absl::Span<const Value> parameters = {}) = 0;
  virtual absl::StatusOr<std::vector<Row>> Query(absl::string_view statement,
                                                 absl::Span<const Value> parameters = {}) = 0;
};

// kMigrate: as kWrite, and a statement may take an hour.
enum class Access { kWrite, kRead, kMigrate };

// Where connections come from. Thread-safe. Opening a database never fails because it is away: Connect does.
class Database {
 public:
  virtual ~Database() = default;

  virtual Dialect dialect() const = 0;
  // How many write connections may be used at a time: 1 on SQLite.
  virtual int max_writers() const = 0;
  // This process alone has the database, by a lock that no other can get while it lives.
  virtual bool exclusive() const = 0;
  // A kRead connection sees what is committed and may not write. UNAVAILABLE if the database is away.
  virtual absl::StatusOr<std::unique_ptr<Connection>> Connect(Access access) = 0;
  // Whether it may turn out to be on another server; whoever watches over it then calls Check, each second or so.
  virtual bool may_move() const { return false; }
  // Finds out which server is the one to write to; connections to another one are dead from now on. UNAVAILABLE if that
  // one is away, or there is none, or more than one. False if that one was not asked itself, since it has just taken a
  // write.
  virtual absl::StatusOr<bool> Check() { return false; }
};

// A connection that is made when it is needed and made anew after it died. Not thread-safe.
class Session {
 public:
  Session(Database& database, Access access) : database_(database), access_(access) {}

  // Valid until the next Get.
  absl::StatusOr<Connection*> Get();

  // `call(Connection&)`, which answers a StatusOr and may be made twice. A connection that turns out to have been lost
  // since its last use, by a database that was away and is back, is no failure: the call is made on a new one.
  template <typename Call>
  auto Run(Call call) -> decltype(call(std::declval<Connection&>())) {
    const bool used = connection_ != nullptr && connection_->alive();
    absl::StatusOr<Connection*> connection = Get();
    if (!connection.ok()) return connection.status();
    auto result = call(**connection);
    if (!used || (*connection)->alive()) return result;
    connection = Get();
    if (!connection.ok()) return connection.status();
    return call(**connection);
  }

 private:
  Database& database_;
  const Access access_;
  std::unique_ptr<Connection> connection_;
};

// The database's clock in milliseconds since the epoch, as an SQL expression ("database time only").
absl::string_view NowMs(Dialect dialect);

// " FOR UPDATE" where rows are locked one by one; "" on SQLite, whose transaction holds the whole file.
absl::string_view ForUpdate(Dialect dialect);

// "?,?,?" of n.
std::string Placeholders(size_t n);

// Repeats the last of the keys of an "IN (...)" until there are as many as in few statements alone, as the writes below
// come with few counts of rows: a connection keeps what it has prepared.
void PadKeys(std::vector<Value>& keys);

// A multi-row INSERT ... ON CONFLICT/ON DUPLICATE KEY UPDATE of every column that is not of the key. `rows` holds rows
// of columns.size() values, one after the other; they are split where there are many, and so that few statements are
// prepared. Identifiers are ours, never data.
absl::Status Upsert(Connection& connection, absl::string_view table, absl::Span<const absl::string_view> key,
                    absl::Span<const absl::string_view> columns, std::vector<Value> rows);

// On MySQL alone: a multi-row INSERT that changes a row which is there only if `condition` holds for it, of which then
// the columns `changed` are set, in their order: each sees what those before it have made, as in "version <
// VALUES(version)", where VALUES(column) is the given value. Answers the sum over all rows, of 2 for one that was
// changed, and of 1 for one that was inserted or stayed as it was.
absl::StatusOr<int64_t> UpsertIf(Connection& connection, absl::string_view table, absl::string_view condition,
                                 absl::Span<const absl::string_view> columns,
                                 absl::Span<const absl::string_view> changed, std::vector<Value> rows);

// A multi-row INSERT of the rows that are missing; one that exists stays as it is. On MySQL each row is locked
// exclusively at once, whether it was there or not: a SELECT of a missing row would lock nothing.
absl::Status InsertMissing(Connection& connection, absl::string_view table, absl::Span<const absl::string_view> key,
                           absl::Span<const absl::string_view> columns, std::vector<Value> rows);

// Gives the same new values to the rows of these keys, which is many times cheaper than Upsert: nothing is inserted on
// trial, and values of the same size are changed in place. Keys that are not there stay so.
absl::Status Update(Connection& connection, absl::string_view table, absl::Span<const absl::string_view> columns,
                    std::vector<Value> values, absl::string_view key, std::vector<Value> keys);

// A multi-row INSERT; ALREADY_EXISTS if a key is taken.
absl::Status Insert(Connection& connection, absl::string_view table, absl::Span<const absl::string_view> columns,
                    std::vector<Value> rows);

}  // namespace sagamesh::sql

#endif  // SAGAMESH_COMMON_SQL_SQL_H_
