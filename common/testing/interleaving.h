#ifndef SAGAMESH_COMMON_TESTING_INTERLEAVING_H_
#define SAGAMESH_COMMON_TESTING_INTERLEAVING_H_

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/clock/clock.h"
#include "common/exec/threads.h"
#include "common/metrics/metrics.h"
#include "common/random/random.h"
#include "common/testing/pausing_database.h"
#include "common/testing/sql_servers.h"

namespace sagamesh::testing {

// A process on a database that others write to as well; its writers stop where the test says.
struct InterleavedProcess {
  explicit InterleavedProcess(sql::MysqlOptions options, int writers = 1)
      : database(sql::MakeMysqlDatabase(std::move(options)), writers) {}
  ~InterleavedProcess() {
    database.Resume();
    pool->Shutdown();
  }

  PausingDatabase database;
  SystemClock clock;
  std::unique_ptr<Random> random = MakeSystemRandom();
  metrics::Registry registry;
  static constexpr int kWorkers = 3;
  std::unique_ptr<WorkerPool> pool = MakeThreadPool("worker", kWorkers);
};

// Two processes on a database of their own, on each server of the run. A test runs one thing in each, once for every
// place at which one of them may stand still while the other goes as far as it can.
class InterleavingTest : public ::testing::TestWithParam<SqlServer> {
 protected:
  using Done = std::future<void>;

  // Waits until `done` is ready or somebody waits for a lock.
  void UntilDoneOrLocked(const Done& done) {
    const auto looker = sql::MakeMysqlDatabase(scratch_.administrator())->Connect(sql::Access::kRead);
    ASSERT_OK(looker);
    for (int i = 0; i < 100; i++) {
      // The server looks at its transactions anew only if nobody has asked for 100 ms.
      if (done.wait_for(std::chrono::milliseconds(120)) == std::future_status::ready) return;
      // MySQL's innodb_trx cannot be read while a statement runs whose text is no UTF-8.
      const auto waiting =
          (*looker)->Query(GetParam().name == "mysql"
                               ? "SELECT COUNT(*) FROM performance_schema.data_lock_waits"
                               : "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'");
      ASSERT_OK(waiting);
      if ((*waiting)[0].Int(0) > 0) return;
    }
    FAIL() << "neither done nor locked";
  }

  // One thing that a process does: it calls nobody back once its future is ready.
  struct Act {
    PausingDatabase* database;
    std::function<Done()> run;
  };
  // A fresh case: two acts, and what must hold when both have ended.
  struct Case {
    Act one;
    Act other;
    std::function<void()> check;
  };

  // Every place of either act.
  void InEveryOrder(const std::function<Case()>& make) {
    for (const bool swapped : {false, true}) {
      int call = 0;
      while (RunPausedAt(make(), swapped, call)) call++;
      EXPECT_GT(call, 2) << "it hardly ever stood still";
    }
  }

  ScratchDatabase scratch_{GetParam()};

 private:
  // False if the act ended before that call.
  bool RunPausedAt(Case made, bool swapped, int call) {
    Act& paused = swapped ? made.other : made.one;
    Act& running = swapped ? made.one : made.other;
    paused.database->PauseAt(call);
    Done first = paused.run();
    const std::string place = paused.database->AwaitPause(first);
    if (place.empty()) paused.database->Resume();  // it is over: nobody is to stop in its place
    SCOPED_TRACE(absl::StrCat(swapped ? "the other" : "one", " stands before call ", call, ": ", place));
    Done second = running.run();
    UntilDoneOrLocked(second);
    paused.database->Resume();
    first.get();
    second.get();
    made.check();
    return !place.empty() && !HasFailure();
  }
};

}  // namespace sagamesh::testing

#endif  // SAGAMESH_COMMON_TESTING_INTERLEAVING_H_
