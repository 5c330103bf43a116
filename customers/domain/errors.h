#ifndef SAGAMESH_CUSTOMERS_DOMAIN_ERRORS_H_
#define SAGAMESH_CUSTOMERS_DOMAIN_ERRORS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace sagamesh::customers::error {

inline constexpr char kDomain[] = "customers";

absl::Status CustomerNotFound(uint32_t customer_id);
absl::Status CustomerExists(uint32_t customer_id);
// No id above the highest one is left to pick.
absl::Status CustomerIdsExhausted();
absl::Status ProductNotFound(const std::string& sku);
absl::Status ProductExists(const std::string& sku);
// The documented message: it begins "Stock insuficiente".
absl::Status InsufficientStock(const std::string& sku, int64_t requested, int64_t available);
absl::Status StockLimit(const std::string& sku);
absl::Status TotalOverflow();
absl::Status ReservationNotFound(const std::string& order_id);
// By another saga than the caller's, or by a direct caller where a saga asks.
absl::Status ReservationOwnedBySaga(const std::string& order_id);
// IDEMPOTENCY_KEY_REUSED: the order is the key.
absl::Status ReservedWithOtherItems(const std::string& order_id);
absl::Status AlreadyCompensated(const std::string& order_id);

}  // namespace sagamesh::customers::error

#endif  // SAGAMESH_CUSTOMERS_DOMAIN_ERRORS_H_
