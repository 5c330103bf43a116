#include "tests/simulation/coverage.h"

#include <set>

#include "absl/strings/str_format.h"

namespace sagamesh::simulation {
namespace {

struct Row {
  const char* group;
  const char* name;
};

constexpr Row kRows[] = {
    {"fault", "crashes"},
    {"fault", "transactions rolled back by a crash"},
    {"fault", "processes frozen"},
    {"fault", "messages to the frozen"},
    {"fault", "idle transactions ended"},
    {"fault", "coordinators killed by their saga"},
    {"fault", "connections lost"},
    {"fault", "outages of a database"},
    {"fault", "processes cut off from their database"},
    {"fault", "waits for a lock"},
    {"fault", "deadlocks"},
    {"fault", "waits for a lock that took too long"},
    {"fault", "transactions aborted"},
    {"fault", "COMMIT unknown, done"},
    {"fault", "COMMIT unknown, not done"},
    {"fault", "COMMIT unknown, late"},
    {"fault", "COMMIT unknown, then cut off"},
    {"fault", "slow database calls"},
    {"fault", "COMMITs to a slow disk"},
    {"fault", "clocks set"},
    {"fault", "requests lost"},
    {"fault", "replies lost"},
    {"fault", "requests duplicated"},
    {"fault", "messages slow"},
    {"fault", "messages cut off"},
    {"fault", "calls unavailable"},
    {"fault", "calls to a replica that was down, another up"},
    {"fault", "requests handled after their caller gave up"},
    {"fault", "faults injected by request"},
    {"fault", "calls that came again"},
    {"fault", "calls with another payload under their step"},
    {"fault", "calls of a saga of long ago"},
    {"batches", "batches of several calls"},
    {"batches", "batches of good and refused calls"},
    {"batches", "batches that came again"},
    {"batches", "batches whose participant died"},
    {"batches", "calls that went alone"},
    {"batches", "batches that failed as a whole"},
    {"room", "coordinator: QUEUE_FULL"},
    {"room", "coordinator: SAGAS_IN_FLIGHT"},
    {"room", "coordinator: TOO_MANY_WAITERS"},
    {"room", "orders: QUEUE_FULL"},
    {"room", "customers: QUEUE_FULL"},
    {"room", "watchers too slow"},
    {"layer 1", "explicit key, ended well: the stored response"},
    {"layer 1", "content key, ended well: the stored response"},
    {"layer 1", "running: attached"},
    {"layer 1", "running: the caller's time was over"},
    {"layer 1", "explicit key, other payload: refused"},
    {"layer 1", "explicit key, definite failure: the stored error"},
    {"layer 1", "explicit key, transient failure: free again"},
    {"layer 1", "explicit key, transient failure: other payload refused"},
    {"layer 1", "compensating: attached"},
    {"layer 1", "parked: attached"},
    {"layer 1", "answered before compensation ended"},
    {"layer 1", "content key, failed: a new saga"},
    {"layer 1", "content key, window over: a new saga"},
    {"layer 1", "invalid: nothing stored"},
    {"layer 1", "overload: nothing stored"},
    {"replicas", "sagas that a peer took over"},
    {"replicas", "running: attached at another replica"},
    {"replicas", "ended well: the stored response at another replica"},
    {"replicas", "zombie's call, STALE_EPOCH"},
    {"replicas", "sagas fenced at their zombie"},
    {"replicas", "leases renewed"},
    {"replicas", "killed its coordinators: parked"},
    {"layer 2", "orders: repeated action, the stored result"},
    {"layer 2", "orders: repeated compensation, the stored result"},
    {"layer 2", "orders: repeated refusal, the stored one"},
    {"layer 2", "orders: null compensation, the mark"},
    {"layer 2", "orders: late action, ALREADY_COMPENSATED"},
    {"layer 2", "orders: lower epoch, STALE_EPOCH"},
    {"layer 2", "orders: old saga, TOO_OLD"},
    {"layer 2", "orders: other payload under a step, refused"},
    {"layer 2", "orders: direct key again, the stored result"},
    {"layer 2", "orders: direct key, other payload, refused"},
    {"layer 2", "customers: repeated action, the stored result"},
    {"layer 2", "customers: repeated compensation, the stored result"},
    {"layer 2", "customers: repeated refusal, the stored one"},
    {"layer 2", "customers: null compensation, the mark"},
    {"layer 2", "customers: late action, ALREADY_COMPENSATED"},
    {"layer 2", "customers: lower epoch, STALE_EPOCH"},
    {"layer 2", "customers: old saga, TOO_OLD"},
    {"layer 2", "customers: other payload under a step, refused"},
    {"layer 2", "customers: direct key again, the stored result"},
    {"layer 2", "customers: direct key, other payload, refused"},
    {"operators", "commands: RETRY_SAGA from PARKED"},
    {"operators", "commands: RETRY_SAGA from COMPENSATING"},
    {"operators", "commands: COMPENSATE_SAGA from RUNNING"},
    {"operators", "commands: nothing to change"},
    {"operators", "commands: SAGA_NOT_PARKED"},
    {"operators", "commands: SAGA_FINAL"},
    {"end", "sagas succeeded"},
    {"end", "sagas compensated"},
    {"end", "sagas parked"},
    {"end", "sagas taken over"},
    {"end", "stock refused"},
    {"end", "direct orders confirmed"},
    {"end", "direct orders cancelled"},
    {"end", "watches resumed"},
};

}  // namespace

void Coverage::Add(const Counts& counts) {
  for (const auto& [name, count] : counts) totals_[name] += count;
}

std::vector<std::string> Coverage::NeverReached() const {
  std::vector<std::string> never;
  for (const Row& row : kRows) {
    const auto found = totals_.find(row.name);
    if (found == totals_.end() || found->second == 0) never.push_back(row.name);
  }
  return never;
}

std::string Coverage::Table() const {
  std::string table;
  std::set<std::string> listed;
  const auto add = [this, &table](const char* group, const std::string& name) {
    const auto found = totals_.find(name);
    absl::StrAppendFormat(&table, "%10d  %-8s %s\n", found == totals_.end() ? 0 : found->second, group, name);
  };
  for (const Row& row : kRows) {
    add(row.group, row.name);
    listed.insert(row.name);
  }
  for (const auto& [name, count] : totals_) {
    if (!listed.contains(name)) add("besides", name);
  }
  return table;
}

}  // namespace sagamesh::simulation
