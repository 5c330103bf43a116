#include "tests/simulation/mysql/execution.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/error.h"

namespace sagamesh::simulation::mysql {
namespace {

using Kind = Expression::Kind;

sql::Value Copy(const Cell& cell) {
  if (cell.type == Cell::Type::kNumber) return cell.number;
  if (cell.type == Cell::Type::kBytes) return std::string(cell.bytes);
  return {};
}

bool Comes(const std::vector<Order>& orders, const Values& a, const Values& b) {
  for (const Order& order : orders) {
    const int way = Compare(Cell::Of(a[order.column.index]), Cell::Of(b[order.column.index]));
    if (way != 0) return order.descending ? way > 0 : way < 0;
  }
  return false;
}

}  // namespace

Execution::Execution(Session& session, absl::Span<const sql::Value> parameters)
    : session_(session),
      parameters_(parameters),
      evaluator_(*this, parameters, absl::ToUnixMillis(session.server_.clock().Now())) {}

absl::Status Execution::Visit(const Select& select, absl::FunctionRef<bool(const Cell&)> visit) {
  if (select.from.table == nullptr || select.aggregate || select.from.limit.has_value()) {
    return absl::InternalError("a SELECT within that sums up or has a limit");
  }
  return Scan(select.from, subselect_lock_,
              [&](Record&, const Values&) { return visit(evaluator_.Evaluate(select.columns[0])); });
}

absl::Status Execution::Scan(const Source& source, LockMode lock, VisitRow visit) {
  std::vector<Range> ranges = MakeRanges(source, evaluator_);
  if (source.plan.ordered && source.plan.descending) std::reverse(ranges.begin(), ranges.end());
  for (const Range& range : ranges) {
    if (!evaluator_.error().ok()) break;
    bool more = true;
    if (lock == LockMode::kNone) {
      more = ScanRange(source, range, visit);
    } else {
      SAGAMESH_ASSIGN_OR_RETURN(more, ScanRangeLocking(source, range, lock, visit));
    }
    if (!more) break;
  }
  return evaluator_.error();
}

bool Execution::Matches(const Source& source, const Values& row) {
  evaluator_.Enter(&row);
  const bool matches = evaluator_.Holds(source.where);
  evaluator_.Leave();
  return matches;
}

bool Execution::VisitIfVisible(const Source& source, const std::string& entry, Record& record, VisitRow visit) {
  const Values* const row = record.VisibleTo(&session_.transaction_);
  if (row == nullptr) return true;
  // While a record has two versions, an entry may be of the other one.
  const Index& index = source.table->indexes()[source.plan.index];
  if (source.plan.index != 0 && record.writer != nullptr && Table::EntryOf(index, *row, record) != entry) return true;
  evaluator_.Enter(row);
  const bool matches = evaluator_.Holds(source.where);
  const bool more = evaluator_.error().ok() && (!matches || visit(record, *row));
  evaluator_.Leave();
  return more;
}

bool Execution::ScanRange(const Source& source, const Range& range, VisitRow visit) {
  if (range.point) {
    Record* const record = source.table->Find(range.low);
    return record == nullptr || VisitIfVisible(source, range.low, *record, visit);
  }
  const auto& entries = source.table->indexes()[source.plan.index].entries;
  auto it = entries.lower_bound(range.low);
  if (!source.plan.ordered || !source.plan.descending) {
    for (; it != entries.end() && it->first < range.high; ++it) {
      if (!VisitIfVisible(source, it->first, *it->second, visit)) return false;
    }
    return true;
  }
  const auto first = it;
  for (it = entries.lower_bound(range.high); it != first;) {
    --it;
    if (!VisitIfVisible(source, it->first, *it->second, visit)) return false;
  }
  return true;
}

absl::StatusOr<bool> Execution::ScanRangeLocking(const Source& source, const Range& range, LockMode lock,
                                                 VisitRow visit) {
  if (range.point) {
    Record* const record = source.table->Find(range.low);
    if (record == nullptr) return true;
    return LockAndVisit(source, range, range.low, *record, lock, visit);
  }
  const auto& entries = source.table->indexes()[source.plan.index].entries;
  const bool descending = source.plan.ordered && source.plan.descending;
  // While it waits, entries come and go: it goes on from where it was.
  std::string at = descending ? range.high : range.low;
  for (bool first = true;; first = false) {
    auto it = descending || first ? entries.lower_bound(at) : entries.upper_bound(at);
    if (descending && it == entries.begin()) return true;
    if (descending) --it;
    if (it == entries.end() || it->first < range.low || it->first >= range.high) return true;
    at = it->first;
    SAGAMESH_ASSIGN_OR_RETURN(const bool more, LockAndVisit(source, range, at, *it->second, lock, visit));
    if (!more) return false;
  }
}

absl::StatusOr<bool> Execution::LockAndVisit(const Source& source, const Range& range, const std::string& entry,
                                             Record& record, LockMode lock, VisitRow visit) {
  Transaction& transaction = session_.transaction_;
  if (!record.is_there() || (record.writer == &transaction && record.current == nullptr)) return true;
  if (skips_locked_ && source.plan.index == 0 && !range.point && MustWait(transaction, record, lock)) {
    if (record.committed == nullptr || !Matches(source, *record.committed)) return evaluator_.error().ok();
  }
  bool fresh = false;
  SAGAMESH_RETURN_IF_ERROR(session_.Lock(record, lock, fresh));
  const Values* const row = record.latest();
  const Index& index = source.table->indexes()[source.plan.index];
  bool matches = row != nullptr && (source.plan.index == 0 || Table::EntryOf(index, *row, record) == entry);
  bool more = true;
  if (matches) {
    evaluator_.Enter(row);
    matches = evaluator_.Holds(source.where);
    more = evaluator_.error().ok() && (!matches || visit(record, *row));
    evaluator_.Leave();
  }
  SAGAMESH_RETURN_IF_ERROR(evaluator_.error());
  // InnoDB lets go what does not match, but keeps what it has waited for, unless one key was asked for and is gone.
  const bool keeps = range.point ? row != nullptr && (!fresh || keeps_points_) : !fresh && record.is_there();
  if (!matches && !keeps) Release(transaction, record, lock);
  return more;
}

absl::StatusOr<int64_t> Execution::LimitOf(const Source& source) {
  if (!source.limit.has_value()) return std::numeric_limits<int64_t>::max();
  const Cell limit = evaluator_.Evaluate(*source.limit);
  if (limit.type != Cell::Type::kNumber || limit.number < 0) return absl::InternalError("a LIMIT that is no number");
  return limit.number;
}

absl::StatusOr<std::vector<Execution::Found>> Execution::Find(const Source& source, LockMode lock) {
  SAGAMESH_ASSIGN_OR_RETURN(const int64_t limit, LimitOf(source));
  std::vector<Found> found;
  if (limit == 0) return found;
  const bool sorted = source.plan.ordered || source.order.empty();
  SAGAMESH_RETURN_IF_ERROR(Scan(source, lock, [&](Record& record, const Values& row) {
    found.push_back({&record, &row});
    return !sorted || static_cast<int64_t>(found.size()) < limit;
  }));
  if (!sorted) {
    std::stable_sort(found.begin(), found.end(),
                     [&](const Found& a, const Found& b) { return Comes(source.order, *a.row, *b.row); });
  }
  if (static_cast<int64_t>(found.size()) > limit) found.resize(static_cast<size_t>(limit));
  return found;
}

sql::Row Execution::Project(const Select& select) {
  std::vector<sql::Value> values;
  values.reserve(select.columns.size());
  for (const Expression& column : select.columns) values.push_back(Copy(evaluator_.Evaluate(column)));
  return sql::Row(std::move(values));
}

absl::StatusOr<std::vector<sql::Row>> Execution::Run(const Select& select) {
  if (select.aggregate) return Aggregate(select);
  std::vector<Found> found(1);
  if (select.from.table != nullptr) {
    keeps_points_ = select.from.plan.arms.size() == 1;
    SAGAMESH_ASSIGN_OR_RETURN(found, Find(select.from, select.lock));
  }
  std::vector<sql::Row> rows;
  rows.reserve(found.size());
  for (const Found& row : found) {
    evaluator_.Enter(row.row);
    rows.push_back(Project(select));
    evaluator_.Leave();
  }
  SAGAMESH_RETURN_IF_ERROR(evaluator_.error());
  return rows;
}

absl::StatusOr<std::vector<sql::Row>> Execution::Aggregate(const Select& select) {
  Values results(select.columns.size());
  for (size_t i = 0; i < results.size(); i++) {
    if (select.columns[i].kind == Kind::kCount) results[i] = int64_t{0};
  }
  SAGAMESH_RETURN_IF_ERROR(Scan(select.from, select.lock, [&](Record&, const Values&) {
    for (size_t i = 0; i < results.size(); i++) {
      const Expression& column = select.columns[i];
      const Cell cell = column.operands.empty() ? Cell::Number(1) : evaluator_.Evaluate(column.operands[0]);
      if (cell.null()) continue;
      const Cell so_far = Cell::Of(results[i]);
      if (column.kind == Kind::kCount) {
        results[i] = so_far.number + 1;
      } else if (column.kind == Kind::kSum) {
        if (cell.type != Cell::Type::kNumber) evaluator_.Fail(absl::InternalError("a sum of text"));
        results[i] = so_far.number + cell.number;
      } else if (so_far.null() || (Compare(cell, so_far) < 0) == (column.kind == Kind::kMin)) {
        results[i] = Copy(cell);
      }
    }
    return true;
  }));
  std::vector<sql::Row> rows;
  rows.emplace_back(std::move(results));
  return rows;
}

}  // namespace sagamesh::simulation::mysql
