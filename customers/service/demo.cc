#include "customers/service/demo.h"

#include <spdlog/spdlog.h>

#include "common/exec/in_flight.h"

namespace sagamesh::customers {
namespace {

namespace pb = ::customers::v1;

struct DemoProduct {
  const char* sku;
  const char* name;
  int64_t price_cents;
  int32_t available;
};
constexpr DemoProduct kProducts[] = {
    {"prod-123", "Mechanical keyboard", 1999, 100},
    {"prod-456", "Wireless mouse", 2550, 250},
    {"prod-789", "27-inch monitor", 27900, 40},
    {"prod-sold-out", "Limited edition mug", 1200, 0},
};

// A name that is taken is there already, which is all that seeding wants.
template <typename Response>
Done<Response> Seeded(const char* what, InFlight& seeding) {
  seeding.Begin();
  return [what, &seeding](absl::StatusOr<Response> response, ReplyInfo) {
    if (response.ok()) {
      spdlog::info("demo data: added {}", what);
    } else if (response.status().code() != absl::StatusCode::kAlreadyExists) {
      spdlog::error("demo data: cannot add {}: {}", what, response.status().ToString());
    }
    seeding.End();
  };
}

}  // namespace

void SeedDemo(CustomersLogic& logic) {
  InFlight seeding;
  pb::CreateCustomerRequest customer;
  customer.set_customer_id(1);
  customer.set_name("Demo Customer");
  customer.set_email("demo@example.com");
  logic.CreateCustomer({}, customer, Seeded<pb::CreateCustomerResponse>("customer 1", seeding));
  for (const DemoProduct& demo : kProducts) {
    pb::CreateProductRequest product;
    product.set_sku(demo.sku);
    product.set_name(demo.name);
    product.set_price_cents(demo.price_cents);
    product.set_available(demo.available);
    logic.CreateProduct({}, product, Seeded<pb::CreateProductResponse>(demo.sku, seeding));
  }
  seeding.WaitForNone();
}

}  // namespace sagamesh::customers
