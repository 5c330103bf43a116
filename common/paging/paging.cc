#include "common/paging/paging.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/status/error.h"

namespace sagamesh {
namespace {

constexpr char kSeparator[] = "\n";  // no id, sku or filter holds one

}  // namespace

absl::StatusOr<int> PageSize(absl::string_view domain, int requested) {
  if (requested < 0 || requested > kPageSizeMax) {
    return InvalidField(domain, "page_size", absl::StrCat("must be between 0 and ", kPageSizeMax));
  }
  return requested == 0 ? kPageSizeDefault : requested;
}

std::string MakePageToken(absl::string_view list, const std::vector<std::string>& position) {
  return absl::WebSafeBase64Escape(absl::StrCat(list, kSeparator, absl::StrJoin(position, kSeparator)));
}

absl::StatusOr<std::vector<std::string>> ReadPageToken(absl::string_view domain, absl::string_view field,
                                                       absl::string_view list, size_t parts, absl::string_view token) {
  if (token.empty()) return std::vector<std::string>(parts);
  std::string text;
  if (!absl::WebSafeBase64Unescape(token, &text)) return InvalidField(domain, field, "is not a token of this list");
  std::vector<std::string> position = absl::StrSplit(text, kSeparator);
  if (position.size() != parts + 1 || position[0] != list) {
    return InvalidField(domain, field, "is not a token of this list");
  }
  position.erase(position.begin());
  return position;
}

}  // namespace sagamesh
