#include "tests/simulation/mysql/evaluator.h"

#include <utility>

namespace sagamesh::simulation::mysql {
namespace {

using Kind = Expression::Kind;

sql::Value ToValue(const Cell& cell) {
  if (cell.type == Cell::Type::kNumber) return cell.number;
  if (cell.type == Cell::Type::kBytes) return std::string(cell.bytes);
  return {};
}

bool Decide(Kind kind, int order) {
  switch (kind) {
    case Kind::kEqual:
      return order == 0;
    case Kind::kNotEqual:
      return order != 0;
    case Kind::kLess:
      return order < 0;
    case Kind::kLessOrEqual:
      return order <= 0;
    case Kind::kGreater:
      return order > 0;
    default:
      return order >= 0;
  }
}

}  // namespace

Cell Evaluator::Fail(absl::Status error) {
  if (error_.ok()) error_ = std::move(error);
  return {};
}

Cell Evaluator::Evaluate(const Expression& expression) {
  switch (expression.kind) {
    case Kind::kLiteral:
      return Cell::Of(expression.literal);
    case Kind::kParameter:
      return Cell::Of(parameters_[expression.index]);
    case Kind::kColumn:
      return Cell::Of((*rows_[rows_.size() - 1 - static_cast<size_t>(expression.level)])[expression.index]);
    case Kind::kInserted:
      if (inserted_ == nullptr) return Fail(absl::InternalError("VALUES() outside of an INSERT"));
      return Cell::Of((*inserted_)[expression.index]);
    case Kind::kNow:
      return Cell::Number(now_ms_);
    case Kind::kNot: {
      const Cell cell = Evaluate(expression.operands[0]);
      return cell.null() ? Cell{} : Cell::Truth(!cell.holds());
    }
    case Kind::kAnd:
      return Junction(expression, false);
    case Kind::kOr:
      return Junction(expression, true);
    case Kind::kIsNull:
      return Cell::Truth(Evaluate(expression.operands[0]).null());
    case Kind::kIsNotNull:
      return Cell::Truth(!Evaluate(expression.operands[0]).null());
    case Kind::kIn:
      return In(expression);
    case Kind::kInSelect:
      return InSelect(expression);
    case Kind::kExists:
      return Exists(expression);
    case Kind::kCase: {
      const size_t chosen = Evaluate(expression.operands[0]).holds() ? 1 : 2;
      return chosen < expression.operands.size() ? Evaluate(expression.operands[chosen]) : Cell{};
    }
    case Kind::kAdd:
    case Kind::kSubtract:
    case Kind::kMultiply:
      return Arithmetic(expression);
    case Kind::kTuple:
    case Kind::kCount:
    case Kind::kSum:
    case Kind::kMin:
    case Kind::kMax:
      return Fail(absl::InternalError("a tuple or a sum where a value is wanted"));
    default:
      return Comparison(expression);
  }
}

// AND ends at what is false, OR at what is true.
Cell Evaluator::Junction(const Expression& expression, bool decisive) {
  bool unknown = false;
  for (const Expression& operand : expression.operands) {
    const Cell cell = Evaluate(operand);
    if (!error_.ok()) return {};
    if (cell.null()) {
      unknown = true;
    } else if (cell.holds() == decisive) {
      return Cell::Truth(decisive);
    }
  }
  return unknown ? Cell{} : Cell::Truth(!decisive);
}

std::optional<int> Evaluator::Compare(const Expression& a, const Expression& b) {
  if ((a.kind == Kind::kTuple) != (b.kind == Kind::kTuple) || a.operands.size() != b.operands.size()) {
    if (a.kind == Kind::kTuple || b.kind == Kind::kTuple) {
      Fail(absl::InternalError("tuples of different sizes are compared"));
      return std::nullopt;
    }
  }
  if (a.kind == Kind::kTuple) {
    for (size_t i = 0; i < a.operands.size(); i++) {
      const std::optional<int> order = Compare(a.operands[i], b.operands[i]);
      if (order != 0) return order;
    }
    return 0;
  }
  const Cell left = Evaluate(a);
  const Cell right = Evaluate(b);
  if (left.null() || right.null()) return std::nullopt;
  if (left.type != right.type) {
    Fail(absl::InternalError("a number is compared with text"));
    return std::nullopt;
  }
  return mysql::Compare(left, right);
}

Cell Evaluator::Comparison(const Expression& expression) {
  const std::optional<int> order = Compare(expression.operands[0], expression.operands[1]);
  return order.has_value() ? Cell::Truth(Decide(expression.kind, *order)) : Cell{};
}

Cell Evaluator::In(const Expression& expression) {
  bool unknown = false;
  for (size_t i = 1; i < expression.operands.size(); i++) {
    const std::optional<int> order = Compare(expression.operands[0], expression.operands[i]);
    if (order == 0) return Cell::Truth(true);
    unknown = unknown || !order.has_value();
  }
  return unknown ? Cell{} : Cell::Truth(false);
}

const Evaluator::Selected& Evaluator::ValuesOf(const Select& select) {
  const auto [found, added] = selected_.try_emplace(&select);
  Selected& selected = found->second;
  if (!added && !select.from.correlated) return selected;
  selected = {};
  const absl::Status status = subselects_.Visit(select, [&](const Cell& cell) {
    selected.has_null = selected.has_null || cell.null();
    std::string key;
    AppendKey(cell, key);
    if (!cell.null() && selected.keys.insert(std::move(key)).second) selected.values.push_back(ToValue(cell));
    return true;
  });
  if (!status.ok()) Fail(status);
  return selected;
}

Cell Evaluator::InSelect(const Expression& expression) {
  const Cell cell = Evaluate(expression.operands[0]);
  if (cell.null()) return {};
  const Selected& selected = ValuesOf(*expression.select);
  std::string key;
  AppendKey(cell, key);
  if (selected.keys.contains(key)) return Cell::Truth(true);
  return selected.has_null ? Cell{} : Cell::Truth(false);
}

Cell Evaluator::Exists(const Expression& expression) {
  bool exists = false;
  const absl::Status status = subselects_.Visit(*expression.select, [&](const Cell&) {
    exists = true;
    return false;
  });
  return status.ok() ? Cell::Truth(exists) : Fail(status);
}

Cell Evaluator::Arithmetic(const Expression& expression) {
  const Cell left = Evaluate(expression.operands[0]);
  const Cell right = Evaluate(expression.operands[1]);
  if (left.null() || right.null()) return {};
  int64_t result = 0;
  bool overflow = left.type != Cell::Type::kNumber || right.type != Cell::Type::kNumber;
  if (expression.kind == Kind::kAdd) {
    overflow = overflow || __builtin_add_overflow(left.number, right.number, &result);
  } else if (expression.kind == Kind::kSubtract) {
    overflow = overflow || __builtin_sub_overflow(left.number, right.number, &result);
  } else {
    overflow = overflow || __builtin_mul_overflow(left.number, right.number, &result);
  }
  if (overflow) return Fail(absl::InternalError("a computation with text, or with numbers too large"));
  return Cell::Number(result);
}

std::vector<Cell> Evaluator::Allowed(const Expression& condition) {
  std::vector<Cell> cells;
  if (condition.kind == Kind::kInSelect) {
    for (const sql::Value& value : ValuesOf(*condition.select).values) cells.push_back(Cell::Of(value));
    return cells;
  }
  for (size_t i = 1; i < condition.operands.size(); i++) cells.push_back(Evaluate(condition.operands[i]));
  return cells;
}

}  // namespace sagamesh::simulation::mysql
