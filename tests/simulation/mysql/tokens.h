#ifndef SAGAMESH_TESTS_SIMULATION_MYSQL_TOKENS_H_
#define SAGAMESH_TESTS_SIMULATION_MYSQL_TOKENS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sagamesh::simulation::mysql {

struct Token {
  enum class Kind : uint8_t { kWord, kNumber, kText, kBytes, kSymbol, kEnd };

  Kind kind = Kind::kEnd;
  absl::string_view text;  // as written
  std::string value;       // of kText and kBytes: without quotes and escapes
};

// The tokens of a statement, with kEnd as the last. INTERNAL if there is anything that is none. They borrow the text.
absl::StatusOr<std::vector<Token>> Tokenize(absl::string_view text);

}  // namespace sagamesh::simulation::mysql

#endif  // SAGAMESH_TESTS_SIMULATION_MYSQL_TOKENS_H_
