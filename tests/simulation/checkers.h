#ifndef SAGAMESH_TESTS_SIMULATION_CHECKERS_H_
#define SAGAMESH_TESTS_SIMULATION_CHECKERS_H_

#include <string>
#include <vector>

#include "tests/simulation/clients.h"
#include "tests/simulation/snapshot.h"

namespace sagamesh::simulation {

// One broken invariant of DESIGN section 7, in words.
using Violations = std::vector<std::string>;

// What is still under way: an order, saga or reservation that is in no final state. Empty at rest.
std::vector<std::string> Unfinished(const Snapshot& snapshot);

// Each looks at one invariant, at rest, and knows nothing of how the system works.
void CheckStock(const Snapshot& snapshot, const std::vector<Answer>& history, Violations& violations);    // 1
void CheckOrders(const Snapshot& snapshot, Violations& violations);                                       // 2
void CheckAnswers(const Snapshot& snapshot, const std::vector<Answer>& history, Violations& violations);  // 3
void CheckKeys(const Snapshot& snapshot, const std::vector<Answer>& history, Violations& violations);     // 4, 5
void CheckCompensations(const Snapshot& snapshot, Violations& violations);                                // 6, 7
void CheckEpochs(const Snapshot& snapshot, Violations& violations);                                       // 8
void CheckEnds(const Snapshot& snapshot, Violations& violations);                                         // 9

// All of them.
Violations CheckAll(const Snapshot& snapshot, const std::vector<Answer>& history);

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_CHECKERS_H_
