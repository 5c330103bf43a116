#include "tests/simulation/trace.h"

#include <cstdio>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"

namespace sagamesh::simulation {
namespace {

constexpr size_t kUuidBytes = 36;
constexpr size_t kVersionAt = 14;

bool IsUuid(absl::string_view text) {
  for (size_t i = 0; i < kUuidBytes; i++) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !absl::ascii_isxdigit(static_cast<unsigned char>(text[i]))) return false;
  }
  return true;
}

}  // namespace

void TraceLog::Mix(absl::string_view bytes) {
  Mix(static_cast<uint64_t>(bytes.size()));
  for (; bytes.size() >= sizeof(uint64_t); bytes.remove_prefix(sizeof(uint64_t))) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data(), sizeof(word));
    Mix(word);
  }
  uint64_t rest = 0;
  std::memcpy(&rest, bytes.data(), bytes.size());
  Mix(rest);
}

std::string TraceLog::Shorten(absl::string_view text) {
  std::string shorter;
  while (text.size() >= kUuidBytes) {
    if (!IsUuid(text.substr(0, kUuidBytes))) {
      shorter += text[0];
      text.remove_prefix(1);
      continue;
    }
    std::string& name = names_[std::string(text.substr(0, kUuidBytes))];
    // Sagas and owners of leases have the seventh version, orders that a saga made have another.
    if (name.empty()) name = absl::StrCat(text[kVersionAt] == '7' ? "s" : "o", names_.size());
    shorter += name;
    text.remove_prefix(kUuidBytes);
  }
  return shorter.append(text.data(), text.size());
}

void TraceLog::Print(absl::Duration at, absl::string_view who, absl::string_view what) {
  std::printf("%10.3f  %-13s  %s\n", absl::ToDoubleMilliseconds(at), std::string(who).c_str(), Shorten(what).c_str());
}

}  // namespace sagamesh::simulation
