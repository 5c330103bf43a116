#include "common/text/text.h"

#include <cstdint>
#include <optional>

#include "absl/strings/str_cat.h"
#include "common/status/error.h"

namespace sagamesh {
namespace {

// The number of code points in `text`; nullopt if it is not UTF-8 (RFC 3629) or holds a control character.
std::optional<int> CountPrintable(absl::string_view text) {
  int count = 0;
  for (size_t i = 0; i < text.size(); count++) {
    const auto lead = static_cast<unsigned char>(text[i++]);
    const int tail = lead < 0x80 ? 0 : lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    if ((lead >= 0x80 && lead < 0xC2) || lead > 0xF4 || i + tail > text.size()) return std::nullopt;
    uint32_t code = tail == 0 ? lead : lead & (0x3Fu >> tail);
    for (int k = 0; k < tail; k++) {
      const auto next = static_cast<unsigned char>(text[i++]);
      if ((next & 0xC0) != 0x80) return std::nullopt;
      code = (code << 6) | (next & 0x3F);
    }
    const bool overlong = (tail == 2 && code < 0x800) || (tail == 3 && code < 0x10000);
    const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    const bool control = code < 0x20 || (code >= 0x7F && code < 0xA0);
    if (overlong || surrogate || control || code > 0x10FFFF) return std::nullopt;
  }
  return count;
}

}  // namespace

absl::Status CheckText(absl::string_view domain, absl::string_view field, absl::string_view value, int characters_max) {
  const std::optional<int> characters = CountPrintable(value);
  if (characters.has_value() && *characters >= 1 && *characters <= characters_max) return absl::OkStatus();
  return InvalidField(domain, field, absl::StrCat("must be 1 to ", characters_max, " printable characters"));
}

absl::Status CheckOptionalText(absl::string_view domain, absl::string_view field, absl::string_view value,
                               int characters_max) {
  const std::optional<int> characters = CountPrintable(value);
  if (characters.has_value() && *characters <= characters_max) return absl::OkStatus();
  return InvalidField(domain, field, absl::StrCat("must be at most ", characters_max, " printable characters"));
}

}  // namespace sagamesh
