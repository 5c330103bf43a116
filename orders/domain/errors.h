#ifndef SAGAMESH_ORDERS_DOMAIN_ERRORS_H_
#define SAGAMESH_ORDERS_DOMAIN_ERRORS_H_

#include <string>

#include "absl/status/status.h"

namespace sagamesh::orders::error {

inline constexpr char kDomain[] = "orders";

absl::Status OrderNotFound(const std::string& order_id);
absl::Status OrderConfirmed(const std::string& order_id);
absl::Status OrderCancelled(const std::string& order_id);
absl::Status OrderNotCreated(const std::string& order_id);
absl::Status OrderOwnedBySaga(const std::string& order_id);
absl::Status IdempotencyKeyRequired();
// The key made another order.
absl::Status IdempotencyKeyReused();

}  // namespace sagamesh::orders::error

#endif  // SAGAMESH_ORDERS_DOMAIN_ERRORS_H_
