#ifndef SAGAMESH_TESTS_SIMULATION_TRACE_H_
#define SAGAMESH_TESTS_SIMULATION_TRACE_H_

#include <concepts>
#include <cstdint>
#include <map>
#include <string>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace sagamesh::simulation {

// A part of a line that only people see; made only where it is printed.
template <typename Text>
struct Shown {
  Text text;  // called for a string
};
template <typename Text>
Shown(Text) -> Shown<Text>;

// A part of a line that only the comparison of two runs sees.
struct Compared {
  absl::string_view bytes;
};

// What happened in a run, a line an event: hashed, so that two runs can be compared, and printed where somebody reads.
// Nothing is formatted for the hash.
class TraceLog {
 public:
  explicit TraceLog(bool print) : print_(print) {}

  // `parts`: text, numbers, Shown, Compared.
  template <typename... Parts>
  void Line(absl::Duration at, absl::string_view who, const Parts&... parts) {
    Mix(static_cast<uint64_t>(absl::ToInt64Nanoseconds(at)));
    Mix(who);
    (Mix(parts), ...);
    if (!print_) return;
    std::string what;
    (Show(what, parts), ...);
    Print(at, who, what);
  }

  uint64_t hash() const { return hash_; }
  bool printing() const { return print_; }

  // `text` with a short name for each UUID: its first letter says of what kind it is, and the number when it was first
  // met.
  std::string Shorten(absl::string_view text);

 private:
  void Mix(uint64_t number) { hash_ = (hash_ ^ number ^ (hash_ >> 29)) * 0x9E3779B97F4A7C15u; }
  template <std::integral Number>
  void Mix(Number number) {
    Mix(static_cast<uint64_t>(number));
  }
  void Mix(absl::string_view bytes);
  void Mix(const std::string& bytes) { Mix(absl::string_view(bytes)); }
  void Mix(const char* bytes) { Mix(absl::string_view(bytes)); }
  void Mix(const Compared& part) { Mix(part.bytes); }
  template <typename Text>
  void Mix(const Shown<Text>&) {}

  template <typename Part>
  static void Show(std::string& what, const Part& part) {
    absl::StrAppend(&what, part);
  }
  static void Show(std::string&, const Compared&) {}
  template <typename Text>
  static void Show(std::string& what, const Shown<Text>& part) {
    absl::StrAppend(&what, part.text());
  }

  void Print(absl::Duration at, absl::string_view who, absl::string_view what);

  const bool print_;
  uint64_t hash_ = 14695981039346656037u;
  std::map<std::string, std::string> names_;  // by UUID
};

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_TRACE_H_
