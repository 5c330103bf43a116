#include "orders/domain/errors.h"

#include "absl/strings/str_cat.h"
#include "common/status/error.h"

namespace sagamesh::orders::error {
namespace {

absl::Status Refused(absl::string_view reason, const std::string& order_id, absl::string_view what) {
  return MakeError(absl::StatusCode::kFailedPrecondition, {kDomain, reason},
                   absl::StrCat("order_id: order ", order_id, " ", what), {{"order_id", order_id}});
}

}  // namespace

absl::Status OrderNotFound(const std::string& order_id) {
  return MakeError(absl::StatusCode::kNotFound, {kDomain, "ORDER_NOT_FOUND"},
                   absl::StrCat("order_id: order ", order_id, " does not exist"), {{"order_id", order_id}});
}

absl::Status OrderConfirmed(const std::string& order_id) {
  return Refused("ORDER_CONFIRMED", order_id, "is confirmed and cannot be cancelled");
}

absl::Status OrderCancelled(const std::string& order_id) {
  return Refused("ORDER_CANCELLED", order_id, "is cancelled");
}

absl::Status OrderNotCreated(const std::string& order_id) {
  return Refused("ORDER_NOT_CREATED", order_id, "is not created yet");
}

absl::Status OrderOwnedBySaga(const std::string& order_id) {
  return Refused("ORDER_OWNED_BY_SAGA", order_id, "belongs to a saga");
}

absl::Status IdempotencyKeyRequired() {
  return InvalidField(kDomain, "idempotency-key", "is required to confirm an order", "IDEMPOTENCY_KEY_REQUIRED");
}

absl::Status IdempotencyKeyReused() {
  return MakeError(absl::StatusCode::kInvalidArgument, {kDomain, "IDEMPOTENCY_KEY_REUSED"},
                   "idempotency-key: was used with another payload");
}

}  // namespace sagamesh::orders::error
