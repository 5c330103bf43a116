#ifndef SAGAMESH_TESTS_SIMULATION_MYSQL_EVALUATOR_H_
#define SAGAMESH_TESTS_SIMULATION_MYSQL_EVALUATOR_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "tests/simulation/mysql/cell.h"
#include "tests/simulation/mysql/statement.h"

namespace sagamesh::simulation::mysql {

// Where the rows of a SELECT within a statement come from.
class Subselects {
 public:
  virtual ~Subselects() = default;
  // Calls `visit` with the first column of each row until it returns false.
  virtual absl::Status Visit(const Select& select, absl::FunctionRef<bool(const Cell&)> visit) = 0;
};

// Computes the expressions of one run of a statement.
class Evaluator {
 public:
  // What is given outlives it.
  Evaluator(Subselects& subselects, absl::Span<const sql::Value> parameters, int64_t now_ms)
      : subselects_(subselects), parameters_(parameters), now_ms_(now_ms) {}

  // NULL where it is unknown, as in SQL, and after an error. The cell is good while the rows are.
  Cell Evaluate(const Expression& expression);
  bool Holds(const std::optional<Expression>& condition) {
    return !condition.has_value() || Evaluate(*condition).holds();
  }
  // The values that an expression of kEqual, kIn or kInSelect allows its first operand.
  std::vector<Cell> Allowed(const Expression& condition);

  // The row of the innermost table, in place of which nullptr stands until there is one.
  void Enter(const Values* row) { rows_.push_back(row); }
  void Leave() { rows_.pop_back(); }
  // What VALUES() means.
  void SetInserted(const Values* row) { inserted_ = row; }

  // The first error: of types that do not go together, or of a SELECT within.
  const absl::Status& error() const { return error_; }
  Cell Fail(absl::Status error);

 private:
  // The rows of a SELECT that does not depend on any other row.
  struct Selected {
    std::set<std::string> keys;
    std::vector<sql::Value> values;
    bool has_null = false;
  };

  Cell Junction(const Expression& expression, bool decisive);
  Cell Comparison(const Expression& expression);
  Cell In(const Expression& expression);
  Cell InSelect(const Expression& expression);
  Cell Exists(const Expression& expression);
  Cell Arithmetic(const Expression& expression);
  // nullopt: unknown.
  std::optional<int> Compare(const Expression& a, const Expression& b);
  const Selected& ValuesOf(const Select& select);

  Subselects& subselects_;
  const absl::Span<const sql::Value> parameters_;
  const int64_t now_ms_;
  std::vector<const Values*> rows_;
  const Values* inserted_ = nullptr;
  std::map<const Select*, Selected> selected_;
  absl::Status error_;
};

}  // namespace sagamesh::simulation::mysql

#endif  // SAGAMESH_TESTS_SIMULATION_MYSQL_EVALUATOR_H_
