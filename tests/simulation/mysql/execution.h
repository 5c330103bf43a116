#ifndef SAGAMESH_TESTS_SIMULATION_MYSQL_EXECUTION_H_
#define SAGAMESH_TESTS_SIMULATION_MYSQL_EXECUTION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "tests/simulation/mysql/evaluator.h"
#include "tests/simulation/mysql/ranges.h"
#include "tests/simulation/mysql/server.h"

namespace sagamesh::simulation::mysql {

// One run of one statement.
class Execution final : private Subselects {
 public:
  Execution(Session& session, absl::Span<const sql::Value> parameters);

  absl::StatusOr<std::vector<sql::Row>> Run(const Select& select);
  // How many rows were found, or inserted; 2 for one that an INSERT changed.
  absl::StatusOr<int64_t> Run(const Insert& insert);
  absl::StatusOr<int64_t> Run(const Update& update);
  absl::StatusOr<int64_t> Run(const Delete& statement);

 private:
  // A row that a condition holds for. True: go on.
  using VisitRow = absl::FunctionRef<bool(Record&, const Values&)>;
  struct Found {
    Record* record;
    const Values* row;
  };

  absl::Status Visit(const Select& select, absl::FunctionRef<bool(const Cell&)> visit) override;

  // Calls `visit` for the rows of a source in the order of its plan, while the evaluator stands on them.
  absl::Status Scan(const Source& source, LockMode lock, VisitRow visit);
  // True: go on.
  bool ScanRange(const Source& source, const Range& range, VisitRow visit);
  bool VisitIfVisible(const Source& source, const std::string& entry, Record& record, VisitRow visit);
  absl::StatusOr<bool> ScanRangeLocking(const Source& source, const Range& range, LockMode lock, VisitRow visit);
  absl::StatusOr<bool> LockAndVisit(const Source& source, const Range& range, const std::string& entry, Record& record,
                                    LockMode lock, VisitRow visit);
  // The rows of a source in its order, no more than its limit.
  absl::StatusOr<std::vector<Found>> Find(const Source& source, LockMode lock);
  absl::StatusOr<int64_t> LimitOf(const Source& source);
  bool Matches(const Source& source, const Values& row);

  absl::StatusOr<std::vector<sql::Row>> Aggregate(const Select& select);
  sql::Row Project(const Select& select);

  absl::StatusOr<int64_t> InsertRow(const Insert& insert, std::unique_ptr<Values> row);
  absl::StatusOr<std::unique_ptr<Values>> MakeRow(const Insert& insert, const Insert::Row& given);
  // The record that has one of the row's unique keys, locked; or `own`, that of its primary key, for the row to go to.
  absl::StatusOr<Record*> FindTaken(const Insert& insert, const Values& row, Record& own, LockMode lock);
  // True: there was something to change.
  absl::StatusOr<bool> Assign(const std::vector<Assignment>& assignments, Record& record);
  absl::Status CheckRow(Table& table, const Values& row);

  Session& session_;
  const absl::Span<const sql::Value> parameters_;
  Evaluator evaluator_;
  LockMode subselect_lock_ = LockMode::kNone;
  // A SELECT of one primary key, which is read before its condition is looked at: the row stays locked anyway.
  bool keeps_points_ = false;
  bool skips_locked_ = false;  // an UPDATE, which does not wait for what its condition does not hold for as committed
};

}  // namespace sagamesh::simulation::mysql

#endif  // SAGAMESH_TESTS_SIMULATION_MYSQL_EXECUTION_H_
