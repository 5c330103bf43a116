// The statements that write (execution.h).

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/error.h"
#include "tests/simulation/mysql/execution.h"

namespace sagamesh::simulation::mysql {
namespace {

using Kind = Expression::Kind;

size_t Characters(absl::string_view utf8) {
  size_t count = 0;
  for (const char c : utf8) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
  return count;
}

// What a column makes of a value. INTERNAL if it does not take it: nothing is cut to size.
absl::StatusOr<sql::Value> ToColumn(const Column& column, const Cell& cell) {
  if (cell.null()) {
    if (column.not_null) return absl::InternalError(absl::StrCat("NULL for ", column.name));
    return sql::Value();
  }
  const bool number = column.type == Column::Type::kInteger || column.type == Column::Type::kBigint;
  if (number != (cell.type == Cell::Type::kNumber)) {
    return absl::InternalError(absl::StrCat("a value of another type for ", column.name));
  }
  if (number) {
    if (column.type == Column::Type::kInteger && cell.number != static_cast<int32_t>(cell.number)) {
      return absl::InternalError(absl::StrCat("too large a number for ", column.name));
    }
    return cell.number;
  }
  const bool text = column.type == Column::Type::kText;
  const size_t length = text ? Characters(cell.bytes) : cell.bytes.size();
  if (column.length_max != 0 && length > column.length_max) {
    return absl::InternalError(absl::StrCat("too long a value for ", column.name));
  }
  if (text) return std::string(cell.bytes);
  return sql::Blob{std::string(cell.bytes)};
}

bool HasNull(const Index& index, const Values& row) {
  for (const size_t column : index.columns) {
    if (Cell::Of(row[column]).null()) return true;
  }
  return false;
}

std::string PrefixOf(const Index& index, const Values& row) {
  std::string prefix;
  for (const size_t column : index.columns) AppendKey(Cell::Of(row[column]), prefix);
  return prefix;
}

}  // namespace

absl::Status Execution::CheckRow(Table& table, const Values& row) {
  evaluator_.Enter(&row);
  bool holds = true;
  for (const Expression& check : table.checks()) {
    const Cell cell = evaluator_.Evaluate(check);
    holds = holds && (cell.null() || cell.holds());
  }
  evaluator_.Leave();
  SAGAMESH_RETURN_IF_ERROR(evaluator_.error());
  return holds ? absl::OkStatus() : absl::InternalError(absl::StrCat("a CHECK of ", table.name(), " fails"));
}

absl::StatusOr<std::unique_ptr<Values>> Execution::MakeRow(const Insert& insert, const Insert::Row& given) {
  const std::vector<Column>& columns = insert.table->columns();
  auto row = std::make_unique<Values>(columns.size());
  std::vector<bool> is_given(columns.size());
  for (size_t i = 0; i < insert.targets.size(); i++) {
    const size_t target = insert.targets[i];
    const Cell cell =
        given.values.empty() ? Cell::Of(parameters_[given.first_parameter + i]) : evaluator_.Evaluate(given.values[i]);
    SAGAMESH_ASSIGN_OR_RETURN((*row)[target], ToColumn(columns[target], cell));
    is_given[target] = true;
  }
  for (size_t i = 0; i < columns.size(); i++) {
    if (is_given[i]) continue;
    if (columns[i].default_value.has_value()) {
      SAGAMESH_ASSIGN_OR_RETURN((*row)[i], ToColumn(columns[i], Cell::Of(*columns[i].default_value)));
    } else if (columns[i].not_null) {
      return absl::InternalError(absl::StrCat("no value and no default for ", columns[i].name));
    }
  }
  SAGAMESH_RETURN_IF_ERROR(evaluator_.error());
  SAGAMESH_RETURN_IF_ERROR(insert.table->Generate(*row));
  SAGAMESH_RETURN_IF_ERROR(CheckRow(*insert.table, *row));
  return row;
}

absl::StatusOr<int64_t> Execution::Run(const Insert& insert) {
  int64_t changed = 0;
  for (const Insert::Row& given : insert.rows) {
    SAGAMESH_ASSIGN_OR_RETURN(std::unique_ptr<Values> row, MakeRow(insert, given));
    SAGAMESH_ASSIGN_OR_RETURN(const int64_t rows, InsertRow(insert, std::move(row)));
    changed += rows;
  }
  return changed;
}

absl::StatusOr<int64_t> Execution::InsertRow(const Insert& insert, std::unique_ptr<Values> row) {
  // Who finds its key taken has locked the row: to change it, or so that it stays taken.
  const LockMode lock = insert.on_duplicate.empty() ? LockMode::kShared : LockMode::kExclusive;
  Record& own = insert.table->FindOrAdd(insert.table->KeyOf(*row));
  SAGAMESH_ASSIGN_OR_RETURN(Record* const taken, FindTaken(insert, *row, own, lock));
  if (taken->latest() == nullptr) {
    insert.table->Change(session_.transaction_, own, std::move(row));
    return 1;
  }
  if (insert.ignore) return 0;
  if (insert.on_duplicate.empty()) return absl::AlreadyExistsError(absl::StrCat("a key of ", insert.name, " is taken"));
  evaluator_.SetInserted(row.get());
  SAGAMESH_ASSIGN_OR_RETURN(const bool changed, Assign(insert.on_duplicate, *taken));
  evaluator_.SetInserted(nullptr);
  return changed ? 2 : 1;
}

absl::StatusOr<Record*> Execution::FindTaken(const Insert& insert, const Values& row, Record& own, LockMode lock) {
  bool fresh = false;
  if (own.is_there()) {
    SAGAMESH_RETURN_IF_ERROR(session_.Lock(own, lock, fresh));
    if (own.latest() != nullptr) return &own;
  }
  SAGAMESH_RETURN_IF_ERROR(session_.Lock(own, LockMode::kExclusive, fresh));
  if (own.latest() != nullptr) return &own;
  for (const Index& index : insert.table->indexes()) {
    if (!index.unique || index.name == "PRIMARY" || HasNull(index, row)) continue;
    const std::string prefix = PrefixOf(index, row);
    std::string at = prefix;
    while (true) {
      const auto it = index.entries.upper_bound(at);
      if (it == index.entries.end() || it->first.compare(0, prefix.size(), prefix) != 0) break;
      at = it->first;
      Record& other = *it->second;
      SAGAMESH_RETURN_IF_ERROR(session_.Lock(other, lock, fresh));
      if (other.latest() != nullptr && Table::EntryOf(index, *other.latest(), other) == at) return &other;
    }
  }
  return &own;
}

absl::StatusOr<bool> Execution::Assign(const std::vector<Assignment>& assignments, Record& record) {
  const std::vector<Column>& columns = record.table.columns();
  auto next = std::make_unique<Values>(*record.latest());
  // Each assignment sees what those before it have made.
  evaluator_.Enter(next.get());
  for (const Assignment& assignment : assignments) {
    const absl::StatusOr<sql::Value> value =
        ToColumn(columns[assignment.target], evaluator_.Evaluate(assignment.value));
    if (!value.ok()) evaluator_.Fail(value.status());
    if (!evaluator_.error().ok()) break;
    (*next)[assignment.target] = *value;
  }
  evaluator_.Leave();
  SAGAMESH_RETURN_IF_ERROR(evaluator_.error());
  SAGAMESH_RETURN_IF_ERROR(record.table.Generate(*next));
  for (const Index& index : record.table.indexes()) {
    if (index.unique && PrefixOf(index, *next) != PrefixOf(index, *record.latest())) {
      return absl::InternalError("a unique key is changed, which the simulated MySQL does not do");
    }
  }
  bool changed = false;
  for (size_t i = 0; i < columns.size() && !changed; i++) {
    changed = Compare(Cell::Of((*next)[i]), Cell::Of((*record.latest())[i])) != 0;
  }
  if (!changed) return false;
  SAGAMESH_RETURN_IF_ERROR(CheckRow(record.table, *next));
  record.table.Change(session_.transaction_, record, std::move(next));
  return true;
}

absl::StatusOr<int64_t> Execution::Run(const Update& update) {
  skips_locked_ = true;
  SAGAMESH_ASSIGN_OR_RETURN(const std::vector<Found> found, Find(update.source, LockMode::kExclusive));
  for (const Found& row : found) SAGAMESH_RETURN_IF_ERROR(Assign(update.assignments, *row.record).status());
  return static_cast<int64_t>(found.size());
}

absl::StatusOr<int64_t> Execution::Run(const Delete& statement) {
  subselect_lock_ = LockMode::kShared;
  SAGAMESH_ASSIGN_OR_RETURN(const std::vector<Found> found, Find(statement.source, LockMode::kExclusive));
  for (const Found& row : found) row.record->table.Change(session_.transaction_, *row.record, nullptr);
  return static_cast<int64_t>(found.size());
}

}  // namespace sagamesh::simulation::mysql
