#include "tests/simulation/mysql/parser.h"

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status/error.h"
#include "tests/simulation/mysql/tokens.h"

namespace sagamesh::simulation::mysql {
namespace {

using Kind = Expression::Kind;

// By recursive descent. The first thing that is not expected ends it: from then on there are no more tokens.
class Parser {
 public:
  Parser(absl::string_view text, std::vector<Token> tokens) : text_(text), tokens_(std::move(tokens)) {}

  absl::StatusOr<Statement> Run() {
    Statement statement;
    if (Accept("SELECT")) {
      statement.what = ReadSelect();
    } else if (Accept("INSERT")) {
      statement.what = ReadInsert();
    } else if (Accept("UPDATE")) {
      statement.what = ReadUpdate();
    } else if (Accept("DELETE")) {
      statement.what = ReadDelete();
    } else if (AcceptAll({"CREATE", "TABLE"})) {
      statement.what = ReadCreateTable();
    } else if (AcceptAll({"CREATE", "INDEX"})) {
      statement.what = ReadCreateIndex();
    } else if (AcceptAll({"ALTER", "TABLE"})) {
      statement.what = ReadAlterTable();
    } else {
      Fail();
    }
    if (Next().kind != Token::Kind::kEnd) Fail();
    if (!error_.ok()) return error_;
    statement.parameters = parameters_;
    return statement;
  }

 private:
  const Token& Next() const { return tokens_[position_]; }
  void Skip() { position_ += Next().kind == Token::Kind::kEnd ? 0 : 1; }
  void Fail() {
    if (error_.ok()) {
      error_ = absl::InternalError(
          absl::StrCat("the simulated MySQL does not know this SQL, from \"", Next().text, "\" on: ", text_));
    }
    position_ = tokens_.size() - 1;
  }

  bool Is(size_t ahead, absl::string_view word) const {
    const size_t at = position_ + ahead;
    if (at >= tokens_.size()) return false;
    const Token& token = tokens_[at];
    return (token.kind == Token::Kind::kWord || token.kind == Token::Kind::kSymbol) &&
           absl::EqualsIgnoreCase(token.text, word);
  }
  bool Accept(absl::string_view word) {
    if (!Is(0, word)) return false;
    Skip();
    return true;
  }
  // All of them or none.
  bool AcceptAll(std::initializer_list<absl::string_view> words) {
    size_t ahead = 0;
    for (const absl::string_view word : words) {
      if (!Is(ahead++, word)) return false;
    }
    position_ += words.size();
    return true;
  }
  void Expect(absl::string_view word) {
    if (!Accept(word)) Fail();
  }
  void ExpectAll(std::initializer_list<absl::string_view> words) {
    for (const absl::string_view word : words) Expect(word);
  }
  std::string ReadName() {
    if (Next().kind != Token::Kind::kWord) {
      Fail();
      return "";
    }
    std::string name(Next().text);
    Skip();
    return name;
  }
  // "(a, b)"
  std::vector<std::string> ReadNames() {
    std::vector<std::string> names;
    Expect("(");
    do names.push_back(ReadName());
    while (Accept(","));
    Expect(")");
    return names;
  }

  // Expressions, from the loosest to the tightest.
  Expression ReadExpression() { return ReadChain(Kind::kOr, "OR", &Parser::ReadAnd); }
  Expression ReadAnd() { return ReadChain(Kind::kAnd, "AND", &Parser::ReadNot); }
  Expression ReadNot();
  Expression ReadComparison();
  Expression ReadSum();
  Expression ReadProduct();
  Expression ReadPrimary();
  Expression ReadCall();
  Expression ReadCase();
  Expression ReadNow();
  Expression ReadChain(Kind kind, absl::string_view word, Expression (Parser::*part)());
  static Expression Make(Kind kind, Expression first) {
    Expression made;
    made.kind = kind;
    made.operands.push_back(std::move(first));
    return made;
  }
  static Expression Make(Kind kind, Expression first, Expression second) {
    Expression made = Make(kind, std::move(first));
    made.operands.push_back(std::move(second));
    return made;
  }
  Expression ReadParameter() {
    Expression parameter;
    parameter.kind = Kind::kParameter;
    parameter.index = parameters_++;
    return parameter;
  }
  Expression ReadColumn() {
    Expression column;
    column.kind = Kind::kColumn;
    column.column = ReadName();
    if (Accept(".")) {
      column.table = std::move(column.column);
      column.column = ReadName();
    }
    return column;
  }
  std::shared_ptr<Select> ReadSubselect() {
    Expect("SELECT");
    auto select = std::make_shared<Select>(ReadSelect());
    Expect(")");
    return select;
  }

