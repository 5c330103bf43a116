#ifndef SAGAMESH_TESTS_SIMULATION_MYSQL_TABLE_H_
#define SAGAMESH_TESTS_SIMULATION_MYSQL_TABLE_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/statusor.h"
#include "tests/simulation/mysql/cell.h"
#include "tests/simulation/mysql/locks.h"
#include "tests/simulation/mysql/statement.h"
#include "tests/simulation/mysql/transaction.h"

namespace sagamesh::simulation::mysql {

class Table;

// A primary key: what is committed under it, and while a transaction has changed it, what that one made of it. Lives as
// long as there is a version, a lock or a request of one.
struct Record {
  Record(Table& table, std::string key) : table(table), key(std::move(key)) {}

  // The row as a transaction sees it, by itself (nullptr: nobody's) and by what is committed; nullptr: there is none.
  const Values* VisibleTo(const Transaction* transaction) const {
    return writer != nullptr && writer == transaction ? current.get() : committed.get();
  }
  // As it is for who has its lock.
  const Values* latest() const { return writer != nullptr ? current.get() : committed.get(); }
  // Whether InnoDB has a record, be it one that is only marked as deleted: who looks at it waits for its lock.
  bool is_there() const { return committed != nullptr || writer != nullptr || marked; }

  Table& table;
  const std::string key;  // encoded, as in the primary index
  std::unique_ptr<Values> committed;
  std::unique_ptr<Values> current;  // the writer's; nullptr: deleted
  Transaction* writer = nullptr;
  bool marked = false;  // deleted, and that is committed
  LockQueue locks;
};

struct Index {
  std::string name;
  std::vector<size_t> columns;
  bool unique = false;
  bool dropped = false;  // stays for the statements under way, and is not chosen any more
  // By the encoded columns, then the primary key. There is an entry for each version that a record has.
  absl::btree_map<std::string, Record*> entries;
};

// Rows and indexes of a table. Whoever changes a record has its exclusive lock.
class Table {
 public:
  // INTERNAL if the schema is contradictory.
  static absl::StatusOr<std::unique_ptr<Table>> Make(CreateTable schema);
  ~Table();
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  const std::string& name() const { return schema_.name; }
  const std::vector<Column>& columns() const { return schema_.columns; }
  std::vector<Column>& columns() { return schema_.columns; }
  // columns().size() if there is none of that name.
  size_t FindColumn(const std::string& name) const;
  // The first is the primary one.
  const std::deque<Index>& indexes() const { return indexes_; }
  std::vector<Expression>& checks() { return schema_.checks; }
  absl::Status AddIndex(const IndexSchema& schema);
  absl::StatusOr<Index*> FindIndex(const std::string& name);
  // Every row gets its default; GenerateAll makes of it what is generated.
  absl::Status AddColumn(const Column& column);
  absl::Status Generate(Values& row) const;
  absl::Status GenerateAll();

  // The encoded primary key of a row; of a table without one, a new number.
  std::string KeyOf(const Values& row);
  // nullptr if there is none, FindOrAdd makes an empty one.
  Record* Find(const std::string& key) const;
  Record& FindOrAdd(const std::string& key);
  // The encoded key of a row in one of the indexes, with that of its record after it.
  static std::string EntryOf(const Index& index, const Values& row, const Record& record);

  // A version that is not committed; nullptr deletes the row.
  void Change(Transaction& transaction, Record& record, std::unique_ptr<Values> next);
  // Takes the transaction's last change back.
  static void UndoLast(Transaction& transaction);
  static void Commit(Transaction& transaction);
  // Once nothing speaks of the record any more it is gone.
  void Forget(Record& record);

 private:
  explicit Table(CreateTable schema) : schema_(std::move(schema)) {}

  void Enter(Record& record, const Values& row);
  // Removes the entries of a version that no other version of the record has as well.
  void Remove(Record& record, const Values& row);

  CreateTable schema_;
  std::deque<Index> indexes_;  // statements under way refer to them
  int64_t next_hidden_key_ = 1;
};

}  // namespace sagamesh::simulation::mysql

#endif  // SAGAMESH_TESTS_SIMULATION_MYSQL_TABLE_H_
