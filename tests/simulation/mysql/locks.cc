#include "tests/simulation/mysql/locks.h"

#include <algorithm>
#include <utility>

#include "tests/simulation/mysql/table.h"

namespace sagamesh::simulation::mysql {
namespace {

bool Conflict(const LockRequest& earlier, const Transaction& transaction, LockMode mode) {
  return earlier.transaction != &transaction && (earlier.mode == LockMode::kExclusive || mode == LockMode::kExclusive);
}

bool Holds(const LockQueue& queue, const Transaction& transaction) {
  return std::any_of(queue.begin(), queue.end(), [&](const LockRequest& request) {
    return request.transaction == &transaction && request.granted;
  });
}

bool Blocked(const LockQueue& queue, size_t position) {
  const LockRequest& request = queue[position];
  return std::any_of(queue.begin(), queue.begin() + static_cast<std::ptrdiff_t>(position),
                     [&](const LockRequest& earlier) { return Conflict(earlier, *request.transaction, request.mode); });
}

// After something left the queue.
void GrantWhatCan(Record& record) {
  LockQueue& queue = record.locks;
  for (size_t i = 0; i < queue.size(); i++) {
    LockRequest& request = queue[i];
    if (request.granted || Blocked(queue, i)) continue;
    if (!Holds(queue, *request.transaction)) request.transaction->locked.push_back(&record);
    request.granted = true;
    request.transaction->awaited = nullptr;
    request.transaction->waiter.Wake();
  }
}

// Takes the transaction's requests out of the queue.
template <typename Which>
void Leave(Transaction& transaction, Record& record, Which which) {
  LockQueue& queue = record.locks;
  queue.erase(
      std::remove_if(queue.begin(), queue.end(),
                     [&](const LockRequest& request) { return request.transaction == &transaction && which(request); }),
      queue.end());
  GrantWhatCan(record);
  record.table.Forget(record);
}

// Appends to `circle` the transactions from `from` on that wait for each other up to `start`; false: there are none.
bool FindCircle(Transaction& from, const Transaction& start, std::vector<const Transaction*>& seen,
                std::vector<Transaction*>& circle) {
  if (from.awaited == nullptr) return false;
  const LockQueue& queue = from.awaited->locks;
  const auto waiting = std::find_if(queue.begin(), queue.end(), [&](const LockRequest& request) {
    return request.transaction == &from && !request.granted;
  });
  for (auto earlier = queue.begin(); earlier != waiting; ++earlier) {
    if (!Conflict(*earlier, from, waiting->mode)) continue;
    Transaction& next = *earlier->transaction;
    if (std::find(seen.begin(), seen.end(), &next) != seen.end()) continue;
    seen.push_back(&next);
    if (&next != &start && !FindCircle(next, start, seen, circle)) continue;
    circle.push_back(&from);
    return true;
  }
  return false;
}

size_t Weight(const Transaction& transaction) { return transaction.undo.size() + transaction.locked.size(); }

}  // namespace

bool MustWait(const Transaction& transaction, const Record& record, LockMode mode) {
  bool conflict = false;
  for (const LockRequest& request : record.locks) {
    if (request.transaction == &transaction && request.mode >= mode) return false;
    conflict = conflict || Conflict(request, transaction, mode);
  }
  return conflict;
}

LockResult Acquire(Transaction& transaction, Record& record, LockMode mode) {
  LockQueue& queue = record.locks;
  bool holds = false;
  for (const LockRequest& request : queue) {
    if (request.transaction != &transaction) continue;
    if (request.mode >= mode) return LockResult::kHeldAlready;
    holds = true;
  }
  queue.push_back({&transaction, mode, false});
  if (Blocked(queue, queue.size() - 1)) {
    transaction.awaited = &record;
    return LockResult::kWaits;
  }
  queue.back().granted = true;
  if (!holds) transaction.locked.push_back(&record);
  return LockResult::kGranted;
}

void StopWaiting(Transaction& transaction) {
  Record* const record = std::exchange(transaction.awaited, nullptr);
  if (record != nullptr) Leave(transaction, *record, [](const LockRequest& request) { return !request.granted; });
}

void Release(Transaction& transaction, Record& record, LockMode mode) {
  const auto is_meant = [mode](const LockRequest& request) { return mode == LockMode::kNone || request.mode == mode; };
  const bool holds_more = std::any_of(record.locks.begin(), record.locks.end(), [&](const LockRequest& request) {
    return request.transaction == &transaction && !is_meant(request);
  });
  if (!holds_more) std::erase(transaction.locked, &record);
  Leave(transaction, record, is_meant);
}

void ReleaseAll(Transaction& transaction) {
  StopWaiting(transaction);
  for (Record* record : std::exchange(transaction.locked, {})) {
    Leave(transaction, *record, [](const LockRequest&) { return true; });
  }
}

Transaction* FindVictim(Transaction& transaction) {
  std::vector<const Transaction*> seen;
  std::vector<Transaction*> circle;
  if (!FindCircle(transaction, transaction, seen, circle)) return nullptr;
  Transaction* victim = &transaction;
  for (Transaction* candidate : circle) {
    if (Weight(*candidate) < Weight(*victim)) victim = candidate;
  }
  return victim;
}

}  // namespace sagamesh::simulation::mysql