  Select ReadSelect();
  void ReadFrom(Source& source);
  void ReadRest(Source& source);
  Insert ReadInsert();
  Insert::Row ReadInsertRow();
  std::vector<Assignment> ReadAssignments();
  Update ReadUpdate();
  Delete ReadDelete();
  CreateTable ReadCreateTable();
  IndexSchema ReadKey();
  CreateIndex ReadCreateIndex();
  AlterTable ReadAlterTable();
  void ReadColumnOf(CreateTable& table);
  void ReadType(Column& column);

  const absl::string_view text_;
  const std::vector<Token> tokens_;
  size_t position_ = 0;
  size_t parameters_ = 0;
  absl::Status error_;
};

Expression Parser::ReadChain(Kind kind, absl::string_view word, Expression (Parser::*part)()) {
  Expression first = (this->*part)();
  if (!Is(0, word)) return first;
  Expression chain = Make(kind, std::move(first));
  while (Accept(word)) chain.operands.push_back((this->*part)());
  return chain;
}

Expression Parser::ReadNot() {
  if (Accept("NOT")) return Make(Kind::kNot, ReadNot());
  if (AcceptAll({"EXISTS", "("})) {
    Expression exists;
    exists.kind = Kind::kExists;
    exists.select = ReadSubselect();
    return exists;
  }
  return ReadComparison();
}

Expression Parser::ReadComparison() {
  Expression left = ReadSum();
  static constexpr std::pair<absl::string_view, Kind> kOperators[] = {
      {"=", Kind::kEqual},   {"<>", Kind::kNotEqual},    {"!=", Kind::kNotEqual},      {"<", Kind::kLess},
      {">", Kind::kGreater}, {"<=", Kind::kLessOrEqual}, {">=", Kind::kGreaterOrEqual}};
  for (const auto& [symbol, kind] : kOperators) {
    if (Accept(symbol)) return Make(kind, std::move(left), ReadSum());
  }
  if (AcceptAll({"IS", "NOT", "NULL"})) return Make(Kind::kIsNotNull, std::move(left));
  if (AcceptAll({"IS", "NULL"})) return Make(Kind::kIsNull, std::move(left));
  const bool negated = AcceptAll({"NOT", "IN", "("});
  if (!negated && !AcceptAll({"IN", "("})) return left;
  Expression in = Make(Kind::kIn, std::move(left));
  if (Is(0, "SELECT")) {
    in.kind = Kind::kInSelect;
    in.select = ReadSubselect();
  } else {
    do in.operands.push_back(ReadSum());
    while (Accept(","));
    Expect(")");
  }
  return negated ? Make(Kind::kNot, std::move(in)) : std::move(in);
}

Expression Parser::ReadSum() {
  Expression sum = ReadProduct();
  while (true) {
    if (Accept("+")) {
      sum = Make(Kind::kAdd, std::move(sum), ReadProduct());
    } else if (Accept("-")) {
      sum = Make(Kind::kSubtract, std::move(sum), ReadProduct());
    } else {
      return sum;
    }
  }
}

Expression Parser::ReadProduct() {
  Expression product = ReadPrimary();
  while (Accept("*")) product = Make(Kind::kMultiply, std::move(product), ReadPrimary());
  return product;
}

Expression Parser::ReadPrimary() {
  if (Accept("?")) return ReadParameter();
  if (Accept("(")) {
    Expression inner = ReadExpression();
    if (Is(0, ",")) {
      inner = Make(Kind::kTuple, std::move(inner));
      while (Accept(",")) inner.operands.push_back(ReadExpression());
    }
    Expect(")");
    return inner;
  }
  if (Accept("CASE")) return ReadCase();
  const Token& token = Next();
  if (token.kind == Token::Kind::kWord && !Is(0, "NULL")) return Is(1, "(") ? ReadCall() : ReadColumn();
  Expression literal;
  const bool negative = Accept("-");
  int64_t number = 0;
  if (Next().kind == Token::Kind::kNumber && absl::SimpleAtoi(Next().text, &number)) {
    literal.literal = negative ? -number : number;
  } else if (token.kind == Token::Kind::kText) {
    literal.literal = token.value;
  } else if (token.kind == Token::Kind::kBytes) {
    literal.literal = sql::Blob{token.value};
  } else if (!Is(0, "NULL")) {
    Fail();
  }
  Skip();
  return literal;
}

Expression Parser::ReadCall() {
  if (Is(0, "CAST")) return ReadNow();
  if (AcceptAll({"COUNT", "(", "*", ")"})) {
    Expression count;
    count.kind = Kind::kCount;
    return count;
  }
  static constexpr std::pair<absl::string_view, Kind> kFunctions[] = {{"COUNT", Kind::kCount},
                                                                      {"SUM", Kind::kSum},
                                                                      {"MIN", Kind::kMin},
                                                                      {"MAX", Kind::kMax},
                                                                      {"VALUES", Kind::kInserted}};
  for (const auto& [name, kind] : kFunctions) {
    if (!AcceptAll({name, "("})) continue;
    Expression call = kind == Kind::kInserted ? ReadColumn() : Make(kind, ReadExpression());
    call.kind = kind;
    Expect(")");
    return call;
  }
  Fail();
  return {};
}

Expression Parser::ReadCase() {
  Expect("WHEN");
  Expression when = ReadExpression();
  Expect("THEN");
  Expression choice = Make(Kind::kCase, std::move(when), ReadExpression());
  if (Accept("ELSE")) choice.operands.push_back(ReadExpression());
  Expect("END");
  return choice;
}

// The clock is read by one expression only, token by token.
Expression Parser::ReadNow() {
  const absl::StatusOr<std::vector<Token>> now = Tokenize(sql::NowMs(sql::Dialect::kMysql));
  for (const Token& token : *now) {
    if (token.kind == Token::Kind::kEnd) break;
    if (Next().text != token.text) Fail();
    Skip();
  }
  Expression expression;
  expression.kind = Kind::kNow;
  return expression;
}

Select Parser::ReadSelect() {
  Select select;
  do select.columns.push_back(ReadExpression());
  while (Accept(","));
  if (Accept("FROM")) {
    ReadFrom(select.from);
    ReadRest(select.from);
  }
  if (AcceptAll({"FOR", "UPDATE"})) {
    select.lock = LockMode::kExclusive;
  } else if (AcceptAll({"LOCK", "IN", "SHARE", "MODE"})) {
    select.lock = LockMode::kShared;
  }
  return select;
}

void Parser::ReadFrom(Source& source) {
  source.name = ReadName();
  source.alias = source.name;
  const bool named = Accept("AS");
  const bool more = Is(0, "FORCE") || Is(0, "WHERE") || Is(0, "ORDER") || Is(0, "LIMIT") || Is(0, "FOR") ||
                    Is(0, "LOCK") || Is(0, "SET");
  if (named || (Next().kind == Token::Kind::kWord && !more)) source.alias = ReadName();
  if (!AcceptAll({"FORCE", "INDEX", "("})) return;
  source.forced_index = ReadName();
  Expect(")");
}

void Parser::ReadRest(Source& source) {
  if (Accept("WHERE")) source.where = ReadExpression();
  if (AcceptAll({"ORDER", "BY"})) {
    do {
      Order order{ReadColumn(), false};
      order.descending = Accept("DESC");
      if (!order.descending) Accept("ASC");
      source.order.push_back(std::move(order));
    } while (Accept(","));
  }
  if (Accept("LIMIT")) source.limit = ReadPrimary();
}

Insert Parser::ReadInsert() {
  Insert insert;
  insert.ignore = Accept("IGNORE");
  Expect("INTO");
  insert.name = ReadName();
  if (Is(0, "(")) insert.columns = ReadNames();
  Expect("VALUES");
  do insert.rows.push_back(ReadInsertRow());
  while (Accept(","));
  if (AcceptAll({"ON", "DUPLICATE", "KEY", "UPDATE"})) insert.on_duplicate = ReadAssignments();
  return insert;
}

Insert::Row Parser::ReadInsertRow() {
  Insert::Row row;
  row.first_parameter = parameters_;
  bool only_parameters = true;
  Expect("(");
  do {
    row.values.push_back(ReadExpression());
    only_parameters = only_parameters && row.values.back().kind == Kind::kParameter;
  } while (Accept(","));
  Expect(")");
  row.width = row.values.size();
  if (only_parameters) row.values = {};
  return row;
}

std::vector<Assignment> Parser::ReadAssignments() {
  std::vector<Assignment> assignments;
  do {
    Assignment assignment;
    assignment.column = ReadName();
    Expect("=");
    assignment.value = ReadExpression();
    assignments.push_back(std::move(assignment));
  } while (Accept(","));
  return assignments;
}

Update Parser::ReadUpdate() {
  Update update;
  ReadFrom(update.source);
  Expect("SET");
  update.assignments = ReadAssignments();
  ReadRest(update.source);
  return update;
}

Delete Parser::ReadDelete() {
  Delete statement;
  Expect("FROM");
  statement.source.name = ReadName();
  statement.source.alias = statement.source.name;
  ReadRest(statement.source);
  return statement;
}

CreateTable Parser::ReadCreateTable() {
  CreateTable table;
  table.if_not_exists = AcceptAll({"IF", "NOT", "EXISTS"});
  table.name = ReadName();
  Expect("(");
  do {
    if (AcceptAll({"PRIMARY", "KEY"})) {
      table.primary_key = ReadNames();
    } else if (Is(0, "KEY") || Is(0, "UNIQUE")) {
      table.indexes.push_back(ReadKey());
    } else {
      ReadColumnOf(table);
    }
  } while (Accept(","));
  Expect(")");
  // Text is compared byte by byte whatever is said here.
  if (AcceptAll({"DEFAULT", "CHARACTER", "SET"})) ReadName();
  if (Accept("COLLATE")) ReadName();
  return table;
}

IndexSchema Parser::ReadKey() {
  IndexSchema index;
  index.unique = Accept("UNIQUE");
  Expect("KEY");
  index.name = ReadName();
  index.columns = ReadNames();
  return index;
}

void Parser::ReadColumnOf(CreateTable& table) {
  Column column;
  column.name = ReadName();
  ReadType(column);
  while (Next().kind == Token::Kind::kWord) {
    if (AcceptAll({"NOT", "NULL"})) {
      column.not_null = true;
    } else if (AcceptAll({"PRIMARY", "KEY"})) {
      table.primary_key = {column.name};
    } else if (Accept("DEFAULT")) {
      column.default_value = ReadPrimary().literal;
    } else if (AcceptAll({"GENERATED", "ALWAYS", "AS", "("})) {
      column.generated = ReadExpression();
      ExpectAll({")", "STORED"});
    } else if (AcceptAll({"CHECK", "("})) {
      table.checks.push_back(ReadExpression());
      Expect(")");
    } else {
      Fail();
    }
  }
  table.columns.push_back(std::move(column));
}

void Parser::ReadType(Column& column) {
  static constexpr std::pair<absl::string_view, Column::Type> kTypes[] = {
      {"INTEGER", Column::Type::kInteger},  {"INT", Column::Type::kInteger},  {"BIGINT", Column::Type::kBigint},
      {"TEXT", Column::Type::kText},        {"VARCHAR", Column::Type::kText}, {"VARBINARY", Column::Type::kBytes},
      {"MEDIUMBLOB", Column::Type::kBytes}, {"BLOB", Column::Type::kBytes}};
  for (const auto& [name, type] : kTypes) {
    if (!Accept(name)) continue;
    column.type = type;
    if (!Accept("(")) return;
    if (!absl::SimpleAtoi(Next().text, &column.length_max)) Fail();
    Skip();
    return Expect(")");
  }
  Fail();
}

CreateIndex Parser::ReadCreateIndex() {
  CreateIndex create;
  create.index.name = ReadName();
  Expect("ON");
  create.table = ReadName();
  create.index.columns = ReadNames();
  return create;
}

AlterTable Parser::ReadAlterTable() {
  AlterTable alter;
  alter.added.name = ReadName();
  do {
    if (AcceptAll({"DROP", "KEY"})) {
      alter.dropped_indexes.push_back(ReadName());
    } else if (AcceptAll({"ADD", "COLUMN"})) {
      ReadColumnOf(alter.added);
    } else {
      Expect("ADD");
      alter.added.indexes.push_back(ReadKey());
    }
  } while (Accept(","));
  return alter;
}

}  // namespace

absl::StatusOr<Statement> Parse(absl::string_view text) {
  SAGAMESH_ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(text));
  return Parser(text, std::move(tokens)).Run();
}

}  // namespace sagamesh::simulation::mysql
