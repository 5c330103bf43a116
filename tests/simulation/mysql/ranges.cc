#include "tests/simulation/mysql/ranges.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/simulation/mysql/table.h"

namespace sagamesh::simulation::mysql {
namespace {

using Kind = Expression::Kind;

// Whether a value can be one of the column's; NULL is none. Another type is an error.
bool Fits(const Column& column, const Cell& cell, Evaluator& evaluator) {
  if (cell.null()) return false;
  const bool number = column.type == Column::Type::kInteger || column.type == Column::Type::kBigint;
  if (number == (cell.type == Cell::Type::kNumber)) return true;
  evaluator.Fail(absl::InternalError(absl::StrCat("the column ", column.name, " is compared with another type")));
  return false;
}

// Narrows what begins with `prefix` down to what the arm says of the next column. False: nothing is left.
bool Narrow(const Plan::Arm& arm, const Column& column, Evaluator& evaluator, Range& range) {
  const std::string prefix = range.low;
  if (arm.low != nullptr) {
    const Cell low = evaluator.Evaluate(arm.low->operands[1]);
    if (!Fits(column, low, evaluator)) return false;
    AppendKey(low, range.low);
    if (arm.low->kind == Kind::kGreater) range.low.push_back(kKeyRestEnd);
  } else if (arm.high != nullptr) {
    range.low.push_back(kKeyValueMin);
  }
  range.high = prefix;
  if (arm.high == nullptr) {
    range.high.push_back(kKeyRestEnd);
    return true;
  }
  const Cell high = evaluator.Evaluate(arm.high->operands[1]);
  if (!Fits(column, high, evaluator)) return false;
  AppendKey(high, range.high);
  if (arm.high->kind == Kind::kLessOrEqual) range.high.push_back(kKeyRestEnd);
  return range.low < range.high;
}

void AddRanges(const Source& source, const Plan::Arm& arm, Evaluator& evaluator, std::vector<Range>& ranges) {
  const Index& index = source.table->indexes()[source.plan.index];
  const std::vector<Column>& columns = source.table->columns();
  std::vector<std::string> prefixes = {""};
  for (size_t i = 0; i < arm.equal.size(); i++) {
    std::vector<std::string> longer;
    for (const Cell& cell : evaluator.Allowed(*arm.equal[i])) {
      if (!Fits(columns[index.columns[i]], cell, evaluator)) continue;
      for (const std::string& prefix : prefixes) AppendKey(cell, longer.emplace_back(prefix));
    }
    prefixes = std::move(longer);
  }
  const bool whole = arm.equal.size() == index.columns.size();
  for (std::string& prefix : prefixes) {
    Range range{.low = std::move(prefix), .point = whole && source.plan.index == 0 && !index.columns.empty()};
    if (whole) {
      range.high = range.low;
      range.high.push_back(kKeyRestEnd);
    } else if (!Narrow(arm, columns[index.columns[arm.equal.size()]], evaluator, range)) {
      continue;
    }
    ranges.push_back(std::move(range));
  }
}

}  // namespace

std::vector<Range> MakeRanges(const Source& source, Evaluator& evaluator) {
  std::vector<Range> ranges;
  evaluator.Enter(nullptr);
  for (const Plan::Arm& arm : source.plan.arms) AddRanges(source, arm, evaluator, ranges);
  evaluator.Leave();
  if (ranges.size() < 2) return ranges;
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.low < b.low; });
  size_t last = 0;
  for (size_t i = 1; i < ranges.size(); i++) {
    if (ranges[i].low >= ranges[last].high) {
      if (++last != i) ranges[last] = std::move(ranges[i]);
      continue;
    }
    ranges[last].point = ranges[last].point && ranges[i].point;  // the same one
    if (ranges[i].high > ranges[last].high) ranges[last].high = std::move(ranges[i].high);
  }
  ranges.resize(last + 1);
  return ranges;
}

}  // namespace sagamesh::simulation::mysql
