#include "common/basket/basket.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/error.h"
#include "common/text/text.h"

namespace sagamesh {

absl::Status CheckQuantity(absl::string_view domain, absl::string_view field, int64_t quantity) {
  if (quantity >= 1 && quantity <= kQuantityMax) return absl::OkStatus();
  return InvalidField(domain, field, absl::StrCat("must be between 1 and ", kQuantityMax));
}

absl::StatusOr<std::vector<BasketLine>> CanonicalBasket(absl::string_view domain, std::vector<BasketLine> lines) {
  if (lines.empty() || lines.size() > kBasketLinesMax) {
    return InvalidField(domain, "items", absl::StrCat("must hold 1 to ", kBasketLinesMax, " lines"));
  }
  std::map<std::string, int64_t> merged;
  for (size_t i = 0; i < lines.size(); i++) {
    const std::string quantity_field = absl::StrCat("items[", i, "].quantity");
    SAGAMESH_RETURN_IF_ERROR(CheckText(domain, absl::StrCat("items[", i, "].sku"), lines[i].sku, kSkuCharactersMax));
    SAGAMESH_RETURN_IF_ERROR(CheckQuantity(domain, quantity_field, lines[i].quantity));
    int64_t& sum = merged[lines[i].sku];
    sum += lines[i].quantity;
    if (sum > kQuantityMax) {
      return InvalidField(domain, quantity_field,
                          absl::StrCat("the lines of ", lines[i].sku, " sum to more than ", kQuantityMax));
    }
  }
  std::vector<BasketLine> basket;
  basket.reserve(merged.size());
  for (auto& [sku, quantity] : merged) basket.push_back({sku, quantity});
  return basket;
}

}  // namespace sagamesh
