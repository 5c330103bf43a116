#ifndef SAGAMESH_TESTS_SIMULATION_MYSQL_THREADED_DATABASE_H_
#define SAGAMESH_TESTS_SIMULATION_MYSQL_THREADED_DATABASE_H_

#include <memory>

#include "absl/time/time.h"
#include "common/clock/clock.h"
#include "common/sql/sql.h"
#include "common/testing/engines.h"

namespace sagamesh::simulation::mysql {

// The simulation's MySQL for tests on threads: an empty database of its own, thread-safe as a real one is. Waits for
// locks take real time, at most `lock_wait`.
std::unique_ptr<sql::Database> MakeThreadedDatabase(const Clock& clock, absl::Duration lock_wait = absl::Seconds(2));

// As an engine of the suites that run on every engine.
inline testing::Engine SimulatedEngine() {
  return {"simulated", [](const Clock& clock) { return MakeThreadedDatabase(clock); }};
}

}  // namespace sagamesh::simulation::mysql

#endif  // SAGAMESH_TESTS_SIMULATION_MYSQL_THREADED_DATABASE_H_
