#include "tests/simulation/evidence.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/error.h"
#include "saga/v1/batch.pb.h"
#include "tests/simulation/checkers.h"
#include "tests/simulation/limits.h"

namespace sagamesh::simulation {
namespace {

using engine::KeyKind;
using engine::Phase;
using engine::SagaRecord;

std::string ReasonOf(const absl::StatusOr<std::string>& reply) { return reply.ok() ? "" : GetReason(reply.status()); }

// Answers that were stored and told again.
void CountReplays(const std::vector<const Answer*>& orders, Counts& counts) {
  for (const Answer* answer : orders) {
    if (!answer->info.replayed) continue;
    if (!answer->reply.ok()) {
      counts["explicit key, definite failure: the stored error"]++;
    } else if (answer->key.has_value()) {
      counts["explicit key, ended well: the stored response"]++;
    } else {
      counts["content key, ended well: the stored response"]++;
    }
  }
}

// Those who waited for one saga, besides the one who had started it.
void CountAttached(const Snapshot& snapshot, const std::vector<const Answer*>& orders, Counts& counts) {
  std::map<std::string, int64_t> waited;
  std::map<std::string, absl::Time> seen_compensating;  // by its callers, for the first time
  for (const Answer* answer : orders) {
    const std::string saga_id = SagaOf(*answer);
    if (answer->reply.ok() && !answer->info.replayed) waited[saga_id]++;
    if (!answer->info.compensating) continue;
    counts["answered before compensation ended"]++;
    const auto [first, is_first] = seen_compensating.try_emplace(saga_id, answer->answered);
    first->second = std::min(first->second, answer->answered);
  }
  // A saga that ended well never compensated: who got its answer without the header waited for its end.
  for (const auto& [saga_id, callers] : waited) counts["running: attached"] += callers - 1;
  for (const Answer* answer : orders) {
    const auto first = seen_compensating.find(SagaOf(*answer));
    if (first == seen_compensating.end() || answer->info.replayed || answer->asked <= first->second) continue;
    const auto saga = snapshot.sagas.find(first->first);
    if (saga == snapshot.sagas.end()) continue;
    if (saga->second.phase == Phase::kCompensated) counts["compensating: attached"]++;
    // The journal's times are by a clock that may be wrong.
    const bool parked = saga->second.phase == Phase::kParked && answer->asked > saga->second.updated + kClockErrorMax;
    if (parked) counts["parked: attached"]++;
  }
}

// Sagas that one key had, one after the other, by kind and key.
std::map<std::pair<KeyKind, std::string>, std::vector<const SagaRecord*>> SagasOfKeys(const Snapshot& snapshot) {
  std::map<std::pair<KeyKind, std::string>, std::vector<const SagaRecord*>> of_key;
  for (const auto& [id, saga] : snapshot.sagas) of_key[{saga.key_kind, saga.key}].push_back(&saga);
  for (auto& [key, sagas] : of_key) {
    std::sort(sagas.begin(), sagas.end(),
              [](const SagaRecord* a, const SagaRecord* b) { return a->created < b->created; });
  }
  return of_key;
}

void CountFreedKeys(const Snapshot& snapshot, Counts& counts) {
  for (const auto& [key, sagas] : SagasOfKeys(snapshot)) {
    for (size_t i = 1; i < sagas.size(); i++) {
      const bool compensated = sagas[i - 1]->phase == Phase::kCompensated;
      if (key.first == KeyKind::kContent && compensated) counts["content key, failed: a new saga"]++;
      if (key.first == KeyKind::kContent && sagas[i - 1]->phase == Phase::kSucceeded) {
        counts["content key, window over: a new saga"]++;
      }
      if (key.first == KeyKind::kExplicit && compensated && !sagas[i - 1]->error_definite) {
        counts["explicit key, transient failure: free again"]++;
      }
    }
  }
}

// Refusals of a key's second payload; apart, those that came while its key was free.
void CountReused(const Snapshot& snapshot, const std::vector<const Answer*>& orders, Counts& counts) {
  const auto of_key = SagasOfKeys(snapshot);
  // When each saga was told to be undone, and that it failed for a transient cause.
  std::map<std::string, absl::Time> undone;
  for (const Answer* answer : orders) {
    const auto saga = snapshot.sagas.find(SagaOf(*answer));
    const bool final_error = !answer->reply.ok() && !answer->info.compensating && saga != snapshot.sagas.end() &&
                             !IsOfTheWait(ReasonOf(answer->reply)) && saga->second.phase == Phase::kCompensated &&
                             !saga->second.error_definite;
    if (final_error) undone.try_emplace(saga->first, answer->answered);
  }
  for (const Answer* answer : orders) {
    if (ReasonOf(answer->reply) != "IDEMPOTENCY_KEY_REUSED") continue;
    counts["explicit key, other payload: refused"]++;
    const auto sagas = of_key.find({KeyKind::kExplicit, *answer->key});
    if (sagas == of_key.end()) continue;
    // The last saga that the key can have had at that time.
    const SagaRecord* holder = nullptr;
    for (const SagaRecord* saga : sagas->second) {
      if (saga->created <= answer->answered + kClockErrorMax) holder = saga;
    }
    const auto ended = holder == nullptr ? undone.end() : undone.find(holder->saga_id);
    if (ended != undone.end() && ended->second < answer->asked) {
      counts["explicit key, transient failure: other payload refused"]++;
    }
  }
}

// Rejections whose key had a saga only later: they had stored nothing.
void CountRejections(const Snapshot& snapshot, const std::vector<const Answer*>& orders, Counts& counts) {
  const auto of_key = SagasOfKeys(snapshot);
  for (const Answer* answer : orders) {
    if (answer->reply.ok() || !answer->key.has_value() || !IsRejection(answer->reply.status())) continue;
    const auto sagas = of_key.find({KeyKind::kExplicit, *answer->key});
    if (sagas == of_key.end() || sagas->second[0]->created <= answer->answered + kClockErrorMax) continue;
    const bool invalid = ReasonOf(answer->reply) == "INVALID_FIELD";
    counts[invalid ? "invalid: nothing stored" : "overload: nothing stored"]++;
  }
}

// What the participant's barrier said of a saga's call or of a direct one with a key, by its refusal.
void CountRefusal(const Exchange& exchange, Counts& counts) {
  const auto info = GetErrorInfo(exchange.reply->status());
  // Orders hand on what customers refuse.
  if (!info.has_value() || info->domain() != exchange.to) return;
  const bool of_saga = exchange.context.saga.has_value();
  const std::string who = absl::StrCat(exchange.to, ": ");
  if (info->reason() == "IDEMPOTENCY_KEY_REUSED") {
    counts[who + (of_saga ? "other payload under a step, refused" : "direct key, other payload, refused")]++;
  }
  if (!of_saga) return;
  if (info->reason() == "STALE_EPOCH") counts[who + "lower epoch, STALE_EPOCH"]++;
  if (info->reason() == "TOO_OLD") counts[who + "old saga, TOO_OLD"]++;
  if (info->reason() == "ALREADY_COMPENSATED" && exchange.context.saga->op == SagaOp::kAction) {
    counts[who + "late action, ALREADY_COMPENSATED"]++;
  }
}

void CountStored(const Exchange& exchange, Counts& counts) {
  const std::string who = absl::StrCat(exchange.to, ": ");
  if (!exchange.reply->ok()) {
    counts[who + "repeated refusal, the stored one"]++;
  } else if (!exchange.context.saga.has_value()) {
    counts[who + "direct key again, the stored result"]++;
  } else if (exchange.context.saga->op == SagaOp::kAction) {
    counts[who + "repeated action, the stored result"]++;
  } else {
    counts[who + "repeated compensation, the stored result"]++;
  }
}

// Whether the call ended at the edge, before the participant's logic could know of it.
bool EndedAtTheEdge(const Exchange& exchange) {
  const auto& fault = exchange.context.fault;
  return fault.has_value() && fault->method == exchange.method && fault->abort_code != 0 && !fault->after;
}

// Compensations that were done at a participant which no action of their saga had reached.
void CountNullCompensations(const Snapshot& snapshot, const std::deque<Exchange>& exchanges, Counts& counts) {
  std::map<std::pair<std::string, std::string>, absl::Time> first_action;  // by participant and saga
  std::set<std::pair<std::string, std::string>> null;
  for (const Exchange& exchange : exchanges) {
    if (!exchange.context.saga.has_value() || exchange.context.saga->op != SagaOp::kAction) continue;
    if (EndedAtTheEdge(exchange)) continue;
    first_action.try_emplace({exchange.to, exchange.context.saga->saga_id}, exchange.arrived);
  }
  for (const Exchange& exchange : exchanges) {
    const auto& saga = exchange.context.saga;
    if (!saga.has_value() || saga->op != SagaOp::kCompensation) continue;
    if (!exchange.reply.has_value() || !exchange.reply->ok()) continue;
    const auto action = first_action.find({exchange.to, saga->saga_id});
    const auto& barrier = exchange.to == "orders" ? snapshot.orders_barrier : snapshot.customers_barrier;
    const auto row = barrier.find(saga->saga_id);
    const bool marked = row != barrier.end() && row->second.compensating;
    if (marked && (action == first_action.end() || action->second > exchange.answered)) {
      null.emplace(exchange.to, saga->saga_id);
    }
  }
  for (const auto& [who, saga_id] : null) counts[who + ": null compensation, the mark"]++;
}

}  // namespace

void CountLayer1(const Snapshot& snapshot, const std::vector<Answer>& history, const std::deque<Exchange>& exchanges,
                 Counts& counts) {
  std::vector<const Answer*> orders;
  for (const Answer& answer : history) {
    if (answer.method == kProcessOrder) orders.push_back(&answer);
  }
  // Its caller's own time is over by then, so that only the coordinator says it.
  for (const Exchange& exchange : exchanges) {
    const bool over = exchange.reply.has_value() && ReasonOf(*exchange.reply) == "SAGA_STILL_RUNNING";
    if (over) counts["running: the caller's time was over"]++;
  }
  CountReplays(orders, counts);
  CountAttached(snapshot, orders, counts);
  CountFreedKeys(snapshot, counts);
  CountReused(snapshot, orders, counts);
  CountRejections(snapshot, orders, counts);
}

void CountLayer2(const Snapshot& snapshot, const std::deque<Exchange>& exchanges, Counts& counts) {
  std::set<std::tuple<std::string, std::string, std::string>> met;
  for (const Exchange& exchange : exchanges) {
    const std::string identity = IdentityOf(exchange);
    if (exchange.to == "coordinator" || identity.empty()) continue;
    const bool again = !met.emplace(exchange.to, exchange.method, identity).second;
    if (!exchange.reply.has_value()) continue;
    if (exchange.info.replayed && again) CountStored(exchange, counts);
    if (!exchange.reply->ok() && !exchange.info.replayed) CountRefusal(exchange, counts);
  }
  CountNullCompensations(snapshot, exchanges, counts);
}

void CountReplicas(const std::vector<Answer>& history, const std::deque<Exchange>& exchanges, Counts& counts) {
  // Who called each saga's steps, by name: a crash alone makes another life, not another replica.
  std::map<std::string, std::set<std::string>> callers;
  for (const Exchange& exchange : exchanges) {
    if (exchange.from != "coordinator" || !exchange.context.saga.has_value()) continue;
    callers[exchange.context.saga->saga_id].insert(exchange.caller.substr(0, exchange.caller.find('#')));
    const bool stale = exchange.reply.has_value() && ReasonOf(*exchange.reply) == "STALE_EPOCH";
    if (stale) counts["zombie's call, STALE_EPOCH"]++;
  }
  for (const auto& [saga_id, replicas] : callers) counts["sagas that a peer took over"] += replicas.size() - 1;
  // Where those who waited for one saga's good end had asked, and where its end was told again.
  std::map<std::string, std::set<std::string>> waited;
  std::map<std::string, std::set<std::string>> replayed;
  for (const Answer& answer : history) {
    if (answer.method != kProcessOrder || !answer.reply.ok()) continue;
    (answer.info.replayed ? replayed : waited)[SagaOf(answer)].insert(answer.replica);
  }
  for (const auto& [saga_id, replicas] : waited) counts["running: attached at another replica"] += replicas.size() - 1;
  for (const auto& [saga_id, replicas] : replayed) {
    for (const std::string& replica : replicas) {
      if (waited.contains(saga_id) && !waited[saga_id].contains(replica)) {
        counts["ended well: the stored response at another replica"]++;
      }
    }
  }
}

void CountBatches(const std::deque<Exchange>& exchanges, Counts& counts) {
  std::map<std::pair<std::string, std::string>, int> arrived;  // by method and bytes, which hold the time left
  for (const Exchange& exchange : exchanges) {
    if (!exchange.is_batch) continue;
    ::saga::v1::StepBatchRequest batch;
    batch.ParseFromString(exchange.request);
    if (batch.requests_size() > 1) counts["batches of several calls"]++;
    if (++arrived[{exchange.method, exchange.request}] == 2) counts["batches that came again"]++;
    if (!exchange.reply.has_value()) {
      counts["batches whose participant died"]++;
      continue;
    }
    ::saga::v1::StepBatchResponse answer;
    if (!exchange.reply->ok() || !answer.ParseFromString(**exchange.reply)) continue;
    int good = 0;
    for (const auto& result : answer.results()) good += result.has_status() ? 0 : 1;
    if (good > 0 && good < answer.results_size()) counts["batches of good and refused calls"]++;
  }
}

void CountEnds(const Snapshot& snapshot, const std::deque<Exchange>& exchanges, Counts& counts) {
  for (const auto& [id, saga] : snapshot.sagas) {
    if (saga.phase == Phase::kSucceeded) counts["sagas succeeded"]++;
    if (saga.phase == Phase::kCompensated) counts["sagas compensated"]++;
    if (saga.phase == Phase::kParked) counts["sagas parked"]++;
    if (saga.epoch > 1) counts["sagas taken over"]++;
  }
  for (const auto& [id, order] : snapshot.orders) {
    if (!order.saga_id.empty()) continue;
    if (order.status == "CONFIRMED") counts["direct orders confirmed"]++;
    if (order.status == "CANCELLED") counts["direct orders cancelled"]++;
  }
  for (const Exchange& exchange : exchanges) {
    if (!exchange.reply.has_value() || exchange.reply->ok()) continue;
    const auto info = GetErrorInfo(exchange.reply->status());
    if (!info.has_value()) continue;
    if (info->reason() == "INSUFFICIENT_STOCK") counts["stock refused"]++;
    if (info->reason() == "FAULT_INJECTED") counts["faults injected by request"]++;
    const bool for_room = exchange.reply->status().code() == absl::StatusCode::kResourceExhausted;
    if (for_room && info->domain() == exchange.to) counts[absl::StrCat(exchange.to, ": ", info->reason())]++;
  }
}

}  // namespace sagamesh::simulation
