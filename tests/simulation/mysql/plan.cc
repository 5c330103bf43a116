#include "tests/simulation/mysql/plan.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "tests/simulation/mysql/table.h"

namespace sagamesh::simulation::mysql {
namespace {

using Kind = Expression::Kind;

// One that is bound to a row of this source, or asks other rows.
bool DependsOnRow(const Expression& expression) {
  if (expression.select != nullptr) return true;
  if (expression.kind == Kind::kColumn) return expression.level == 0;
  return std::any_of(expression.operands.begin(), expression.operands.end(), DependsOnRow);
}

bool IsColumn(const Expression& expression, size_t column) {
  return expression.kind == Kind::kColumn && expression.level == 0 && expression.index == column;
}

// "column <op> something that is known before the row is".
bool Limits(const Expression& condition, size_t column) {
  if (condition.operands.empty() || !IsColumn(condition.operands[0], column)) return false;
  if (condition.kind == Kind::kInSelect) return !condition.select->from.correlated;
  return std::none_of(condition.operands.begin() + 1, condition.operands.end(), DependsOnRow);
}

std::vector<const Expression*> Conjuncts(const Expression& condition) {
  if (condition.kind != Kind::kAnd) return {&condition};
  std::vector<const Expression*> all;
  for (const Expression& operand : condition.operands) {
    for (const Expression* part : Conjuncts(operand)) all.push_back(part);
  }
  return all;
}

const Expression* FindLimit(const std::vector<const Expression*>& conjuncts, size_t column,
                            std::initializer_list<Kind> kinds) {
  for (const Expression* condition : conjuncts) {
    if (std::find(kinds.begin(), kinds.end(), condition->kind) != kinds.end() && Limits(*condition, column)) {
      return condition;
    }
  }
  return nullptr;
}

Plan::Arm MakeArm(const Index& index, const Expression& condition) {
  const std::vector<const Expression*> conjuncts = Conjuncts(condition);
  Plan::Arm arm;
  for (const size_t column : index.columns) {
    const Expression* equal = FindLimit(conjuncts, column, {Kind::kEqual, Kind::kIn, Kind::kInSelect});
    if (equal == nullptr) {
      arm.low = FindLimit(conjuncts, column, {Kind::kGreater, Kind::kGreaterOrEqual});
      arm.high = FindLimit(conjuncts, column, {Kind::kLess, Kind::kLessOrEqual});
      break;
    }
    arm.equal.push_back(equal);
  }
  return arm;
}

constexpr int kScoreMax = 1'000'000;

int Score(const Index& index, const Plan::Arm& arm) {
  int score = 4 * static_cast<int>(arm.equal.size()) + (arm.low != nullptr) + (arm.high != nullptr);
  if (index.unique && !index.columns.empty() && arm.equal.size() == index.columns.size()) score += 1000;
  return score;
}

// Whether the index gives the rows in the wanted order, and in which direction.
bool IsOrdered(const Source& source, const Index& index, const Plan& plan, bool& descending) {
  std::vector<size_t> given = index.columns;
  const std::vector<size_t>& primary = source.table->indexes()[0].columns;
  given.insert(given.end(), primary.begin(), primary.end());
  // What has one value does not matter.
  const auto is_fixed = [&](size_t column) {
    if (plan.arms.size() != 1) return false;
    const auto& equal = plan.arms[0].equal;
    return std::any_of(equal.begin(), equal.end(), [&](const Expression* condition) {
      return condition->kind == Kind::kEqual && IsColumn(condition->operands[0], column);
    });
  };
  size_t at = 0;
  for (const Order& order : source.order) {
    if (is_fixed(order.column.index)) continue;
    while (at < given.size() && is_fixed(given[at])) at++;
    if (at == given.size() || given[at] != order.column.index || order.descending != source.order[0].descending) {
      return false;
    }
    at++;
  }
  descending = !source.order.empty() && source.order[0].descending;
  return true;
}

}  // namespace

Plan MakePlan(const Source& source) {
  std::vector<const Expression*> alternatives;
  if (source.where.has_value() && source.where->kind == Kind::kOr) {
    for (const Expression& operand : source.where->operands) alternatives.push_back(&operand);
  } else if (source.where.has_value()) {
    alternatives.push_back(&*source.where);
  }
  Plan best;
  int best_score = -1;
  const std::deque<Index>& indexes = source.table->indexes();
  for (size_t i = 0; i < indexes.size(); i++) {
    if (indexes[i].dropped) continue;
    Plan plan{.index = i};
    int score = alternatives.empty() ? 0 : kScoreMax;
    for (const Expression* condition : alternatives) {
      plan.arms.push_back(MakeArm(indexes[i], *condition));
      score = std::min(score, Score(indexes[i], plan.arms.back()));
    }
    if (score == 0) plan.arms = {Plan::Arm{}};
    plan.ordered = IsOrdered(source, indexes[i], plan, plan.descending);
    score = 2 * score + (plan.ordered && !source.order.empty() ? 1 : 0);
    if (score <= best_score) continue;
    best = std::move(plan);
    best_score = score;
  }
  return best;
}

}  // namespace sagamesh::simulation::mysql
