#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status/error.h"
#include "orders/v1/orders.pb.h"
#include "tests/simulation/checkers.h"

namespace sagamesh::simulation {

bool IsRejection(const absl::Status& status) {
  const auto info = GetErrorInfo(status);
  if (!info.has_value() || info->domain() != "coordinator" || info->metadata().contains("saga_id")) return false;
  return info->reason() == "INVALID_FIELD" || info->reason() == "QUEUE_FULL" || info->reason() == "SAGAS_IN_FLIGHT";
}

std::string IdentityOf(const Exchange& exchange) {
  const CallContext& context = exchange.context;
  if (context.saga.has_value()) {
    return absl::StrCat(context.saga->saga_id, "/", context.saga->step, "/",
                        context.saga->op == SagaOp::kAction ? "action" : "compensation");
  }
  return context.idempotency_key.value_or("");
}

namespace {

// The request, with lines of one sku merged: that is the same wish.
std::string Canonical(const Exchange& exchange) {
  if (exchange.method != kCreateOrder) return exchange.request;
  ::orders::v1::CreateOrderRequest request;
  request.ParseFromString(exchange.request);
  std::map<std::string, int64_t> quantities;
  for (const auto& item : request.items()) quantities[item.sku()] += item.quantity();
  return absl::StrCat(request.order_id(), "/", request.customer_id(), "/",
                      absl::StrJoin(quantities, ",", absl::PairFormatter("=")));
}

// The calls of one saga that a participant answered well.
void CheckFences(const std::string& who, const std::vector<const Exchange*>& good, Violations& violations) {
  for (const Exchange* earlier : good) {
    const SagaCall& before = *earlier->context.saga;
    for (const Exchange* later : good) {
      if (later->arrived <= earlier->answered) continue;
      const SagaCall& after = *later->context.saga;
      if (before.op == SagaOp::kCompensation && after.op == SagaOp::kAction) {
        Add(violations, "6: ", who, " took ", later->method, " of saga ", after.saga_id, " after its compensation");
      }
      if (after.epoch < before.epoch) {
        Add(violations, "8: ", who, " took ", later->method, " of saga ", after.saga_id, " at epoch ", after.epoch,
            " after one at epoch ", before.epoch);
      }
    }
  }
}

// An epoch of a saga is one coordinator's, for one of its lives.
void CheckOwners(const std::deque<Exchange>& exchanges, Violations& violations) {
  std::map<std::pair<std::string, uint64_t>, std::set<std::string>> owners;
  for (const Exchange& exchange : exchanges) {
    if (exchange.from != "coordinator" || !exchange.context.saga.has_value()) continue;
    const SagaCall& saga = *exchange.context.saga;
    owners[{saga.saga_id, saga.epoch}].insert(exchange.caller);
  }
  for (const auto& [epoch, callers] : owners) {
    if (callers.size() < 2) continue;
    Add(violations, "8: epoch ", epoch.second, " of saga ", epoch.first, " was used by ", absl::StrJoin(callers, ", "));
  }
}

// Only what is definite is stored: what a caller is told again is not for want of an answer.
void CheckStoredErrors(const std::deque<Exchange>& exchanges, Violations& violations) {
  constexpr absl::StatusCode kTransient[] = {absl::StatusCode::kCancelled,         absl::StatusCode::kUnknown,
                                             absl::StatusCode::kDeadlineExceeded,  absl::StatusCode::kAborted,
                                             absl::StatusCode::kResourceExhausted, absl::StatusCode::kUnavailable};
  for (const Exchange& exchange : exchanges) {
    if (!exchange.info.replayed || !exchange.reply.has_value() || exchange.reply->ok()) continue;
    if (!absl::c_linear_search(kTransient, exchange.reply->status().code())) continue;
    Add(violations, "4: ", exchange.to, " stored a transient error for ", IdentityOf(exchange), ": ",
        exchange.reply->status().ToString());
  }
}

// One step of a saga: when its coordinators first did it, first undid it, and were first told that it is undone.
struct StepTimes {
  absl::Time begun = absl::InfiniteFuture();
  absl::Time undoing = absl::InfiniteFuture();
  absl::Time undone = absl::InfiniteFuture();
};

void CheckReverseOrder(const std::deque<Exchange>& exchanges, Violations& violations) {
  std::map<std::string, std::map<std::string, StepTimes>> sagas;
  for (const Exchange& exchange : exchanges) {
    if (exchange.from != "coordinator" || !exchange.context.saga.has_value()) continue;
    const SagaCall& saga = *exchange.context.saga;
    StepTimes& step = sagas[saga.saga_id][saga.step];
    absl::Time& first = saga.op == SagaOp::kAction ? step.begun : step.undoing;
    first = std::min(first, exchange.sent);
    const bool good = exchange.reply.has_value() && exchange.reply->ok();
    if (good && saga.op == SagaOp::kCompensation) step.undone = std::min(step.undone, exchange.answered);
  }
  for (const auto& [saga_id, steps] : sagas) {
    for (const auto& [earlier, one] : steps) {
      for (const auto& [later, other] : steps) {
        // A step that was never begun needs no place among the others.
        if (one.begun >= other.begun || other.begun == absl::InfiniteFuture()) continue;
        // A compensation that undoes neighbours carries the name of the first.
        if (other.undoing == absl::InfiniteFuture() || one.undoing == absl::InfiniteFuture()) continue;
        if (one.undoing < other.undone) {
          Add(violations, "7: saga ", saga_id, " undid ", earlier, " before ", later);
        }
      }
    }
  }
}

}  // namespace

void CheckCalls(const std::deque<Exchange>& exchanges, Violations& violations) {
  using Call = std::tuple<std::string, std::string, std::string>;
  std::map<Call, int> arrived;
  std::map<Call, std::set<std::string>> requests;
  std::map<Call, std::set<std::string>> replies;
  std::map<std::pair<std::string, std::string>, std::vector<const Exchange*>> of_saga;
  for (const Exchange& exchange : exchanges) {
    const std::string identity = IdentityOf(exchange);
    arrived[{exchange.to, exchange.method, identity}]++;
    const bool good = exchange.reply.has_value() && exchange.reply->ok();
    if (exchange.to == "coordinator" || identity.empty() || !good) continue;
    const Call call = {exchange.to, exchange.method, identity};
    requests[call].insert(Canonical(exchange));
    replies[call].insert(**exchange.reply);
    if (exchange.context.saga.has_value()) of_saga[{exchange.to, exchange.context.saga->saga_id}].push_back(&exchange);
  }
  for (const auto& [call, payloads] : requests) {
    const auto& [who, method, identity] = call;
    if (payloads.size() > 1) Add(violations, "4: ", who, " took ", payloads.size(), " payloads of ", identity);
    if (replies[call].size() > 1) {
      Add(violations, "4: ", who, " gave ", replies[call].size(), " different good answers to ", method, " of ",
          identity);
    }
  }
  for (const Exchange& exchange : exchanges) {
    const std::string identity = IdentityOf(exchange);
    if (exchange.to == "coordinator" || !exchange.info.replayed) continue;
    if (arrived[{exchange.to, exchange.method, identity}] < 2) {
      Add(violations, "4: ", exchange.to, " told the first call of ", identity, " that it was a repeat");
    }
  }
  CheckOwners(exchanges, violations);
  CheckStoredErrors(exchanges, violations);
  CheckReverseOrder(exchanges, violations);
  for (const auto& [saga, good] : of_saga) CheckFences(saga.first, good, violations);
}

void CheckRejections(const Snapshot& snapshot, const std::deque<Exchange>& exchanges, Violations& violations) {
  // Keys whose every request was rejected.
  std::map<std::string, bool> only_rejected;
  for (const Exchange& exchange : exchanges) {
    if (exchange.method != kProcessOrder || !exchange.context.idempotency_key.has_value()) continue;
    const bool rejected = exchange.reply.has_value() && !exchange.reply->ok() && IsRejection(exchange.reply->status());
    const auto [key, first] = only_rejected.try_emplace(*exchange.context.idempotency_key, true);
    key->second = key->second && rejected;
  }
  for (const auto& [id, saga] : snapshot.sagas) {
    const auto key = only_rejected.find(saga.key);
    if (saga.key_kind == engine::KeyKind::kExplicit && key != only_rejected.end() && key->second) {
      Add(violations, "4: every request with key ", saga.key, " was rejected, and there is saga ", id);
    }
  }
}

namespace {

template <typename Row>
void CheckSame(const char* what, const std::map<std::string, Row>& before, const std::map<std::string, Row>& after,
               Violations& violations) {
  for (const auto& [id, row] : after) {
    const auto old = before.find(id);
    if (old == before.end()) {
      Add(violations, "4: a call that came again made ", what, " ", id);
    } else if (!(old->second == row)) {
      Add(violations, "4: a call that came again changed ", what, " ", id);
    }
  }
  if (after.size() < before.size()) Add(violations, "4: a call that came again removed a ", what);
}

void CheckSameMarks(const std::map<std::string, BarrierRow>& before, const std::map<std::string, BarrierRow>& after,
                    Violations& violations) {
  for (const auto& [id, row] : after) {
    const auto old = before.find(id);
    if (old == before.end() || old->second.compensating != row.compensating ||
        old->second.results.size() != row.results.size()) {
      Add(violations, "6: a call that came again changed the mark or the results of saga ", id);
    }
  }
}

}  // namespace

void CheckUnchanged(const Snapshot& before, const Snapshot& after, Violations& violations) {
  CheckSame("order", before.orders, after.orders, violations);
  CheckSame("reservation", before.reservations, after.reservations, violations);
  CheckSame("product", before.products, after.products, violations);
  if (before.movements.size() != after.movements.size()) Add(violations, "4: a call that came again moved stock");
  CheckSameMarks(before.orders_barrier, after.orders_barrier, violations);
  CheckSameMarks(before.customers_barrier, after.customers_barrier, violations);
}

}  // namespace sagamesh::simulation
