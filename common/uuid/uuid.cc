#include "common/uuid/uuid.h"

#include <array>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/hash/sha256.h"

namespace sagamesh {
namespace {

// Sets version and variant and writes the canonical form.
std::string Format(std::string bytes, int version) {
  bytes[6] = static_cast<char>((bytes[6] & 0x0F) | (version << 4));
  bytes[8] = static_cast<char>((bytes[8] & 0x3F) | 0x80);
  const std::string hex = absl::BytesToHexString(bytes);
  const absl::string_view view = hex;
  return absl::StrCat(view.substr(0, 8), "-", view.substr(8, 4), "-", view.substr(12, 4), "-", view.substr(16, 4), "-",
                      view.substr(20));
}

void AppendBigEndian(std::string& bytes, uint64_t value, int count) {
  for (int i = count - 1; i >= 0; i--) bytes.push_back(static_cast<char>(value >> (8 * i)));
}

}  // namespace

std::string MakeUuidV7(absl::Time now, Random& random) {
  std::string bytes;
  AppendBigEndian(bytes, static_cast<uint64_t>(absl::ToUnixMillis(now)), 6);
  AppendBigEndian(bytes, random.Next(), 2);
  AppendBigEndian(bytes, random.Next(), 8);
  return Format(std::move(bytes), 7);
}

std::optional<absl::Time> UuidV7Time(absl::string_view uuid) {
  if (uuid.size() != 36) return std::nullopt;
  uint64_t time_ms = 0;
  for (size_t i = 0; i < uuid.size(); i++) {
    const char c = uuid[i];
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (c != '-') return std::nullopt;
      continue;
    }
    if (!absl::ascii_isdigit(c) && (c < 'a' || c > 'f')) return std::nullopt;
    if (i < 13) time_ms = time_ms << 4 | static_cast<uint64_t>(absl::ascii_isdigit(c) ? c - '0' : c - 'a' + 10);
  }
  const bool variant = uuid[19] == '8' || uuid[19] == '9' || uuid[19] == 'a' || uuid[19] == 'b';
  if (uuid[14] != '7' || !variant) return std::nullopt;
  return absl::FromUnixMillis(static_cast<int64_t>(time_ms));
}

std::string MakeNameUuid(absl::string_view space, absl::string_view name) {
  return Format(Sha256(absl::StrCat(space, absl::string_view("\0", 1), name)).substr(0, 16), 8);
}

std::string MakeTimedNameUuid(absl::string_view space, absl::string_view uuid_v7) {
  constexpr size_t kTimeCharacters = 14;  // 48 bits in hexadecimal, and two dashes
  return absl::StrCat(uuid_v7.substr(0, kTimeCharacters), MakeNameUuid(space, uuid_v7).substr(kTimeCharacters));
}

}  // namespace sagamesh
