#ifndef SAGAMESH_COMMON_BASKET_BASKET_H_
#define SAGAMESH_COMMON_BASKET_BASKET_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sagamesh {

// What is ordered: the lines that all three services take, with the limits that all three hold them to.
struct BasketLine {
  std::string sku;
  int64_t quantity = 0;
};

inline constexpr int kBasketLinesMax = 100;
inline constexpr int kSkuCharactersMax = 64;
inline constexpr int64_t kQuantityMax = 1'000'000'000;

// INVALID_ARGUMENT with the field's name unless it is 1 to kQuantityMax.
absl::Status CheckQuantity(absl::string_view domain, absl::string_view field, int64_t quantity);

// Checks the lines (1 to kBasketLinesMax; sku and quantity of each, and the quantity after merging), then merges them
// by sku and sorts them by it, so that equal baskets are equal. INVALID_ARGUMENT with the field's name, for example
// "items[2].quantity".
absl::StatusOr<std::vector<BasketLine>> CanonicalBasket(absl::string_view domain, std::vector<BasketLine> lines);

// The same for a message's repeated `items` with sku and quantity, in place.
template <typename Items>
absl::Status CanonicalizeItems(absl::string_view domain, Items& items) {
  std::vector<BasketLine> lines;
  lines.reserve(items.size());
  for (const auto& item : items) lines.push_back({item.sku(), item.quantity()});
  absl::StatusOr<std::vector<BasketLine>> basket = CanonicalBasket(domain, std::move(lines));
  if (!basket.ok()) return basket.status();
  items.Clear();
  for (const BasketLine& line : *basket) {
    auto* item = items.Add();
    item->set_sku(line.sku);
    item->set_quantity(static_cast<int32_t>(line.quantity));
  }
  return absl::OkStatus();
}

}  // namespace sagamesh

#endif  // SAGAMESH_COMMON_BASKET_BASKET_H_
