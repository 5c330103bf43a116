#ifndef SAGAMESH_TESTS_SIMULATION_MYSQL_STATEMENT_H_
#define SAGAMESH_TESTS_SIMULATION_MYSQL_STATEMENT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/sql/sql.h"

namespace sagamesh::simulation::mysql {

class Table;
struct Select;

// A statement as parsed from its text. What stands under "bound" is filled in from the tables that there are (bind.h).

struct Expression {
  enum class Kind : uint8_t {
    kLiteral,
    kParameter,
    kColumn,
    kInserted,  // VALUES(column): what the INSERT would have written
    kNow,       // the database's clock in milliseconds
    kNot,
    kAnd,
    kOr,
    kEqual,
    kNotEqual,
    kLess,
    kLessOrEqual,
    kGreater,
    kGreaterOrEqual,
    kIsNull,
    kIsNotNull,
    kIn,        // the first operand is one of the others
    kInSelect,  // the operand is in the one column of `select`
    kExists,
    kTuple,
    kCase,  // the second operand where the first one holds, else the third, or NULL
    kAdd,
    kSubtract,
    kMultiply,
    kCount,  // of all rows, or of those whose operand is not NULL
    kSum,
    kMin,
    kMax,
  };

  Kind kind = Kind::kLiteral;
  std::vector<Expression> operands;
  sql::Value literal;
  std::string table;  // before the column's dot, or ""
  std::string column;
  std::shared_ptr<Select> select;
  size_t index = 0;  // of the parameter; bound: of the column
  // Bound: whose column it is, 0 the table of this very SELECT, UPDATE, DELETE or INSERT, 1 that of the one around it.
  int level = 0;
};

enum class LockMode : uint8_t { kNone, kShared, kExclusive };

// How the rows of a table that a condition holds for are found.
struct Plan {
  // Of conditions joined by AND: what they say of the index's leading columns, and of the one after these.
  struct Arm {
    std::vector<const Expression*> equal;  // kEqual, kIn or kInSelect
    const Expression* low = nullptr;       // kGreater or kGreaterOrEqual
    const Expression* high = nullptr;      // kLess or kLessOrEqual
  };
  size_t index = 0;       // 0 is the primary key
  std::vector<Arm> arms;  // joined by OR
  // The index gives them in the order that is asked for.
  bool ordered = false;
  bool descending = false;
};

struct Order {
  Expression column;
  bool descending = false;
};

// The rows that a statement is about.
struct Source {
  std::string name;  // of the table; "": there is none
  std::string alias;
  std::string forced_index;  // "": none. Whether it is there is all that is asked.
  std::optional<Expression> where;
  std::vector<Order> order;
  std::optional<Expression> limit;
  // Bound.
  Table* table = nullptr;
  Plan plan;
  bool correlated = false;  // depends on a row of the statement around it
};

struct Select {
  std::vector<Expression> columns;
  Source from;
  LockMode lock = LockMode::kNone;
  // Bound.
  bool aggregate = false;
};

struct Assignment {
  std::string column;
  Expression value;
  // Bound.
  size_t target = 0;
};

struct Insert {
  struct Row {
    size_t width = 0;
    size_t first_parameter = 0;
    std::vector<Expression> values;  // none: all are parameters, one after the other
  };
  std::string name;
  std::vector<std::string> columns;  // none: all
  std::vector<Row> rows;
  bool ignore = false;
  std::vector<Assignment> on_duplicate;
  // Bound.
  Table* table = nullptr;
  std::vector<size_t> targets;
};

struct Update {
  Source source;
  std::vector<Assignment> assignments;
};

struct Delete {
  Source source;
};

struct Column {
  enum class Type : uint8_t { kInteger, kBigint, kText, kBytes };

  std::string name;
  Type type = Type::kBigint;
  size_t length_max = 0;  // characters of kText, bytes of kBytes; 0: any
  bool not_null = false;
  std::optional<sql::Value> default_value;
  // Computed of the row's other columns, whenever it is written.
  std::optional<Expression> generated;
};

struct IndexSchema {
  std::string name;
  std::vector<std::string> columns;
  bool unique = false;
};

struct CreateTable {
  std::string name;
  bool if_not_exists = false;
  std::vector<Column> columns;
  std::vector<std::string> primary_key;  // none: rows are told apart by a number that nobody sees
  std::vector<IndexSchema> indexes;
  std::vector<Expression> checks;
};

struct CreateIndex {
  std::string table;
  IndexSchema index;
};

struct AlterTable {
  CreateTable added;  // the table's name, and what columns and indexes there are to be more
  std::vector<std::string> dropped_indexes;
};

struct Statement {
  std::variant<Select, Insert, Update, Delete, CreateTable, CreateIndex, AlterTable> what;
  size_t parameters = 0;
};

}  // namespace sagamesh::simulation::mysql

#endif  // SAGAMESH_TESTS_SIMULATION_MYSQL_STATEMENT_H_
