#include "tests/simulation/mysql/cell.h"

namespace sagamesh::simulation::mysql {

Cell Cell::Of(const sql::Value& value) {
  if (const auto* number = std::get_if<int64_t>(&value)) return Number(*number);
  if (const auto* text = std::get_if<std::string>(&value)) return {Type::kBytes, 0, *text};
  if (const auto* blob = std::get_if<sql::Blob>(&value)) return {Type::kBytes, 0, blob->bytes};
  return {};
}

int Compare(const Cell& a, const Cell& b) {
  if (a.null() || b.null()) return static_cast<int>(b.null()) - static_cast<int>(a.null());
  if (a.type == Cell::Type::kNumber) return a.number < b.number ? -1 : a.number > b.number ? 1 : 0;
  return a.bytes.compare(b.bytes);
}

void AppendKey(const Cell& cell, std::string& key) {
  if (cell.null()) {
    key.push_back('\0');
    return;
  }
  key.push_back(kKeyValueMin);
  if (cell.type == Cell::Type::kNumber) {
    const uint64_t ordered = static_cast<uint64_t>(cell.number) ^ (uint64_t{1} << 63);
    for (int shift = 56; shift >= 0; shift -= 8) key.push_back(static_cast<char>(ordered >> shift));
    return;
  }
  // 00 01 ends the bytes; a 00 among them is 00 ff, so that no value's key begins another's.
  for (const char c : cell.bytes) {
    key.push_back(c);
    if (c == '\0') key.push_back('\xff');
  }
  key.append("\0\x01", 2);
}

}  // namespace sagamesh::simulation::mysql
