#ifndef SAGAMESH_TESTS_SIMULATION_CHECKERS_H_
#define SAGAMESH_TESTS_SIMULATION_CHECKERS_H_

#include <deque>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/simulation/clients.h"
#include "tests/simulation/network.h"
#include "tests/simulation/snapshot.h"

namespace sagamesh::simulation {

// One broken invariant of DESIGN section 7, in words.
using Violations = std::vector<std::string>;

template <typename... Parts>
void Add(Violations& violations, const Parts&... parts) {
  violations.push_back(absl::StrCat(parts...));
}

const char* NameOf(engine::Phase phase);

// What is still under way: an order, saga or reservation that is in no final state. Empty at rest.
std::vector<std::string> Unfinished(const Snapshot& snapshot);

// Each looks at one invariant, at rest, and knows nothing of how the system works.
void CheckStock(const Snapshot& snapshot, const std::vector<Answer>& history, Violations& violations);     // 1
void CheckOrders(const Snapshot& snapshot, Violations& violations);                                        // 2
void CheckAnswers(const Snapshot& snapshot, const std::vector<Answer>& history, Violations& violations);   // 3
void CheckKeys(const Snapshot& snapshot, const std::vector<Answer>& history, Violations& violations);      // 4
void CheckTurns(const Snapshot& snapshot, const std::deque<Exchange>& exchanges, Violations& violations);  // 5
void CheckCompensations(const Snapshot& snapshot, Violations& violations);                                 // 6, 7
void CheckEpochs(const Snapshot& snapshot, Violations& violations);                                        // 8
void CheckEnds(const Snapshot& snapshot, Violations& violations);                                          // 9

// What participants answered, call by call, in the order in which the calls arrived.
void CheckCalls(const std::deque<Exchange>& exchanges, Violations& violations);  // 4, 6, 7, 8
// A request that was refused before a saga exists has left nothing behind.
void CheckRejections(const Snapshot& snapshot, const std::deque<Exchange>& exchanges, Violations& violations);  // 4

// All of them.
Violations CheckAll(const Snapshot& snapshot, const std::vector<Answer>& history,
                    const std::deque<Exchange>& exchanges);

// That the saga which its coordinators die of was parked, and killed no more of them than the rule allows: 9. "": there
// was none.
void CheckPoison(const Snapshot& snapshot, const std::string& saga_id, int kills, Violations& violations);

// That calls which came again at rest had no effect: 4, 6.
void CheckUnchanged(const Snapshot& before, const Snapshot& after, Violations& violations);

// Whether the coordinator refused the request before a saga existed.
bool IsRejection(const absl::Status& status);
// What tells a call from another at its callee, so that two with the same have one effect: saga, step and operation, or
// the caller's key; "" for a call that has neither.
std::string IdentityOf(const Exchange& exchange);

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_CHECKERS_H_
