#ifndef SAGAMESH_ORDERS_SERVICE_PARTS_H_
#define SAGAMESH_ORDERS_SERVICE_PARTS_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/proto/deterministic.h"
#include "common/status/error.h"
#include "orders/domain/errors.h"
#include "orders/service/crash_points.h"
#include "orders/service/messages.h"
#include "orders/service/orders_logic.h"

namespace sagamesh::orders {

inline constexpr int kOrderIdCharactersMax = 64;

// What the flows share. Kept alive by the callbacks that are under way.
struct OrdersLogic::Parts {
  Parts(OrdersOptions given, StockClient& stock, sql::Database& database, WorkerPool& pool, EventLoop& timers,
        Clock& clock, Random& random, metrics::Registry& registry)
      : options(given),
        stock(stock),
        timers(timers),
        clock(clock),
        random(random),
        reader({error::kDomain, given.read_connections, given.max_queued_reads}, database, pool, clock),
        writes({given.max_queued_operations, given.barrier_retention, given.order_ttl, given.cancelling_ttl}, database,
               pool, clock, random, registry) {}

  const OrdersOptions options;
  StockClient& stock;
  EventLoop& timers;
  Clock& clock;
  Random& random;
  sql::Reader reader;
  OrderWrites writes;
};

// One call of a method, from its arrival to its answer: who calls, what guards it, how it is answered.
template <typename Response>
struct Call {
  CallContext context;
  std::optional<BarrierCall> barrier;
  Done<Response> done;

  Caller caller() const { return {context.saga.has_value() ? context.saga->saga_id : ""}; }
  Priority priority() const { return context.saga.has_value() ? Priority::kAccepted : Priority::kNew; }

  void Answer(const Order& order) {
    Response response;
    Fill(order, *response.mutable_order());
    done(std::move(response), {});
  }
  void Refuse(absl::Status status, bool replayed = false) { done(std::move(status), {replayed}); }

  // Answers if the write ended the call by a refusal or a stored result. Otherwise false: the flow goes on.
  bool Ended(absl::StatusOr<Written>& written, bool replayed) {
    if (!written.ok()) {
      Refuse(written.status(), replayed);
      return true;
    }
    if (!written->stored_reply.has_value()) return false;
    Response response;
    response.ParseFromString(*written->stored_reply);
    done(std::move(response), {replayed});
    return true;
  }
};

// Guards a call by its saga's row or its caller's key; a direct call without a key has no row.
template <typename Response>
absl::Status GuardCall(Call<Response>& call, absl::string_view method, const google::protobuf::MessageLite& request) {
  if (!call.context.saga.has_value() && !call.context.idempotency_key.has_value()) return absl::OkStatus();
  SAGAMESH_ASSIGN_OR_RETURN(call.barrier,
                            MakeBarrierCall(error::kDomain, call.context, method, SerializeDeterministic(request), ""));
  return absl::OkStatus();
}

// The context of a call to the stock on behalf of `context`: the saga's, never the caller's key, and a fault only if it
// is meant for customers.
CallContext StockContext(const OrdersLogic::Parts& parts, const CallContext& context);

}  // namespace sagamesh::orders

#endif  // SAGAMESH_ORDERS_SERVICE_PARTS_H_
