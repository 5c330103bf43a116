#include "tests/simulation/mysql/tokens.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace sagamesh::simulation::mysql {
namespace {

bool IsNameChar(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// What is in quotes at the front of `text`, and how many bytes it takes; 0 if the quotes do not close.
size_t ReadQuoted(absl::string_view text, std::string& value) {
  for (size_t i = 1; i < text.size(); i++) {
    if (text[i] == '\'') {
      if (i + 1 >= text.size() || text[i + 1] != '\'') return i + 1;
      i++;
    } else if (text[i] == '\\') {
      return 0;  // nobody needs escapes
    }
    value.push_back(text[i]);
  }
  return 0;
}

size_t SymbolLength(absl::string_view text) {
  for (const absl::string_view two : {"<=", ">=", "<>", "!="}) {
    if (text.substr(0, 2) == two) return 2;
  }
  return absl::string_view("(),.=<>+-*?").find(text[0]) != absl::string_view::npos ? 1 : 0;
}

// The length of the token at the front of `text`, 0 if there is none.
size_t ReadToken(absl::string_view text, Token& token) {
  const bool hex = text.size() > 1 && (text[0] == 'x' || text[0] == 'X') && text[1] == '\'';
  if (text[0] == '\'' || hex) {
    token.kind = hex ? Token::Kind::kBytes : Token::Kind::kText;
    const size_t length = ReadQuoted(text.substr(hex ? 1 : 0), token.value);
    if (!hex || length == 0) return length;
    token.value = absl::HexStringToBytes(token.value);
    return length + 1;
  }
  if (IsNameChar(text[0])) {
    token.kind = absl::ascii_isdigit(static_cast<unsigned char>(text[0])) ? Token::Kind::kNumber : Token::Kind::kWord;
    return static_cast<size_t>(std::find_if_not(text.begin(), text.end(), IsNameChar) - text.begin());
  }
  token.kind = Token::Kind::kSymbol;
  return SymbolLength(text);
}

}  // namespace

absl::StatusOr<std::vector<Token>> Tokenize(absl::string_view text) {
  std::vector<Token> tokens;
  while (true) {
    text = absl::StripLeadingAsciiWhitespace(text);
    Token token;
    if (text.empty()) {
      tokens.push_back(token);
      return tokens;
    }
    const size_t length = ReadToken(text, token);
    if (length == 0) return absl::InternalError(absl::StrCat("cannot be read from here: ", text.substr(0, 40)));
    token.text = text.substr(0, length);
    text.remove_prefix(length);
    tokens.push_back(std::move(token));
  }
}

}  // namespace sagamesh::simulation::mysql
