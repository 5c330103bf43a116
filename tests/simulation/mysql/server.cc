#include "tests/simulation/mysql/server.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/error.h"
#include "tests/simulation/mysql/execution.h"
#include "tests/simulation/mysql/locks.h"
#include "tests/simulation/mysql/parser.h"

namespace sagamesh::simulation::mysql {
namespace {

absl::Status NotHere(absl::string_view text) {
  return absl::InternalError(absl::StrCat("this call does not take such a statement: ", text));
}

// Whoever waits on the transaction's behalf learns of it by `doomed`.
void RollBack(Transaction& transaction) {
  while (!transaction.undo.empty()) Table::UndoLast(transaction);
  ReleaseAll(transaction);
  if (!transaction.waits) return;
  transaction.doomed = true;
  transaction.waiter.Wake();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Statement>> Server::Prepare(absl::string_view text) {
  const auto found = statements_.find(text);
  if (found != statements_.end()) return found->second;
  SAGAMESH_ASSIGN_OR_RETURN(Statement parsed, Parse(text));
  // What is bound refers to itself, so it has its place first.
  auto statement = std::make_shared<Statement>(std::move(parsed));
  if (const absl::Status status = Bind(tables_, *statement); !status.ok()) {
    return absl::InternalError(absl::StrCat(status.message(), ": ", text));
  }
  statements_.emplace(std::string(text), statement);
  return statement;
}

absl::Status Server::Create(const CreateTable& schema) {
  if (tables_.contains(schema.name)) {
    return schema.if_not_exists ? absl::OkStatus() : absl::InternalError("the table is there already");
  }
  SAGAMESH_ASSIGN_OR_RETURN(std::unique_ptr<Table> table, Table::Make(schema));
  SAGAMESH_RETURN_IF_ERROR(BindOwn(*table));
  tables_.emplace(schema.name, std::move(table));
  return absl::OkStatus();
}

absl::Status Server::Create(const CreateIndex& schema) {
  const auto found = tables_.find(schema.table);
  if (found == tables_.end()) return absl::InternalError("there is no such table");
  statements_.clear();  // they may be found better now
  return found->second->AddIndex(schema.index);
}

absl::Status Server::Alter(const AlterTable& alter) {
  const auto found = tables_.find(alter.added.name);
  if (found == tables_.end()) return absl::InternalError("there is no such table");
  statements_.clear();  // whoever means all columns means new ones too
  Table& table = *found->second;
  for (const Column& column : alter.added.columns) SAGAMESH_RETURN_IF_ERROR(table.AddColumn(column));
  SAGAMESH_RETURN_IF_ERROR(BindOwn(table));
  SAGAMESH_RETURN_IF_ERROR(table.GenerateAll());
  for (const IndexSchema& index : alter.added.indexes) SAGAMESH_RETURN_IF_ERROR(table.AddIndex(index));
  for (const std::string& name : alter.dropped_indexes) {
    SAGAMESH_ASSIGN_OR_RETURN(Index* const index, table.FindIndex(name));
    index->dropped = true;
  }
  return absl::OkStatus();
}

absl::Status Session::Begin() {
  if (begun_) return absl::InternalError("BEGIN in a transaction");
  begun_ = open_ = true;
  return absl::OkStatus();
}

absl::Status Session::Commit() {
  if (!begun_) return absl::InternalError("COMMIT without a transaction");
  CommitNow();
  begun_ = false;
  return absl::OkStatus();
}

absl::Status Session::Rollback() {
  Abort();
  return absl::OkStatus();
}

void Session::Abort() {
  RollBack(transaction_);
  begun_ = open_ = false;
}

void Session::CommitNow() {
  Table::Commit(transaction_);
  ReleaseAll(transaction_);
  open_ = false;
}

// Keys that the statement alone has made are let go with them.
void Session::UndoTo(size_t changes) {
  while (transaction_.undo.size() > changes) {
    Record& record = *transaction_.undo.back().record;
    Table::UndoLast(transaction_);
    if (record.committed == nullptr && record.writer == nullptr) Release(transaction_, record);
  }
}

absl::Status Session::Lock(Record& record, LockMode mode, bool& fresh) {
  const LockResult result = Acquire(transaction_, record, mode);
  fresh = result == LockResult::kGranted;
  if (result != LockResult::kWaits) return absl::OkStatus();
  LockCounts& counts = server_.lock_counts_;
  counts.waits++;
  while (Transaction* const victim = FindVictim(transaction_)) {
    counts.deadlocks++;
    if (victim == &transaction_) {
      Abort();
      return absl::AbortedError("deadlock");
    }
    RollBack(*victim);
  }
  transaction_.waits = true;
  const bool ended = transaction_.waiter.Wait([this] { return transaction_.awaited == nullptr; });
  transaction_.waits = false;
  if (std::exchange(transaction_.doomed, false)) {
    begun_ = open_ = false;
    return absl::AbortedError("rolled back while it waited for a lock");
  }
  if (ended) return absl::OkStatus();
  counts.timeouts++;
  Abort();
  return absl::AbortedError("waited too long for a lock");
}

template <typename Result, typename Call>
absl::StatusOr<Result> Session::Run(absl::string_view text, absl::Span<const sql::Value> parameters, Call call) {
  SAGAMESH_ASSIGN_OR_RETURN(const std::shared_ptr<const Statement> statement, server_.Prepare(text));
  if (statement->parameters != parameters.size()) {
    return absl::InternalError(absl::StrCat("another number of parameters than in: ", text));
  }
  const bool alone = !open_;
  const size_t changes = transaction_.undo.size();
  Execution execution(*this, parameters);
  absl::StatusOr<Result> result = call(execution, *statement);
  if (!result.ok() && !absl::IsAborted(result.status())) UndoTo(changes);
  if (alone) CommitNow();  // after an error there is nothing but locks
  return result;
}

absl::StatusOr<int64_t> Session::Execute(absl::string_view text, absl::Span<const sql::Value> parameters) {
  return Run<int64_t>(text, parameters,
                      [&](Execution& execution, const Statement& statement) -> absl::StatusOr<int64_t> {
                        if (const auto* insert = std::get_if<Insert>(&statement.what)) return execution.Run(*insert);
                        if (const auto* update = std::get_if<Update>(&statement.what)) return execution.Run(*update);
                        if (const auto* erase = std::get_if<Delete>(&statement.what)) return execution.Run(*erase);
                        if (std::holds_alternative<Select>(statement.what)) return NotHere(text);
                        return RunSchemaChange(statement);
                      });
}

absl::StatusOr<std::vector<sql::Row>> Session::Query(absl::string_view text, absl::Span<const sql::Value> parameters) {
  using Rows = std::vector<sql::Row>;
  return Run<Rows>(text, parameters, [&](Execution& execution, const Statement& statement) -> absl::StatusOr<Rows> {
    const auto* select = std::get_if<Select>(&statement.what);
    if (select == nullptr) return NotHere(text);
    return execution.Run(*select);
  });
}

// As MySQL does, it commits what is open.
absl::StatusOr<int64_t> Session::RunSchemaChange(const Statement& statement) {
  CommitNow();
  absl::Status status;
  if (const auto* table = std::get_if<CreateTable>(&statement.what)) status = server_.Create(*table);
  if (const auto* index = std::get_if<CreateIndex>(&statement.what)) status = server_.Create(*index);
  if (const auto* alter = std::get_if<AlterTable>(&statement.what)) status = server_.Alter(*alter);
  if (!status.ok()) return status;
  return 0;
}

}  // namespace sagamesh::simulation::mysql
