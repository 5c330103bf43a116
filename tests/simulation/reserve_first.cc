#include "tests/simulation/reserve_first.h"

#include <string>
#include <utility>

#include "common/proto/deterministic.h"
#include "common/status/error.h"
#include "coordinator/definitions/process_order.h"
#include "coordinator/v1/coordinator.pb.h"
#include "customers/v1/customers.pb.h"
#include "tests/simulation/clients.h"

namespace sagamesh::simulation {
namespace {

absl::StatusOr<std::string> ReserveRequest(const engine::MappingInput& from) {
  ::coordinator::v1::ProcessOrderRequest input;
  if (!input.ParseFromString(from.input)) return absl::InternalError("malformed input");
  ::customers::v1::ReserveStockRequest request;
  request.set_order_id(definitions::OrderIdOf(from));
  request.set_customer_id(input.customer_id());
  for (const auto& item : input.items()) {
    auto* line = request.add_items();
    line->set_sku(item.sku());
    line->set_quantity(item.quantity());
  }
  return SerializeDeterministic(request);
}

absl::StatusOr<std::string> ReleaseRequest(const engine::MappingInput& from) {
  ::customers::v1::ReleaseReservationRequest request;
  request.set_order_id(definitions::OrderIdOf(from));
  return SerializeDeterministic(request);
}

}  // namespace

absl::StatusOr<engine::Definition> MakeReserveFirst() {
  SAGAMESH_ASSIGN_OR_RETURN(engine::Definition definition, definitions::MakeProcessOrder());
  engine::Step reserve;
  reserve.name = "reserve_stock";
  reserve.method = kReserveStock;
  reserve.request = ReserveRequest;
  reserve.compensation_method = kReleaseReservation;
  reserve.compensation_request = ReleaseRequest;
  definition.steps.insert(definition.steps.begin(), std::move(reserve));
  return definition;
}

}  // namespace sagamesh::simulation
