#include "common/sql/sql.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status/error.h"

namespace sagamesh::sql {
namespace {

// A connection keeps the statements that it has prepared, which costs a database far more than to run them. So they
// come with few counts of rows: up to kRowsStep, or a multiple of it.
constexpr size_t kRowsStep = 16;
// SQLite takes 32,766 parameters a statement, MySQL 65,535: enough for rows of over 200 columns.
constexpr size_t kRowsMax = 128;

// Of so many rows, how many the next statement takes.
size_t NextRows(size_t rows) { return rows < kRowsStep ? rows : std::min(rows - rows % kRowsStep, kRowsMax); }

// Runs "<head> VALUES (...),(...) <tail>" over all rows: for up to kRowsMax in one statement or two. Answers how many
// rows they changed.
absl::StatusOr<int64_t> ExecuteRows(Connection& connection, absl::string_view head, size_t columns,
                                    absl::string_view tail, std::vector<Value> values) {
  int64_t changed = 0;
  const std::string row = absl::StrCat("(", Placeholders(columns), ")");
  for (absl::Span<const Value> rest = values; !rest.empty();) {
    const size_t rows = NextRows(rest.size() / columns);
    std::string statement = absl::StrCat(head, " VALUES ", row);
    for (size_t i = 1; i < rows; i++) absl::StrAppend(&statement, ",", row);
    absl::StrAppend(&statement, tail);
    SAGAMESH_ASSIGN_OR_RETURN(const int64_t count, connection.Execute(statement, rest.first(rows * columns)));
    changed += count;
    rest.remove_prefix(rows * columns);
  }
  return changed;
}

std::string InsertHead(absl::string_view table, absl::Span<const absl::string_view> columns) {
  return absl::StrCat("INSERT INTO ", table, " (", absl::StrJoin(columns, ","), ")");
}

}  // namespace

int64_t Row::Int(size_t column) const {
  const auto* value = std::get_if<int64_t>(&values_.at(column));
  return value == nullptr ? 0 : *value;
}

const std::string& Row::Text(size_t column) const {
  static const std::string* const kEmpty = new std::string();
  const Value& value = values_.at(column);
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* blob = std::get_if<Blob>(&value)) return blob->bytes;
  return *kEmpty;
}

absl::StatusOr<Connection*> Session::Get() {
  if (connection_ != nullptr && connection_->alive()) return connection_.get();
  connection_.reset();
  SAGAMESH_ASSIGN_OR_RETURN(connection_, database_.Connect(access_));
  return connection_.get();
}

absl::string_view NowMs(Dialect dialect) {
  return dialect == Dialect::kSqlite ? "sagamesh_now_ms()" : "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)";
}

absl::string_view ForUpdate(Dialect dialect) { return dialect == Dialect::kSqlite ? "" : " FOR UPDATE"; }

std::string Placeholders(size_t n) {
  std::string text;
  for (size_t i = 0; i < n; i++) text += i == 0 ? "?" : ",?";
  return text;
}

void PadKeys(std::vector<Value>& keys) {
  if (keys.size() <= kRowsStep) return;
  const Value last = keys.back();
  keys.resize((keys.size() + kRowsStep - 1) / kRowsStep * kRowsStep, last);
}

absl::Status Upsert(Connection& connection, absl::string_view table, absl::Span<const absl::string_view> key,
                    absl::Span<const absl::string_view> columns, std::vector<Value> rows) {
  const bool sqlite = connection.dialect() == Dialect::kSqlite;
  std::vector<std::string> updates;
  for (absl::string_view column : columns) {
    if (std::find(key.begin(), key.end(), column) != key.end()) continue;
    updates.push_back(sqlite ? absl::StrCat(column, "=excluded.", column)
                             : absl::StrCat(column, "=VALUES(", column, ")"));
  }
  const std::string head = sqlite ? absl::StrCat(" ON CONFLICT (", absl::StrJoin(key, ","), ") DO UPDATE SET ")
                                  : " ON DUPLICATE KEY UPDATE ";
  return ExecuteRows(connection, InsertHead(table, columns), columns.size(),
                     absl::StrCat(head, absl::StrJoin(updates, ",")), std::move(rows))
      .status();
}

absl::StatusOr<int64_t> UpsertIf(Connection& connection, absl::string_view table, absl::string_view condition,
                                 absl::Span<const absl::string_view> columns,
                                 absl::Span<const absl::string_view> changed, std::vector<Value> rows) {
  std::vector<std::string> updates;
  for (absl::string_view column : changed) {
    updates.push_back(
        absl::StrCat(column, "=CASE WHEN ", condition, " THEN VALUES(", column, ") ELSE ", column, " END"));
  }
  return ExecuteRows(connection, InsertHead(table, columns), columns.size(),
                     absl::StrCat(" ON DUPLICATE KEY UPDATE ", absl::StrJoin(updates, ",")), std::move(rows));
}

absl::Status InsertMissing(Connection& connection, absl::string_view table, absl::Span<const absl::string_view> key,
                           absl::Span<const absl::string_view> columns, std::vector<Value> rows) {
  const std::string tail = connection.dialect() == Dialect::kSqlite
                               ? absl::StrCat(" ON CONFLICT (", absl::StrJoin(key, ","), ") DO NOTHING")
                               : absl::StrCat(" ON DUPLICATE KEY UPDATE ", key[0], "=", key[0]);
  return ExecuteRows(connection, InsertHead(table, columns), columns.size(), tail, std::move(rows)).status();
}

absl::Status Update(Connection& connection, absl::string_view table, absl::Span<const absl::string_view> columns,
                    std::vector<Value> values, absl::string_view key, std::vector<Value> keys) {
  if (keys.empty()) return absl::OkStatus();
  PadKeys(keys);
  const std::string statement = absl::StrCat("UPDATE ", table, " SET ", absl::StrJoin(columns, "=?,"), "=? WHERE ", key,
                                             " IN (", Placeholders(keys.size()), ")");
  std::move(keys.begin(), keys.end(), std::back_inserter(values));
  return connection.Execute(statement, values).status();
}

absl::Status Insert(Connection& connection, absl::string_view table, absl::Span<const absl::string_view> columns,
                    std::vector<Value> rows) {
  return ExecuteRows(connection, InsertHead(table, columns), columns.size(), "", std::move(rows)).status();
}

}  // namespace sagamesh::sql
