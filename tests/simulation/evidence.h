#ifndef SAGAMESH_TESTS_SIMULATION_EVIDENCE_H_
#define SAGAMESH_TESTS_SIMULATION_EVIDENCE_H_

#include <deque>
#include <vector>

#include "tests/simulation/clients.h"
#include "tests/simulation/coverage.h"
#include "tests/simulation/network.h"
#include "tests/simulation/snapshot.h"

namespace sagamesh::simulation {

// Counts how often each row of the tables of docs/semantics.md was reached, from the outside: by what clients and
// callers were told and by the rows that are left. Where that leaves a doubt, it does not count.
void CountLayer1(const Snapshot& snapshot, const std::vector<Answer>& history, const std::deque<Exchange>& exchanges,
                 Counts& counts);
void CountLayer2(const Snapshot& snapshot, const std::deque<Exchange>& exchanges, Counts& counts);
// What only several replicas do: sagas that pass from one to the other, and callers of one saga at several.
void CountReplicas(const std::vector<Answer>& history, const std::deque<Exchange>& exchanges, Counts& counts);
// Batches of steps, as participants got them, and what became of them.
void CountBatches(const std::deque<Exchange>& exchanges, Counts& counts);
// How sagas and direct orders ended, and what was refused for want of room.
void CountEnds(const Snapshot& snapshot, const std::deque<Exchange>& exchanges, Counts& counts);

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_EVIDENCE_H_
