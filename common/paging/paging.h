#ifndef SAGAMESH_COMMON_PAGING_PAGING_H_
#define SAGAMESH_COMMON_PAGING_PAGING_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sagamesh {

// Keyset pages: a token holds where the last page ended, and of which list; it is opaque to clients.

inline constexpr int kPageSizeDefault = 50;
inline constexpr int kPageSizeMax = 500;

// The wanted page size: 0 is the default. INVALID_ARGUMENT naming page_size beyond 0 to kPageSizeMax.
absl::StatusOr<int> PageSize(absl::string_view domain, int requested);

// Lists ask their store for one item more than a page holds: this cuts it off, and tells whether there is a next page.
template <typename Item>
bool CutPage(int page_size, std::vector<Item>& items) {
  const size_t size = static_cast<size_t>(page_size);
  if (items.size() <= size) return false;
  items.erase(items.begin() + static_cast<ptrdiff_t>(size), items.end());
  return true;
}

// `list` names the list and its filter: a token of another list is refused.
std::string MakePageToken(absl::string_view list, const std::vector<std::string>& position);

// The position (of `parts` parts) in a token; all empty for an empty token. INVALID_ARGUMENT naming `field`.
absl::StatusOr<std::vector<std::string>> ReadPageToken(absl::string_view domain, absl::string_view field,
                                                       absl::string_view list, size_t parts, absl::string_view token);

}  // namespace sagamesh

#endif  // SAGAMESH_COMMON_PAGING_PAGING_H_
