#include "customers/domain/stock.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/fault/planted.h"
#include "common/status/error.h"
#include "customers/domain/errors.h"

namespace sagamesh::customers {
namespace {

// Adds to a sku's balances and writes the ledger: the only way that stock moves.
void Move(WorkingSet& set, Movement movement) {
  Product& product = set.products.at(movement.sku);
  product.available += movement.available;
  product.reserved += movement.reserved;
  product.sold += movement.sold;
  if (!set.new_products.contains(movement.sku)) set.changed_products.insert(movement.sku);
  set.movements.push_back(std::move(movement));
}

void MarkChanged(WorkingSet& set, const std::string& order_id) {
  if (!set.new_reservations.contains(order_id)) set.changed_reservations.insert(order_id);
}

void MoveReservation(WorkingSet& set, const Reservation& reservation, const std::string& kind, int available,
                     int reserved, int sold) {
  for (const ReservedLine& line : reservation.lines) {
    Move(set, {line.sku, absl::StrCat(reservation.order_id, "/", kind), kind, reservation.order_id,
               available * line.quantity, reserved * line.quantity, sold * line.quantity});
  }
}

bool SameItems(const Reservation& reservation, const ReserveCommand& command) {
  if (reservation.customer_id != command.customer_id || reservation.lines.size() != command.lines.size()) return false;
  for (size_t i = 0; i < command.lines.size(); i++) {
    if (reservation.lines[i].sku != command.lines[i].sku) return false;
    if (reservation.lines[i].quantity != command.lines[i].quantity) return false;
  }
  return true;
}

// What is reserved already for the order, if that may answer the command.
absl::StatusOr<Reservation> RepeatReserve(const Reservation& there, const ReserveCommand& command) {
  if (there.owner != command.owner) return error::ReservationOwnedBySaga(command.order_id);
  if (there.status == ReservationStatus::kReleased) return error::AlreadyCompensated(command.order_id);
  if (!SameItems(there, command)) return error::ReservedWithOtherItems(command.order_id);
  return there;
}

// Checks every line before anything moves, and prices it.
absl::StatusOr<std::vector<ReservedLine>> PriceLines(const WorkingSet& set, const ReserveCommand& command) {
  std::vector<ReservedLine> lines;
  for (const BasketLine& line : command.lines) {
    const auto product = set.products.find(line.sku);
    if (product == set.products.end()) return error::ProductNotFound(line.sku);
    lines.push_back({line.sku, line.quantity, product->second.price_cents});
  }
  int64_t total = 0;
  for (const ReservedLine& line : lines) {
    int64_t amount = 0;
    if (__builtin_mul_overflow(line.quantity, line.unit_price_cents, &amount) ||
        __builtin_add_overflow(total, amount, &total)) {
      return error::TotalOverflow();
    }
  }
  for (const ReservedLine& line : lines) {
    const int64_t available = set.products.at(line.sku).available;
    if (available < line.quantity) return error::InsufficientStock(line.sku, line.quantity, available);
  }
  return lines;
}

}  // namespace

absl::StatusOr<Reservation> Reserve(WorkingSet& set, const ReserveCommand& command) {
  const auto there = set.reservations.find(command.order_id);
  if (there != set.reservations.end()) return RepeatReserve(there->second, command);
  if (!set.customers.contains(command.customer_id)) return error::CustomerNotFound(command.customer_id);
  SAGAMESH_ASSIGN_OR_RETURN(std::vector<ReservedLine> lines, PriceLines(set, command));
  Reservation reservation{command.order_id, command.owner, ReservationStatus::kReserved, command.customer_id,
                          std::move(lines)};
  MoveReservation(set, reservation, "reserve", -1, +1, 0);
  set.new_reservations.insert(command.order_id);
  return set.reservations[command.order_id] = std::move(reservation);
}

absl::StatusOr<Reservation> Commit(WorkingSet& set, const std::string& order_id, const std::string& owner) {
  const auto there = set.reservations.find(order_id);
  if (there == set.reservations.end()) return error::ReservationNotFound(order_id);
  Reservation& reservation = there->second;
  if (reservation.owner != owner) return error::ReservationOwnedBySaga(order_id);
  if (reservation.status == ReservationStatus::kReleased) return error::AlreadyCompensated(order_id);
  if (reservation.status == ReservationStatus::kReserved) {
    MoveReservation(set, reservation, "commit", 0, -1, +1);
    reservation.status = ReservationStatus::kCommitted;
    MarkChanged(set, order_id);
  }
  return reservation;
}

absl::StatusOr<Reservation> Release(WorkingSet& set, const std::string& order_id, const std::string& owner) {
  const auto [there, never_seen] = set.reservations.try_emplace(order_id);
  Reservation& reservation = there->second;
  if (never_seen) {
    reservation.order_id = order_id;
    reservation.owner = owner;
    reservation.status = ReservationStatus::kReleased;
    if (!Planted(Bug::kReleaseLeavesNoRow)) set.new_reservations.insert(order_id);
    return reservation;
  }
  if (reservation.owner != owner) return error::ReservationOwnedBySaga(order_id);
  if (reservation.status == ReservationStatus::kReserved) MoveReservation(set, reservation, "release", +1, -1, 0);
  if (reservation.status == ReservationStatus::kCommitted) {
    MoveReservation(set, reservation, "reversal", Planted(Bug::kReversalKeepsStock) ? 0 : +1, 0, -1);
  }
  if (reservation.status != ReservationStatus::kReleased) {
    reservation.status = ReservationStatus::kReleased;
    MarkChanged(set, order_id);
  }
  return reservation;
}

absl::StatusOr<Product> Restock(WorkingSet& set, const std::string& sku, int64_t quantity,
                                const std::string& movement_id) {
  const auto there = set.products.find(sku);
  if (there == set.products.end()) return error::ProductNotFound(sku);
  const Product& product = there->second;
  if (product.available + product.reserved + product.sold + quantity > kStockMax) return error::StockLimit(sku);
  Move(set, {sku, movement_id, "restock", "", quantity, 0, 0});
  return product;
}

absl::StatusOr<Product> CreateProduct(WorkingSet& set, const Product& product) {
  if (set.products.contains(product.sku)) return error::ProductExists(product.sku);
  set.new_products.insert(product.sku);
  Product& created = set.products[product.sku];
  created = product;
  created.available = 0;
  Move(set, {product.sku, "initial", "initial", "", product.available, 0, 0});
  return created;
}

absl::StatusOr<Customer> CreateCustomer(WorkingSet& set, Customer customer) {
  if (customer.id == 0) {
    if (set.next_customer_id > std::numeric_limits<uint32_t>::max()) return error::CustomerIdsExhausted();
    customer.id = static_cast<uint32_t>(set.next_customer_id);
  }
  if (set.customers.contains(customer.id)) return error::CustomerExists(customer.id);
  set.next_customer_id = std::max(set.next_customer_id, int64_t{customer.id} + 1);
  set.new_customers.insert(customer.id);
  return set.customers[customer.id] = std::move(customer);
}

}  // namespace sagamesh::customers
