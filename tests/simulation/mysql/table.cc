#include "tests/simulation/mysql/table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/error.h"

namespace sagamesh::simulation::mysql {
namespace {

bool Same(const Index& index, const Values& a, const Values& b) {
  return std::all_of(index.columns.begin(), index.columns.end(),
                     [&](size_t column) { return Compare(Cell::Of(a[column]), Cell::Of(b[column])) == 0; });
}

}  // namespace

absl::StatusOr<std::unique_ptr<Table>> Table::Make(CreateTable schema) {
  std::unique_ptr<Table> table(new Table(std::move(schema)));
  SAGAMESH_RETURN_IF_ERROR(table->AddIndex({"PRIMARY", table->schema_.primary_key, true}));
  for (const size_t column : table->indexes_[0].columns) table->schema_.columns[column].not_null = true;
  for (const IndexSchema& index : table->schema_.indexes) SAGAMESH_RETURN_IF_ERROR(table->AddIndex(index));
  return table;
}

Table::~Table() {
  for (const auto& [key, record] : indexes_[0].entries) delete record;
}

size_t Table::FindColumn(const std::string& name) const {
  const auto found = std::find_if(schema_.columns.begin(), schema_.columns.end(),
                                  [&](const Column& column) { return column.name == name; });
  return static_cast<size_t>(found - schema_.columns.begin());
}

absl::Status Table::AddIndex(const IndexSchema& schema) {
  Index index{.name = schema.name, .unique = schema.unique};
  for (const std::string& name : schema.columns) {
    const size_t column = FindColumn(name);
    if (column == columns().size()) {
      return absl::InternalError(absl::StrCat("there is no column ", name, " for the index ", schema.name));
    }
    index.columns.push_back(column);
  }
  indexes_.push_back(std::move(index));
  if (indexes_.size() == 1) return absl::OkStatus();
  for (const auto& [key, record] : indexes_[0].entries) {
    for (const Values* row : {record->committed.get(), record->current.get()}) {
      if (row != nullptr) Enter(*record, *row);
    }
  }
  return absl::OkStatus();
}

absl::Status Table::AddColumn(const Column& column) {
  if (FindColumn(column.name) != columns().size()) return absl::InternalError("the column is there already");
  if (column.not_null && !column.default_value.has_value()) return absl::InternalError("the column has no default");
  schema_.columns.push_back(column);
  for (const auto& [key, record] : indexes_[0].entries) {
    for (Values* row : {record->committed.get(), record->current.get()}) {
      if (row != nullptr) row->push_back(column.default_value.value_or(sql::Value()));
    }
  }
  return absl::OkStatus();
}

std::string Table::KeyOf(const Values& row) {
  std::string key;
  for (const size_t column : indexes_[0].columns) AppendKey(Cell::Of(row[column]), key);
  if (indexes_[0].columns.empty()) AppendKey(Cell::Number(next_hidden_key_++), key);
  return key;
}

Record* Table::Find(const std::string& key) const {
  const auto found = indexes_[0].entries.find(key);
  return found == indexes_[0].entries.end() ? nullptr : found->second;
}

Record& Table::FindOrAdd(const std::string& key) {
  Record*& record = indexes_[0].entries[key];
  if (record == nullptr) record = new Record(*this, key);
  return *record;
}

std::string Table::EntryOf(const Index& index, const Values& row, const Record& record) {
  std::string entry;
  for (const size_t column : index.columns) AppendKey(Cell::Of(row[column]), entry);
  entry += record.key;
  return entry;
}

void Table::Enter(Record& record, const Values& row) {
  for (size_t i = 1; i < indexes_.size(); i++) indexes_[i].entries[EntryOf(indexes_[i], row, record)] = &record;
}

void Table::Remove(Record& record, const Values& row) {
  const auto has = [&](const std::unique_ptr<Values>& version, const Index& index) {
    return version != nullptr && Same(index, *version, row);
  };
  for (size_t i = 1; i < indexes_.size(); i++) {
    Index& index = indexes_[i];
    if (has(record.committed, index) || has(record.current, index)) continue;
    index.entries.erase(EntryOf(index, row, record));
  }
}

void Table::Change(Transaction& transaction, Record& record, std::unique_ptr<Values> next) {
  transaction.undo.push_back({&record, record.writer == nullptr, std::move(record.current)});
  record.writer = &transaction;
  record.current = std::move(next);
  if (record.current != nullptr) Enter(record, *record.current);
  const Undo& undo = transaction.undo.back();
  if (undo.previous != nullptr) Remove(record, *undo.previous);
}

void Table::UndoLast(Transaction& transaction) {
  Undo undo = std::move(transaction.undo.back());
  transaction.undo.pop_back();
  Record& record = *undo.record;
  const std::unique_ptr<Values> undone = std::exchange(record.current, std::move(undo.previous));
  if (undo.first) record.writer = nullptr;
  if (record.current != nullptr) record.table.Enter(record, *record.current);
  if (undone != nullptr) record.table.Remove(record, *undone);
}

void Table::Commit(Transaction& transaction) {
  for (const Undo& undo : std::exchange(transaction.undo, {})) {
    Record& record = *undo.record;
    if (record.writer == nullptr) continue;  // changed more than once
    const std::unique_ptr<Values> old = std::exchange(record.committed, std::move(record.current));
    record.writer = nullptr;
    record.marked = record.committed == nullptr;
    if (old != nullptr) record.table.Remove(record, *old);
  }
}

void Table::Forget(Record& record) {
  if (record.committed != nullptr || record.writer != nullptr || !record.locks.empty()) return;
  indexes_[0].entries.erase(record.key);
  delete &record;
}

}  // namespace sagamesh::simulation::mysql
