#ifndef SAGAMESH_TESTS_SIMULATION_MYSQL_CELL_H_
#define SAGAMESH_TESTS_SIMULATION_MYSQL_CELL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/sql/sql.h"

namespace sagamesh::simulation::mysql {

// A row, a value a column.
using Values = std::vector<sql::Value>;

// A value in the middle of a computation. It borrows its bytes from a row, a parameter or a statement.
struct Cell {
  enum class Type : uint8_t { kNull, kNumber, kBytes };

  static Cell Number(int64_t number) { return {Type::kNumber, number, {}}; }
  static Cell Truth(bool truth) { return Number(truth ? 1 : 0); }
  static Cell Of(const sql::Value& value);

  bool null() const { return type == Type::kNull; }
  // As a condition: neither false nor unknown.
  bool holds() const { return type == Type::kNumber && number != 0; }

  Type type = Type::kNull;
  int64_t number = 0;
  absl::string_view bytes;
};

// Below, at or above 0 as `a` is below, at or above `b`; bytes by their values. Both of one type, NULL the least.
int Compare(const Cell& a, const Cell& b);

// Appends to a key: keys compare as strings do as their cells compare one after the other.
void AppendKey(const Cell& cell, std::string& key);
// What follows a key's first cells is at least kKeyRestMin (NULL), at least kKeyValueMin (no NULL), below kKeyRestEnd.
inline constexpr char kKeyValueMin = '\x01';
inline constexpr char kKeyRestEnd = '\xff';

}  // namespace sagamesh::simulation::mysql

#endif  // SAGAMESH_TESTS_SIMULATION_MYSQL_CELL_H_
