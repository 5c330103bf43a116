#ifndef SAGAMESH_CUSTOMERS_SERVICE_MESSAGES_H_
#define SAGAMESH_CUSTOMERS_SERVICE_MESSAGES_H_

#include "customers/domain/stock.h"
#include "customers/v1/customers.pb.h"

namespace sagamesh::customers {

// Domain to messages.
void Fill(const Customer& customer, ::customers::v1::Customer& message);
void Fill(const Product& product, ::customers::v1::Product& message);
void Fill(const Reservation& reservation, ::customers::v1::Reservation& message);

}  // namespace sagamesh::customers

#endif  // SAGAMESH_CUSTOMERS_SERVICE_MESSAGES_H_
