#include "tests/simulation/checkers.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status/error.h"
#include "coordinator/v1/coordinator.pb.h"
#include "customers/v1/customers.pb.h"
#include "orders/v1/orders.pb.h"
#include "tests/simulation/limits.h"

namespace sagamesh::simulation {
namespace {

using engine::Phase;
using engine::SagaRecord;

template <typename Message>
Message Parse(const std::string& bytes) {
  Message message;
  message.ParseFromString(bytes);
  return message;
}

std::string OrderStatus(const Snapshot& snapshot, const std::string& order_id) {
  const auto order = snapshot.orders.find(order_id);
  return order == snapshot.orders.end() ? "absent" : order->second.status;
}

std::string ReservationStatus(const Snapshot& snapshot, const std::string& order_id) {
  const auto reservation = snapshot.reservations.find(order_id);
  return reservation == snapshot.reservations.end() ? "absent" : reservation->second.status;
}

// Parked by the rule that stops a saga which takes its owners down: a series of crashes looks like that. It waits for
// an operator, and what it holds waits with it.
bool IsParkedByCrashes(const Snapshot& snapshot, const std::string& saga_id) {
  const auto saga = snapshot.sagas.find(saga_id);
  return saga != snapshot.sagas.end() && saga->second.phase == Phase::kParked &&
         absl::StartsWith(saga->second.park_reason, "TAKEN_OVER_WITHOUT_PROGRESS");
}

struct Balance {
  int64_t available = 0;
  int64_t reserved = 0;
  int64_t sold = 0;
};

// What restocks may have brought.
struct Restocked {
  int64_t least = 0;
  int64_t most = 0;
};

// Calls with one key are one restock: the one that was answered, or, where none was, any of them or none.
std::map<std::string, Restocked> RestockedBySku(const std::vector<Answer>& history) {
  std::map<std::string, std::set<std::string>> requests_of_key;
  std::map<std::string, std::string> done_of_key;
  for (const Answer& answer : history) {
    if (answer.method != kRestock) continue;
    requests_of_key[*answer.key].insert(answer.request);
    if (answer.reply.ok()) done_of_key[*answer.key] = answer.request;
  }
  std::map<std::string, Restocked> restocked;
  for (const auto& [key, requests] : requests_of_key) {
    const auto done = done_of_key.find(key);
    for (const std::string& bytes : requests) {
      const auto request = Parse<::customers::v1::RestockRequest>(bytes);
      if (done == done_of_key.end() || done->second == bytes) restocked[request.sku()].most += request.quantity();
      if (done != done_of_key.end() && done->second == bytes) restocked[request.sku()].least += request.quantity();
    }
  }
  return restocked;
}

bool WasParked(const SagaRecord& saga) {
  return std::any_of(saga.history.begin(), saga.history.end(),
                     [](const engine::HistoryEntry& entry) { return entry.after == Phase::kParked; });
}

// Each entry of a saga's history begins where the one before ended, and the last ends where the saga is, or has ended
// from.
void CheckHistory(const SagaRecord& saga, Violations& violations) {
  Phase phase = saga.history.empty() ? Phase::kRunning : saga.history.front().before;
  if (saga.history_dropped == 0 && phase != Phase::kRunning) {
    Add(violations, "9: saga ", saga.saga_id, " has a history that begins ", NameOf(phase));
  }
  for (const engine::HistoryEntry& entry : saga.history) {
    if (entry.before != phase) {
      Add(violations, "9: saga ", saga.saga_id, " was ", NameOf(phase), " and then ", NameOf(entry.before));
    }
    phase = entry.after;
  }
  if (phase == Phase::kRunning && saga.phase == Phase::kSucceeded) return;
  if (phase == Phase::kCompensating && saga.phase == Phase::kCompensated) return;
  if (phase != saga.phase) {
    Add(violations, "9: saga ", saga.saga_id, " is ", NameOf(saga.phase), " and its history ends ", NameOf(phase));
  }
  if (phase == Phase::kParked && saga.history.back().reason != saga.park_reason) {
    Add(violations, "9: saga ", saga.saga_id, " is PARKED for another reason than its history tells");
  }
}

}  // namespace

const char* NameOf(engine::Phase phase) {
  switch (phase) {
    case Phase::kRunning:
      return "RUNNING";
    case Phase::kCompensating:
      return "COMPENSATING";
    case Phase::kParked:
      return "PARKED";
    case Phase::kSucceeded:
      return "SUCCEEDED";
    case Phase::kCompensated:
      return "COMPENSATED";
  }
  return "?";
}

std::vector<std::string> Unfinished(const Snapshot& snapshot) {
  std::vector<std::string> unfinished;
  for (const auto& [id, saga] : snapshot.sagas) {
    if (!engine::IsFinal(saga.phase) && !IsParkedByCrashes(snapshot, id)) {
      Add(unfinished, "saga ", id, " is ", NameOf(saga.phase), " ", saga.park_reason, " (failed at ", saga.failed_step,
          ", ", saga.compensation_attempts, " attempts to compensate)");
    }
  }
  for (const auto& [id, order] : snapshot.orders) {
    if (order.status != "CONFIRMED" && order.status != "CANCELLED" && !IsParkedByCrashes(snapshot, order.saga_id)) {
      Add(unfinished, "order ", id, " of ", order.saga_id.empty() ? "a direct caller" : order.saga_id, " is ",
          order.status);
    }
  }
  for (const auto& [id, reservation] : snapshot.reservations) {
    if (reservation.status == "RESERVED" && !IsParkedByCrashes(snapshot, reservation.saga_id)) {
      Add(unfinished, "the reservation of order ", id, " is RESERVED");
    }
  }
  return unfinished;
}

void CheckStock(const Snapshot& snapshot, const std::vector<Answer>& history, Violations& violations) {
  std::map<std::string, Balance> ledger;
  std::map<std::string, int64_t> brought;  // by no order: the first stock, and what was restocked
  for (const MovementRow& movement : snapshot.movements) {
    Balance& balance = ledger[movement.sku];
    balance.available += movement.available;
    balance.reserved += movement.reserved;
    balance.sold += movement.sold;
    if (movement.order_id.empty()) brought[movement.sku] += movement.available;
  }
  std::map<std::string, Restocked> restocked = RestockedBySku(history);
  for (const Product& product : kProducts) {
    if (!snapshot.products.contains(product.sku)) Add(violations, "1: product ", product.sku, " is gone");
  }
  for (const auto& [sku, row] : snapshot.products) {
    if (row.available < 0 || row.reserved < 0 || row.sold < 0) {
      Add(violations, "1: ", sku, " has a negative balance: ", row.available, "/", row.reserved, "/", row.sold);
    }
    const Balance& sum = ledger[sku];
    if (sum.available != row.available || sum.reserved != row.reserved || sum.sold != row.sold) {
      Add(violations, "1: ", sku, "'s ledger sums to ", sum.available, "/", sum.reserved, "/", sum.sold,
          ", its balances are ", row.available, "/", row.reserved, "/", row.sold);
    }
    const int64_t total = row.available + row.reserved + row.sold;
    if (total != brought[sku]) {
      Add(violations, "1: ", sku, " has ", total, " units, and ", brought[sku], " were brought");
    }
    int64_t initial = 0;
    for (const Product& product : kProducts) {
      if (sku == product.sku) initial = product.available;
    }
    const auto [least, most] = restocked[sku];
    if (total < initial + least || total > initial + most) {
      Add(violations, "1: ", sku, " has ", total, " units; it began with ", initial, " and between ", least, " and ",
          most, " were restocked");
    }
    // Sold is what the confirmed orders hold, no more and no less.
    int64_t confirmed = 0;
    for (const auto& [id, order] : snapshot.orders) {
      const auto line = order.quantities.find(sku);
      const bool sold = IsParkedByCrashes(snapshot, order.saga_id) ? ReservationStatus(snapshot, id) == "COMMITTED"
                                                                   : order.status == "CONFIRMED";
      if (sold && line != order.quantities.end()) confirmed += line->second;
    }
    if (row.sold != confirmed) {
      Add(violations, "1: ", row.sold, " of ", sku, " are sold, and the confirmed orders hold ", confirmed);
    }
  }
}

void CheckOrders(const Snapshot& snapshot, Violations& violations) {
  for (const auto& [id, order] : snapshot.orders) {
    if (IsParkedByCrashes(snapshot, order.saga_id)) continue;
    const std::string reservation = ReservationStatus(snapshot, id);
    if ((order.status == "CONFIRMED") != (reservation == "COMMITTED")) {
      Add(violations, "2: order ", id, " is ", order.status, " and its reservation ", reservation);
    }
    if (order.status == "CANCELLED" && reservation != "RELEASED" && reservation != "absent") {
      Add(violations, "2: order ", id, " is CANCELLED and its reservation ", reservation);
    }
  }
  // Net effect of each order in the ledger: committed once and not reversed, or nothing.
  std::map<std::pair<std::string, std::string>, Balance> net;
  for (const MovementRow& movement : snapshot.movements) {
    if (movement.order_id.empty()) continue;
    Balance& balance = net[{movement.order_id, movement.sku}];
    balance.available += movement.available;
    balance.reserved += movement.reserved;
    balance.sold += movement.sold;
  }
  for (const auto& [key, balance] : net) {
    const auto& [order_id, sku] = key;
    const auto reservation = snapshot.reservations.find(order_id);
    if (reservation == snapshot.reservations.end()) {
      Add(violations, "2: stock of ", sku, " moved for order ", order_id, ", which has no reservation");
      continue;
    }
    const auto line = reservation->second.quantities.find(sku);
    const int64_t quantity = line == reservation->second.quantities.end() ? 0 : line->second;
    const bool committed = reservation->second.status == "COMMITTED";
    const bool reserved = reservation->second.status == "RESERVED";
    if (balance.sold != (committed ? quantity : 0) || balance.reserved != (reserved ? quantity : 0) ||
        balance.available + balance.reserved + balance.sold != 0) {
      Add(violations, "2: order ", order_id, " is ", reservation->second.status, " with ", quantity, " of ", sku,
          ", its movements sum to ", balance.available, "/", balance.reserved, "/", balance.sold);
    }
  }
  for (const auto& [id, reservation] : snapshot.reservations) {
    if (reservation.status == "COMMITTED" && OrderStatus(snapshot, id) != "CONFIRMED" &&
        !IsParkedByCrashes(snapshot, reservation.saga_id)) {
      Add(violations, "2: the reservation of order ", id, " is COMMITTED, the order ", OrderStatus(snapshot, id));
    }
  }
}

void CheckAnswers(const Snapshot& snapshot, const std::vector<Answer>& history, Violations& violations) {
  for (const Answer& answer : history) {
    if (!answer.reply.ok()) continue;
    if (answer.method == kProcessOrder) {
      const auto response = Parse<::coordinator::v1::ProcessOrderResponse>(*answer.reply);
      const auto request = Parse<::coordinator::v1::ProcessOrderRequest>(answer.request);
      const auto order = snapshot.orders.find(response.order_id());
      if (response.order_id().empty() || order == snapshot.orders.end() || order->second.status != "CONFIRMED") {
        Add(violations, "3: order ", response.order_id(), " was answered 200 and is ",
            OrderStatus(snapshot, response.order_id()));
        continue;
      }
      std::map<std::string, int64_t> wanted;
      for (const auto& item : request.items()) wanted[item.sku()] += item.quantity();
      if (order->second.quantities != wanted || order->second.customer_id != request.customer_id() ||
          order->second.total_cents != response.total_cents() || order->second.saga_id != response.saga_id()) {
        Add(violations, "3: order ", response.order_id(), " is not what was answered");
      }
    } else if (answer.method == kConfirmOrder) {
      const std::string id = Parse<::orders::v1::ConfirmOrderRequest>(answer.request).order_id();
      if (OrderStatus(snapshot, id) != "CONFIRMED") {
        Add(violations, "3: the direct order ", id, " was confirmed and is ", OrderStatus(snapshot, id));
      }
    } else if (answer.method == kCancelOrder) {
      const std::string id = Parse<::orders::v1::CancelOrderRequest>(answer.request).order_id();
      if (OrderStatus(snapshot, id) != "CANCELLED") {
        Add(violations, "2: the direct order ", id, " was cancelled and is ", OrderStatus(snapshot, id));
      }
    } else if (answer.method == kCreateOrder) {
      const std::string id = Parse<::orders::v1::CreateOrderResponse>(*answer.reply).order().order_id();
      if (OrderStatus(snapshot, id) == "absent") Add(violations, "3: the direct order ", id, " is gone");
    }
  }
}

namespace {

// When a saga was under way, by the calls of its coordinators; no clock of theirs is right.
struct Turn {
  const SagaRecord* saga = nullptr;
  absl::Time first = absl::InfiniteFuture();
  absl::Time last = absl::InfinitePast();  // by its last owner: earlier ones may not know yet that they lost it
};

bool EndedBefore(const Turn& one, const Turn& other) {
  return engine::IsFinal(one.saga->phase) && one.last <= other.first &&
         one.saga->updated <= other.saga->created + kClocksApartMax;
}

}  // namespace

// Of one key's sagas each has ended before the next begins.
void CheckTurns(const Snapshot& snapshot, const std::deque<Exchange>& exchanges, Violations& violations) {
  std::map<std::string, Turn> turns;
  for (const auto& [id, saga] : snapshot.sagas) turns[id].saga = &saga;
  for (const Exchange& exchange : exchanges) {
    if (exchange.from != "coordinator" || !exchange.context.saga.has_value()) continue;
    const auto turn = turns.find(exchange.context.saga->saga_id);
    if (turn == turns.end()) continue;
    turn->second.first = std::min(turn->second.first, exchange.sent);
    if (exchange.context.saga->epoch == turn->second.saga->epoch) {
      turn->second.last = std::max(turn->second.last, exchange.sent);
    }
  }
  std::map<std::pair<engine::KeyKind, std::string>, std::vector<const Turn*>> of_key;
  for (const auto& [id, turn] : turns) of_key[{turn.saga->key_kind, turn.saga->key}].push_back(&turn);
  for (auto& [key, sagas] : of_key) {
    for (size_t i = 0; i < sagas.size(); i++) {
      for (size_t j = i + 1; j < sagas.size(); j++) {
        if (EndedBefore(*sagas[i], *sagas[j]) || EndedBefore(*sagas[j], *sagas[i])) continue;
        Add(violations, "5: key ", key.second, " had two sagas at once, ", sagas[i]->saga->saga_id, " and ",
            sagas[j]->saga->saga_id);
      }
    }
  }
}

void CheckKeys(const Snapshot& snapshot, const std::vector<Answer>& history, Violations& violations) {
  // An explicit key has one saga that ended well or failed for a definite cause; a content key one in each window that
  // ended well.
  std::map<std::pair<engine::KeyKind, std::string>, std::vector<const SagaRecord*>> done;
  for (const auto& [id, saga] : snapshot.sagas) {
    const bool stored =
        saga.phase == Phase::kSucceeded ||
        (saga.phase == Phase::kCompensated && saga.key_kind == engine::KeyKind::kExplicit && saga.error_definite);
    if (stored) done[{saga.key_kind, saga.key}].push_back(&saga);
  }
  for (auto& [key, sagas] : done) {
    std::sort(sagas.begin(), sagas.end(),
              [](const SagaRecord* a, const SagaRecord* b) { return a->created < b->created; });
    for (size_t i = 1; i < sagas.size(); i++) {
      const bool free =
          key.first == engine::KeyKind::kContent && sagas[i]->created - sagas[i - 1]->created >= kContentKeyWindow;
      if (free) continue;
      Add(violations, "4: key ", key.second, " was answered by two sagas, ", sagas[i - 1]->saga_id, " and ",
          sagas[i]->saga_id);
    }
  }
  // Every caller of a saga gets the same bytes, and those that the saga stores.
  std::map<std::string, std::set<std::string>> bytes_of_saga;
  std::map<std::pair<std::string, std::string>, std::set<std::string>> good_bytes_of_key;
  for (const Answer& answer : history) {
    if (answer.reply.ok() && answer.key.has_value() && answer.method != kProcessOrder) {
      good_bytes_of_key[{answer.method, *answer.key}].insert(*answer.reply);
    }
    if (answer.method != kProcessOrder) continue;
    const std::string saga_id = SagaOf(answer);
    if (saga_id.empty()) {
      if (answer.reply.ok()) Add(violations, "4: a good answer names no saga");
      continue;
    }
    const auto saga = snapshot.sagas.find(saga_id);
    if (saga == snapshot.sagas.end()) {
      Add(violations, "4: saga ", saga_id, " was answered and does not exist");
      continue;
    }
    const std::string reason = answer.reply.ok() ? "" : GetReason(answer.reply.status());
    // The caller's own wait, or the saga waits for an operator: not the saga's answer.
    if (IsOfTheWait(reason) || (reason == "SAGA_PARKED" && WasParked(saga->second))) continue;
    const std::string bytes = answer.reply.ok() ? *answer.reply : SerializeStatus(answer.reply.status());
    bytes_of_saga[saga_id].insert(bytes);
    const std::string& stored = answer.reply.ok() ? saga->second.result : saga->second.error;
    if (bytes != stored) {
      Add(violations, "4: saga ", saga_id, " is ", NameOf(saga->second.phase), " and answered ",
          answer.reply.ok() ? "OK" : answer.reply.status().ToString(), ", which is not what it stores");
    }
  }
  for (const auto& [saga_id, bytes] : bytes_of_saga) {
    if (bytes.size() > 1) Add(violations, "4: saga ", saga_id, " gave ", bytes.size(), " different answers");
  }
  for (const auto& [key, bytes] : good_bytes_of_key) {
    if (bytes.size() > 1) {
      Add(violations, "4: ", key.first, " gave ", bytes.size(), " different good answers to key ", key.second);
    }
  }
  // One order for one direct create.
  std::map<std::string, std::set<std::string>> orders_of_key;
  for (const Answer& answer : history) {
    if (answer.method != kCreateOrder || !answer.reply.ok()) continue;
    orders_of_key[*answer.key].insert(Parse<::orders::v1::CreateOrderResponse>(*answer.reply).order().order_id());
  }
  for (const auto& [key, orders] : orders_of_key) {
    if (orders.size() > 1) Add(violations, "4: key ", key, " created ", orders.size(), " orders");
  }
}

void CheckCompensations(const Snapshot& snapshot, Violations& violations) {
  std::map<std::string, std::vector<const OrderRow*>> orders_of_saga;
  for (const auto& [id, order] : snapshot.orders) {
    if (!order.saga_id.empty()) orders_of_saga[order.saga_id].push_back(&order);
  }
  for (const auto& [saga_id, orders] : orders_of_saga) {
    if (!snapshot.sagas.contains(saga_id)) Add(violations, "4: an order belongs to saga ", saga_id, ", which is gone");
    if (orders.size() > 1) Add(violations, "4: saga ", saga_id, " made ", orders.size(), " orders");
  }
  for (const auto& [id, saga] : snapshot.sagas) {
    const auto& orders = orders_of_saga[id];
    const std::string order = orders.empty() ? "absent" : orders[0]->status;
    const auto here = snapshot.orders_barrier.find(id);
    const auto there = snapshot.customers_barrier.find(id);
    const bool marked = (here != snapshot.orders_barrier.end() && here->second.compensating) ||
                        (there != snapshot.customers_barrier.end() && there->second.compensating);
    if (saga.phase == Phase::kSucceeded) {
      if (order != "CONFIRMED") Add(violations, "7: saga ", id, " SUCCEEDED and its order is ", order);
      if (marked) Add(violations, "7: saga ", id, " SUCCEEDED and has been compensated somewhere");
      if (saga.result.empty() || !saga.error.empty())
        Add(violations, "7: saga ", id, " stores no result, or an error too");
    }
    if (saga.phase == Phase::kCompensated) {
      if (order != "CANCELLED" && order != "absent") {
        Add(violations, "7: saga ", id, " is COMPENSATED and its order is ", order);
      }
      // Orders need not know of a saga of which no step has reached them.
      if (here != snapshot.orders_barrier.end() && !here->second.compensating) {
        Add(violations, "6: saga ", id, " is COMPENSATED and has left no mark at orders");
      }
      if (there == snapshot.customers_barrier.end() || !there->second.compensating) {
        Add(violations, "6: saga ", id, " is COMPENSATED and has left no mark at customers");
      }
      if (saga.error.empty() || !saga.result.empty())
        Add(violations, "7: saga ", id, " stores no error, or a result too");
    }
    if (marked && saga.phase == Phase::kRunning) {
      Add(violations, "7: saga ", id, " is compensating somewhere and RUNNING in the journal");
    }
  }
}

void CheckEpochs(const Snapshot& snapshot, Violations& violations) {
  for (const auto* barrier : {&snapshot.orders_barrier, &snapshot.customers_barrier}) {
    for (const auto& [saga_id, row] : *barrier) {
      const auto saga = snapshot.sagas.find(saga_id);
      if (saga == snapshot.sagas.end()) {
        Add(violations, "8: a participant knows saga ", saga_id, ", the journal does not");
      } else if (row.epoch > saga->second.epoch) {
        Add(violations, "8: a participant saw epoch ", row.epoch, " of saga ", saga_id, ", the journal has ",
            saga->second.epoch);
      }
    }
  }
}

void CheckEnds(const Snapshot& snapshot, Violations& violations) {
  for (const std::string& what : Unfinished(snapshot)) Add(violations, "9: ", what);
  for (const auto& [id, saga] : snapshot.sagas) CheckHistory(saga, violations);
}

void CheckPoison(const Snapshot& snapshot, const std::string& saga_id, int kills, Violations& violations) {
  // Who started it, and those who took it over one after the other.
  constexpr int kKillsMax = 1 + 3;
  if (saga_id.empty()) return;
  if (kills > kKillsMax) Add(violations, "9: saga ", saga_id, " killed ", kills, " coordinators");
  const auto saga = snapshot.sagas.find(saga_id);
  if (saga == snapshot.sagas.end()) return Add(violations, "9: saga ", saga_id, " killed its coordinator and is gone");
  if (!IsParkedByCrashes(snapshot, saga_id)) {
    Add(violations, "9: saga ", saga_id, " kills its coordinators and is ", NameOf(saga->second.phase));
  }
}

Violations CheckAll(const Snapshot& snapshot, const std::vector<Answer>& history,
                    const std::deque<Exchange>& exchanges) {
  Violations violations;
  CheckStock(snapshot, history, violations);
  CheckOrders(snapshot, violations);
  CheckAnswers(snapshot, history, violations);
  CheckKeys(snapshot, history, violations);
  CheckTurns(snapshot, exchanges, violations);
  CheckCompensations(snapshot, violations);
  CheckEpochs(snapshot, violations);
  CheckEnds(snapshot, violations);
  CheckCalls(exchanges, violations);
  CheckRejections(snapshot, exchanges, violations);
  return violations;
}

}  // namespace sagamesh::simulation
