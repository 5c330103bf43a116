#ifndef SAGAMESH_CUSTOMERS_SERVICE_DEMO_H_
#define SAGAMESH_CUSTOMERS_SERVICE_DEMO_H_

#include "customers/service/customers_logic.h"

namespace sagamesh::customers {

// Adds the demo data that is missing: customer 1, `prod-123` with 100 units, and a few more products. Changes nothing
// that is there. Blocks until all is there, or failed, which is logged: run it on a worker, before the service says
// that it is healthy.
void SeedDemo(CustomersLogic& logic);

}  // namespace sagamesh::customers

#endif  // SAGAMESH_CUSTOMERS_SERVICE_DEMO_H_
