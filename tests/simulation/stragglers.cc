#include "tests/simulation/stragglers.h"

#include <tuple>

#include "common/uuid/uuid.h"
#include "customers/v1/customers.pb.h"
#include "orders/v1/orders.pb.h"
#include "tests/simulation/clients.h"

namespace sagamesh::simulation {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(5);
// Longer than participants remember a saga.
constexpr absl::Duration kLongAgo = absl::Hours(200);
// One copy of so many is sent at rest.
constexpr uint64_t kCallsPerRepeat = 3;

template <typename Request, typename Change>
std::string Changed(const std::string& bytes, Change change) {
  Request request;
  request.ParseFromString(bytes);
  change(request);
  return request.SerializeAsString();
}

// The request of a call with something else in it.
std::string WithOtherPayload(const std::string& method, const std::string& request) {
  const auto one_more = [](auto& message) { message.mutable_items(0)->set_quantity(message.items(0).quantity() + 1); };
  const auto other_order = [](auto& message) { message.set_order_id(message.order_id() + "-other"); };
  if (method == kCreateOrder) return Changed<::orders::v1::CreateOrderRequest>(request, one_more);
  if (method == kReserveStock) return Changed<::customers::v1::ReserveStockRequest>(request, one_more);
  // All the others have an order's id as their first field.
  return Changed<::orders::v1::CancelOrderRequest>(request, other_order);
}

}  // namespace

void Stragglers::SendOne() {
  const auto& calls = network_.exchanges();
  if (calls.empty()) return;
  // As often a fresh one as any.
  const uint64_t last = calls.size();
  const uint64_t first = last > 50 && rng_.Chance(0.5) ? last - 50 : 0;
  Exchange call = calls[first + rng_.Below(last - first)];
  if (call.from.empty()) return;
  const uint64_t kind = rng_.Below(10);
  if (kind == 0 && call.context.saga.has_value()) {
    ancient_++;
    call.context.saga->saga_id = MakeUuidV7(scheduler_.now() - kLongAgo, rng_);
  } else if (kind <= 2 && call.context.saga.has_value() && call.reply.has_value() && call.reply->ok()) {
    altered_++;
    call.request = WithOtherPayload(call.method, call.request);
  } else {
    repeated_++;
  }
  Send(call);
}

void Stragglers::SendAgain(const std::set<std::string>& unfinished) {
  using Identity = std::tuple<std::string, std::string, std::string, uint64_t>;
  std::set<Identity> seen;
  const size_t calls = network_.exchanges().size();
  for (size_t i = 0; i < calls; i++) {
    Exchange call = network_.exchanges()[i];
    // What a batch carried comes again by itself.
    if (call.from.empty() || call.is_batch || rng_.Below(kCallsPerRepeat) != 0) continue;
    const auto& saga = call.context.saga;
    if (saga.has_value() && unfinished.contains(saga->saga_id)) continue;
    if (!seen.emplace(call.to, call.method, call.request, saga.has_value() ? saga->epoch : 0).second) continue;
    repeated_++;
    call.context.fault.reset();
    Send(call);
  }
}

void Stragglers::Send(const Exchange& call) {
  CallContext context = call.context;
  context.deadline = scheduler_.now() + kTimeout;
  under_way_++;
  network_.Call(nullptr, call.to, call.method, call.request, context,
                [this](absl::StatusOr<std::string>, ReplyInfo) { under_way_--; });
}

}  // namespace sagamesh::simulation
