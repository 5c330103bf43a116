#include "coordinator/definitions/process_order.h"

#include <google/protobuf/descriptor.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/basket/basket.h"
#include "common/proto/deterministic.h"
#include "common/status/error.h"
#include "common/uuid/uuid.h"
#include "coordinator/v1/coordinator.pb.h"
#include "orders/v1/orders.pb.h"
#include "saga/v1/options.pb.h"

namespace sagamesh::definitions {
namespace {

using ::coordinator::v1::ProcessOrderRequest;
using ::coordinator::v1::ProcessOrderResponse;
using engine::MappingInput;

absl::Status Malformed(const std::string& what) { return absl::InternalError(absl::StrCat("malformed ", what)); }

absl::StatusOr<std::string> Canonicalize(const std::string& input) {
  ProcessOrderRequest request;
  if (!request.ParseFromString(input)) return InvalidField("coordinator", "input", "is not a ProcessOrderRequest");
  if (request.customer_id() == 0) return InvalidField("coordinator", "customer_id", "must be at least 1");
  SAGAMESH_RETURN_IF_ERROR(CanonicalizeItems("coordinator", *request.mutable_items()));
  request.DiscardUnknownFields();
  return SerializeDeterministic(request);
}

absl::StatusOr<std::string> CreateOrderRequest(const MappingInput& from) {
  ProcessOrderRequest input;
  if (!input.ParseFromString(from.input)) return Malformed("input");
  ::orders::v1::CreateOrderRequest request;
  request.set_order_id(OrderIdOf(from));
  request.set_customer_id(input.customer_id());
  for (const ProcessOrderRequest::Item& item : input.items()) {
    auto* line = request.add_items();
    line->set_sku(item.sku());
    line->set_quantity(item.quantity());
  }
  return SerializeDeterministic(request);
}

absl::StatusOr<std::string> ConfirmOrderRequest(const MappingInput& from) {
  ::orders::v1::ConfirmOrderRequest request;
  request.set_order_id(OrderIdOf(from));
  return SerializeDeterministic(request);
}

absl::StatusOr<std::string> CancelOrderRequest(const MappingInput& from) {
  ::orders::v1::CancelOrderRequest request;
  request.set_order_id(OrderIdOf(from));
  return SerializeDeterministic(request);
}

absl::StatusOr<std::string> Output(const MappingInput& from) {
  ::orders::v1::ConfirmOrderResponse confirmed;
  if (!confirmed.ParseFromString(from.responses.back())) return Malformed("ConfirmOrderResponse");
  const ::orders::v1::Order& order = confirmed.order();
  if (order.status() != ::orders::v1::Order::CONFIRMED) return Malformed("ConfirmOrderResponse: not CONFIRMED");
  ProcessOrderResponse response;
  response.set_order_id(order.order_id());
  response.set_saga_id(from.saga_id);
  response.set_status(ProcessOrderResponse::CONFIRMED);
  response.set_customer_id(order.customer_id());
  for (const ::orders::v1::Order::Item& item : order.items()) {
    auto* line = response.add_items();
    line->set_sku(item.sku());
    line->set_quantity(item.quantity());
    line->set_unit_price_cents(item.unit_price_cents());
  }
  response.set_total_cents(order.total_cents());
  return SerializeDeterministic(response);
}

// The compensation that the contract names for a step's method.
absl::StatusOr<std::string> CompensationOf(const google::protobuf::ServiceDescriptor& service,
                                           const std::string& method_name) {
  const google::protobuf::MethodDescriptor* method = service.FindMethodByName(method_name);
  if (method == nullptr || !method->options().HasExtension(::saga::v1::step)) {
    return absl::InternalError(absl::StrCat(service.full_name(), "/", method_name, " carries no (saga.v1.step)"));
  }
  const std::string& compensation = method->options().GetExtension(::saga::v1::step).compensation();
  if (service.FindMethodByName(compensation) == nullptr) {
    return absl::InternalError(absl::StrCat(service.full_name(), "/", compensation, " does not exist"));
  }
  return absl::StrCat(service.full_name(), "/", compensation);
}

}  // namespace

std::string OrderIdOf(const MappingInput& from) {
  constexpr char kSpace[] = "process_order/order";
  return from.version == 1 ? MakeNameUuid(kSpace, from.saga_id) : MakeTimedNameUuid(kSpace, from.saga_id);
}

absl::StatusOr<engine::Definition> MakeProcessOrder() {
  const google::protobuf::ServiceDescriptor* orders =
      ::orders::v1::CreateOrderRequest::descriptor()->file()->FindServiceByName("OrdersService");
  engine::Definition definition;
  definition.name = "process_order";
  definition.version = 2;
  definition.input_type = ProcessOrderRequest::descriptor()->full_name();
  definition.output_type = ProcessOrderResponse::descriptor()->full_name();
  definition.canonicalize = Canonicalize;
  definition.output = Output;

  struct {
    const char* name;
    const char* method;
    engine::Mapping request;
  } const steps[] = {{"create_order", "CreateOrder", CreateOrderRequest},
                     {"confirm_order", "ConfirmOrder", ConfirmOrderRequest}};
  for (const auto& declared : steps) {
    engine::Step step;
    step.name = declared.name;
    step.method = absl::StrCat(orders->full_name(), "/", declared.method);
    step.request = declared.request;
    SAGAMESH_ASSIGN_OR_RETURN(step.compensation_method, CompensationOf(*orders, declared.method));
    step.compensation_request = CancelOrderRequest;
    definition.steps.push_back(std::move(step));
  }
  return definition;
}

}  // namespace sagamesh::definitions
