#ifndef SAGAMESH_ORDERS_SERVICE_FLOW_H_
#define SAGAMESH_ORDERS_SERVICE_FLOW_H_

#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "common/clock/clock.h"
#include "common/proto/deterministic.h"
#include "common/random/random.h"
#include "common/rpc/call_context.h"
#include "orders/service/messages.h"
#include "orders/service/order_writer.h"
#include "orders/service/stock_client.h"

// What the flows share. A flow is a chain of callbacks through local writes and calls of customers; whatever happens
// between two links, the rows and the reservation are left so that a repeat, a compensation or the sweep goes on.

namespace sagamesh::orders {

// What flows are made of; outlives them.
struct FlowParts {
  OrderWriter& writer;
  StockClient& stock;
  Clock& clock;
  Random& random;
};

// The calling saga; "" for a direct caller.
inline std::string OwnerOf(const CallContext& context) { return context.saga.has_value() ? context.saga->saga_id : ""; }

// Work of accepted sagas goes before new work.
inline Priority PriorityOf(const CallContext& context) {
  return context.saga.has_value() ? Priority::kAccepted : Priority::kNew;
}

// The caller's context with a deadline: its own, or 5 seconds from now.
CallContext WithDeadline(const CallContext& context, const Clock& clock);

// The deadline of a write that ends what has begun at customers: a caller that is gone is no reason to leave it open.
absl::Time CompletionDeadline(const CallContext& context, const Clock& clock);

// What goes along to customers: saga, its key, deadline, trace, and a fault that is meant for them. A direct call goes by
// its order id alone.
CallContext ToCustomers(const CallContext& context);

// INVALID_ARGUMENT if a saga calls a method as what it is not; if the order id is not 1 to 64 printable characters.
absl::Status CheckSagaOp(const CallContext& context, absl::string_view method, SagaOp op);
absl::Status CheckOrderId(const std::string& order_id);

// The barrier's row of a saga or of a direct caller's key; none for a direct caller without one.
absl::StatusOr<std::optional<BarrierCall>> Guard(const CallContext& context, absl::string_view method,
                                                 const google::protobuf::MessageLite& request);

// The response that a Write records.
template <typename Response>
std::string ResponseBytes(const Order& order) {
  return SerializeDeterministic(MakeResponse<Response>(order));
}

// Ends a call with what was written or stored.
template <typename Response>
void Answer(const Written& written, Done<Response>& done) {
  if (written.stored_response.has_value()) {
    Response response;
    response.ParseFromString(*written.stored_response);
    return done(std::move(response), {.replayed = true});
  }
  if (!written.order.ok()) return done(written.order.status(), {.replayed = written.replayed});
  done(MakeResponse<Response>(*written.order), {});
}

}  // namespace sagamesh::orders

#endif  // SAGAMESH_ORDERS_SERVICE_FLOW_H_
