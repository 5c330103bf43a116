#include "tests/simulation/mysql/bind.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status/error.h"
#include "tests/simulation/mysql/plan.h"

namespace sagamesh::simulation::mysql {
namespace {

using Kind = Expression::Kind;

class Binder {
 public:
  explicit Binder(const Tables& tables) : tables_(tables) {}

  absl::Status Bind(Select& select);
  absl::Status Bind(Insert& insert);
  absl::Status Bind(Update& update);
  absl::Status Bind(Delete& statement) { return BindSource(statement.source); }
  // These name tables that the executor looks for.
  absl::Status Bind(CreateTable&) { return absl::OkStatus(); }
  absl::Status Bind(CreateIndex&) { return absl::OkStatus(); }
  absl::Status Bind(AlterTable&) { return absl::OkStatus(); }

  absl::Status BindOwn(Source& source, Expression& expression) {
    scopes_ = {&source};
    return Bind(expression);
  }

 private:
  absl::StatusOr<Table*> FindTable(const std::string& name) const {
    const auto found = tables_.find(name);
    if (found == tables_.end()) return absl::InternalError(absl::StrCat("there is no table ", name));
    return found->second.get();
  }
  absl::Status BindSource(Source& source);
  absl::Status Bind(Expression& expression);
  absl::Status BindColumn(Expression& column);
  absl::Status BindAssignments(const Table& table, std::vector<Assignment>& assignments);

  const Tables& tables_;
  std::vector<Source*> scopes_;  // the innermost last
};

absl::Status Binder::Bind(Expression& expression) {
  if (expression.kind == Kind::kColumn || expression.kind == Kind::kInserted) return BindColumn(expression);
  for (Expression& operand : expression.operands) SAGAMESH_RETURN_IF_ERROR(Bind(operand));
  if (expression.select != nullptr) SAGAMESH_RETURN_IF_ERROR(Bind(*expression.select));
  // "5 < a" is as good as "a > 5".
  static constexpr std::pair<Kind, Kind> kMirrored[] = {{Kind::kEqual, Kind::kEqual},
                                                        {Kind::kLess, Kind::kGreater},
                                                        {Kind::kGreater, Kind::kLess},
                                                        {Kind::kLessOrEqual, Kind::kGreaterOrEqual},
                                                        {Kind::kGreaterOrEqual, Kind::kLessOrEqual}};
  for (const auto& [kind, mirrored] : kMirrored) {
    if (expression.kind != kind) continue;
    const auto is_own = [](const Expression& side) { return side.kind == Kind::kColumn && side.level == 0; };
    if (!is_own(expression.operands[0]) && is_own(expression.operands[1])) {
      std::swap(expression.operands[0], expression.operands[1]);
      expression.kind = mirrored;
    }
    break;
  }
  return absl::OkStatus();
}

absl::Status Binder::BindColumn(Expression& column) {
  for (size_t level = 0; level < scopes_.size(); level++) {
    const Source& source = *scopes_[scopes_.size() - 1 - level];
    if (source.table == nullptr || (!column.table.empty() && column.table != source.alias)) continue;
    column.index = source.table->FindColumn(column.column);
    if (column.index == source.table->columns().size()) continue;
    column.level = static_cast<int>(level);
    // All between here and there depend on that row.
    for (size_t i = 0; i < level; i++) scopes_[scopes_.size() - 1 - i]->correlated = true;
    return absl::OkStatus();
  }
  return absl::InternalError(absl::StrCat("there is no column ", column.column));
}

absl::Status Binder::BindSource(Source& source) {
  scopes_.push_back(&source);
  if (!source.name.empty()) {
    SAGAMESH_ASSIGN_OR_RETURN(source.table, FindTable(source.name));
    if (!source.forced_index.empty()) SAGAMESH_RETURN_IF_ERROR(source.table->FindIndex(source.forced_index).status());
    if (source.where.has_value()) SAGAMESH_RETURN_IF_ERROR(Bind(*source.where));
    for (Order& order : source.order) {
      SAGAMESH_RETURN_IF_ERROR(Bind(order.column));
      if (order.column.level != 0) return absl::InternalError("ORDER BY another table's column");
    }
    source.plan = MakePlan(source);
  }
  return absl::OkStatus();
}

bool IsAggregate(const Expression& expression) {
  return expression.kind == Kind::kCount || expression.kind == Kind::kSum || expression.kind == Kind::kMin ||
         expression.kind == Kind::kMax;
}

absl::Status Binder::Bind(Select& select) {
  SAGAMESH_RETURN_IF_ERROR(BindSource(select.from));
  size_t aggregates = 0;
  for (Expression& column : select.columns) {
    SAGAMESH_RETURN_IF_ERROR(Bind(column));
    if (IsAggregate(column)) aggregates++;
  }
  scopes_.pop_back();
  select.aggregate = aggregates > 0;
  if (aggregates > 0 && (aggregates < select.columns.size() || select.from.table == nullptr)) {
    return absl::InternalError("a SELECT of sums and of rows, or of no rows");
  }
  return absl::OkStatus();
}

absl::Status Binder::BindAssignments(const Table& table, std::vector<Assignment>& assignments) {
  for (Assignment& assignment : assignments) {
    assignment.target = table.FindColumn(assignment.column);
    if (assignment.target == table.columns().size()) {
      return absl::InternalError(absl::StrCat("there is no column ", assignment.column));
    }
    SAGAMESH_RETURN_IF_ERROR(Bind(assignment.value));
  }
  return absl::OkStatus();
}

absl::Status Binder::Bind(Insert& insert) {
  SAGAMESH_ASSIGN_OR_RETURN(insert.table, FindTable(insert.name));
  const Table& table = *insert.table;
  insert.targets.clear();
  for (const std::string& name : insert.columns) {
    insert.targets.push_back(table.FindColumn(name));
    if (insert.targets.back() == table.columns().size()) {
      return absl::InternalError(absl::StrCat("there is no column ", name));
    }
  }
  for (size_t i = 0; insert.columns.empty() && i < table.columns().size(); i++) insert.targets.push_back(i);
  for (Insert::Row& row : insert.rows) {
    if (row.width != insert.targets.size()) {
      return absl::InternalError("an INSERT with another number of values than of columns");
    }
    for (Expression& value : row.values) SAGAMESH_RETURN_IF_ERROR(Bind(value));
  }
  Source source{.name = insert.name, .alias = insert.name, .table = insert.table};
  scopes_.push_back(&source);
  return BindAssignments(table, insert.on_duplicate);
}

absl::Status Binder::Bind(Update& update) {
  SAGAMESH_RETURN_IF_ERROR(BindSource(update.source));
  return BindAssignments(*update.source.table, update.assignments);
}

}  // namespace

absl::Status Bind(const Tables& tables, Statement& statement) {
  return std::visit([&](auto& what) { return Binder(tables).Bind(what); }, statement.what);
}

absl::Status BindOwn(Table& table) {
  const Tables none;
  Source source{.name = table.name(), .alias = table.name(), .table = &table};
  for (Expression& check : table.checks()) SAGAMESH_RETURN_IF_ERROR(Binder(none).BindOwn(source, check));
  for (Column& column : table.columns()) {
    if (column.generated.has_value()) SAGAMESH_RETURN_IF_ERROR(Binder(none).BindOwn(source, *column.generated));
  }
  return absl::OkStatus();
}

}  // namespace sagamesh::simulation::mysql
