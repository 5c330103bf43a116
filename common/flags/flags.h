#ifndef SAGAMESH_COMMON_FLAGS_FLAGS_H_
#define SAGAMESH_COMMON_FLAGS_FLAGS_H_

#include <string>

#include "absl/flags/marshalling.h"
#include "absl/strings/string_view.h"

namespace sagamesh {

// Parses the command line by absl flags, taking --some-flag for --some_flag. Ends the process with a message and code 1
// on an unknown flag, a bad value or a positional argument.
void ParseFlags(int argc, char** argv, const char* usage);

// The type of a flag whose value is a T that is not below zero, or (Positive) above it; any other is a bad value.
template <typename T, bool kZeroToo>
class Bounded {
 public:
  constexpr Bounded(T value) : value_(value) {}
  constexpr operator T() const { return value_; }

  friend bool AbslParseFlag(absl::string_view text, Bounded* flag, std::string* error) {
    if (!absl::ParseFlag(text, &flag->value_, error)) return false;
    if (flag->value_ > T{} || (kZeroToo && flag->value_ == T{})) return true;
    *error = kZeroToo ? "must not be negative" : "must be positive";
    return false;
  }
  friend std::string AbslUnparseFlag(const Bounded& flag) { return absl::UnparseFlag<T>(flag.value_); }

 private:
  T value_;
};

template <typename T>
using Positive = Bounded<T, false>;
template <typename T>
using NotNegative = Bounded<T, true>;

}  // namespace sagamesh

#endif  // SAGAMESH_COMMON_FLAGS_FLAGS_H_
