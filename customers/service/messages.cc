#include "customers/service/messages.h"

namespace sagamesh::customers {

void Fill(const Customer& customer, ::customers::v1::Customer& message) {
  message.set_customer_id(customer.id);
  message.set_name(customer.name);
  message.set_email(customer.email);
}

void Fill(const Product& product, ::customers::v1::Product& message) {
  message.set_sku(product.sku);
  message.set_name(product.name);
  message.set_price_cents(product.price_cents);
  message.set_available(static_cast<int32_t>(product.available));
  message.set_reserved(static_cast<int32_t>(product.reserved));
  message.set_sold(static_cast<int32_t>(product.sold));
}

void Fill(const Reservation& reservation, ::customers::v1::Reservation& message) {
  message.set_order_id(reservation.order_id);
  message.set_status(static_cast<::customers::v1::Reservation::Status>(reservation.status));
  message.set_customer_id(reservation.customer_id);
  for (const ReservedLine& line : reservation.lines) {
    auto* item = message.add_items();
    item->set_sku(line.sku);
    item->set_quantity(static_cast<int32_t>(line.quantity));
    item->set_unit_price_cents(line.unit_price_cents);
  }
}

}  // namespace sagamesh::customers
