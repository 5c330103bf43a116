#include "customers/domain/errors.h"

#include "absl/strings/str_cat.h"
#include "common/status/error.h"
#include "customers/domain/stock.h"

namespace sagamesh::customers::error {

absl::Status CustomerNotFound(uint32_t customer_id) {
  return MakeError(absl::StatusCode::kNotFound, {kDomain, "CUSTOMER_NOT_FOUND"},
                   absl::StrCat("customer_id: customer ", customer_id, " not found"),
                   {{"customer_id", absl::StrCat(customer_id)}});
}

absl::Status CustomerExists(uint32_t customer_id) {
  return MakeError(absl::StatusCode::kAlreadyExists, {kDomain, "CUSTOMER_EXISTS"},
                   absl::StrCat("customer_id: customer ", customer_id, " exists already"),
                   {{"customer_id", absl::StrCat(customer_id)}});
}

absl::Status CustomerIdsExhausted() {
  return MakeError(absl::StatusCode::kFailedPrecondition, {kDomain, "CUSTOMER_IDS_EXHAUSTED"},
                   "customer_id: the highest id is taken; name a free one");
}

absl::Status ProductNotFound(const std::string& sku) {
  return MakeError(absl::StatusCode::kNotFound, {kDomain, "PRODUCT_NOT_FOUND"},
                   absl::StrCat("sku: product ", sku, " not found"), {{"sku", sku}});
}

absl::Status ProductExists(const std::string& sku) {
  return MakeError(absl::StatusCode::kAlreadyExists, {kDomain, "PRODUCT_EXISTS"},
                   absl::StrCat("sku: product ", sku, " exists already"), {{"sku", sku}});
}

absl::Status InsufficientStock(const std::string& sku, int64_t requested, int64_t available) {
  return MakeError(
      absl::StatusCode::kFailedPrecondition, {kDomain, "INSUFFICIENT_STOCK"},
      absl::StrCat("Stock insuficiente para ", sku, ": solicitado ", requested, ", disponible ", available),
      {{"sku", sku}, {"requested", absl::StrCat(requested)}, {"available", absl::StrCat(available)}});
}

absl::Status StockLimit(const std::string& sku) {
  return MakeError(absl::StatusCode::kFailedPrecondition, {kDomain, "STOCK_LIMIT"},
                   absl::StrCat("quantity: the stock of ", sku, " would exceed ", kStockMax), {{"sku", sku}});
}

absl::Status TotalOverflow() {
  return MakeError(absl::StatusCode::kInvalidArgument, {kDomain, "TOTAL_OVERFLOW"},
                   "items: the order's total exceeds what an amount can hold");
}

absl::Status ReservationNotFound(const std::string& order_id) {
  return MakeError(absl::StatusCode::kNotFound, {kDomain, "RESERVATION_NOT_FOUND"},
                   absl::StrCat("order_id: nothing is reserved for ", order_id), {{"order_id", order_id}});
}

absl::Status ReservationOwnedBySaga(const std::string& order_id) {
  return MakeError(absl::StatusCode::kFailedPrecondition, {kDomain, "RESERVATION_OWNED_BY_SAGA"},
                   absl::StrCat("order_id: the reservation of ", order_id, " belongs to another caller"),
                   {{"order_id", order_id}});
}

absl::Status ReservedWithOtherItems(const std::string& order_id) {
  return MakeError(absl::StatusCode::kInvalidArgument, {kDomain, "IDEMPOTENCY_KEY_REUSED"},
                   absl::StrCat("order_id: ", order_id, " was reserved with other items"), {{"order_id", order_id}});
}

absl::Status AlreadyCompensated(const std::string& order_id) {
  return MakeError(absl::StatusCode::kAborted, {kDomain, "ALREADY_COMPENSATED"},
                   absl::StrCat("order_id: the reservation of ", order_id, " was released"), {{"order_id", order_id}});
}

}  // namespace sagamesh::customers::error
