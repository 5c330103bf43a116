// The simulation's MySQL beside a real MariaDB: the same random programs of a few transactions that meet on a few rows,
// a statement at a time. Each statement must answer the same, and wait for a lock where the other does. (Oracle's MySQL
// gives locks in another order than that of the requests.)

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/testing/fake_clock.h"
#include "common/testing/sql_servers.h"
#include "common/testing/status_matchers.h"
#include "tests/simulation/mysql/server.h"
#include "tests/simulation/rng.h"
#include "tests/simulation/scheduler.h"

namespace sagamesh::simulation::mysql {
namespace {

using ::sagamesh::testing::FakeClock;
using ::sagamesh::testing::ScratchDatabase;
using ::sagamesh::testing::SqlServer;
using ::sagamesh::testing::SqlServers;

constexpr char kTable[] = "CREATE TABLE t (k BIGINT NOT NULL PRIMARY KEY, g BIGINT, v BIGINT NOT NULL, KEY by_g (g))";
constexpr uint64_t kCases = 60;
constexpr int kClients = 3;
constexpr int kSteps = 25;
constexpr int kKeys = 5;
// A real server may be slow to answer; for a statement that is to wait it is given so long to answer all the same.
constexpr std::chrono::seconds kAnswerMax(20);
constexpr std::chrono::milliseconds kSilenceMin(40);

std::string Outcome(const absl::StatusOr<int64_t>& changed) {
  return changed.ok() ? absl::StrCat(*changed) : absl::StatusCodeToString(changed.status().code());
}

std::string Outcome(const absl::StatusOr<std::vector<sql::Row>>& rows) {
  if (!rows.ok()) return absl::StatusCodeToString(rows.status().code());
  return absl::StrJoin(*rows, " ", [](std::string* out, const sql::Row& row) {
    absl::StrAppend(out, row.Int(0), "/", row.IsNull(1) ? "NULL" : absl::StrCat(row.Int(1)), "/", row.Int(2));
  });
}

std::string RunOn(sql::Connection& connection, const std::string& text) {
  if (text == "BEGIN") return absl::StatusCodeToString(connection.Begin().code());
  if (text == "COMMIT") return absl::StatusCodeToString(connection.Commit().code());
  if (text == "ROLLBACK") return absl::StatusCodeToString(connection.Rollback().code());
  return text.substr(0, 6) == "SELECT" ? Outcome(connection.Query(text)) : Outcome(connection.Execute(text));
}

// Each client of the simulated server is a fibre; a step runs all until nobody can go on.
class Simulated {
 public:
  Simulated() {
    for (int i = 0; i < kClients; i++) clients_.push_back(std::make_unique<Client>(*this));
    EXPECT_OK(session(0).Execute(kTable));
  }

  ~Simulated() {
    for (const auto& client : clients_) client->session.Abort();
    while (scheduler_.Step()) {
    }
  }

  void Ask(int client, const std::string& text) {
    clients_[client]->outcome.reset();
    scheduler_.Spawn([this, client, text] { clients_[client]->outcome = RunOn(clients_[client]->session, text); });
    while (scheduler_.Step()) {
    }
  }
  // nullopt: it waits.
  const std::optional<std::string>& outcome(int client) const { return clients_[client]->outcome; }
  Session& session(int client) { return clients_[client]->session; }
  int64_t deadlocks() const { return server_.lock_counts().deadlocks; }

 private:
  struct Client final : Waiter {
    explicit Client(Simulated& simulated) : scheduler(simulated.scheduler_), session(simulated.server_, *this) {}
    bool Wait(absl::FunctionRef<bool()> ended) override {
      fibre = scheduler.current();
      while (!ended()) scheduler.Park();
      return true;
    }
    void Wake() override { scheduler.Wake(fibre); }

    Scheduler& scheduler;
    uint64_t fibre = 0;
    Session session;
    std::optional<std::string> outcome = "";
  };

  FakeClock clock_;
  Scheduler scheduler_{1};
  Server server_{clock_};
  std::vector<std::unique_ptr<Client>> clients_;
};

class Program {
 public:
  explicit Program(uint64_t seed) : rng_(seed) {}

  int Client() { return static_cast<int>(rng_.Below(kClients)); }

  std::string Statement(bool in_transaction) {
    if (!in_transaction && rng_.Chance(0.7)) return "BEGIN";
    if (in_transaction && rng_.Chance(0.2)) return rng_.Chance(0.7) ? "COMMIT" : "ROLLBACK";
    switch (rng_.Below(8)) {
      case 0:
        return absl::StrCat("SELECT k, g, v FROM t WHERE ", rng_.Chance(0.5) ? Where() : absl::StrCat("g = ", Group()),
                            " ORDER BY k");
      case 1:
        return absl::StrCat("SELECT k, g, v FROM t WHERE ", Where(), " ORDER BY k FOR UPDATE");
      case 2:
        return absl::StrCat("SELECT k, g, v FROM t WHERE ", Where(), " ORDER BY k LOCK IN SHARE MODE");
      case 3:
      case 4:
        return absl::StrCat("UPDATE t SET ", rng_.Chance(0.5) ? "v = v + 1" : absl::StrCat("g = ", Group()), " WHERE ",
                            Where());
      case 5:
        return absl::StrCat("DELETE FROM t WHERE ", Where());
      case 6:
        return absl::StrCat("INSERT INTO t VALUES (", Key(), ", ", Group(), ", 0)");
      default:
        return absl::StrCat("INSERT INTO t VALUES (", Key(), ", ", Group(), ", 0), (", Key(), ", ", Group(),
                            ", 0) ON DUPLICATE KEY UPDATE ", rng_.Chance(0.5) ? "k = k" : "v = v + 10");
    }
  }

 private:
  uint64_t Key() { return 1 + rng_.Below(kKeys); }
  uint64_t Group() { return rng_.Below(3); }
  // By the primary key or none: no store of ours locks by another, whose entries InnoDB locks too. Ranges end before a
  // row that nobody has locked: InnoDB waits for the one after the range as well.
  std::string Where() {
    switch (rng_.Below(5)) {
      case 0:
        return absl::StrCat("k IN (", Key(), ", ", Key(), ")");
      case 1:
        return absl::StrCat("k >= ", Key(), " AND k < 1000");
      case 2:
        return absl::StrCat("v = ", rng_.Below(3));
      case 3:
        return absl::StrCat("k = ", Key(), " AND v = ", rng_.Below(3));
      default:
        return absl::StrCat("k = ", Key());
    }
  }

  Rng rng_;
};

// One run of a program on both.
class Race {
 public:
  Race(std::vector<std::unique_ptr<sql::Connection>>& real, uint64_t seed) : real_(real), program_(seed) {}
  // Whoever still waits does so for one who does not.
  ~Race() {
    while (!asked_.empty()) {
      for (int client = 0; client < kClients; client++) {
        if (asked_.contains(client)) continue;
        EXPECT_OK(real_[client]->Rollback());
      }
      std::erase_if(asked_,
                    [](auto& entry) { return entry.second.wait_for(kSilenceMin) == std::future_status::ready; });
    }
    for (const auto& connection : real_) EXPECT_OK(connection->Rollback());
  }

  // On one who has answered.
  void Both(const std::string& text) {
    EXPECT_OK(simulated_.session(0).Execute(text));
    EXPECT_OK(real_[0]->Execute(text));
  }
  void Run() {
    for (int step = 0; step < kSteps && !over_; step++) {
      const int client = program_.Client();
      const std::string text = program_.Statement(in_transaction_[client]);
      if (!asked_.contains(client)) Ask(client, text);
    }
    for (int round = 0; round < kClients; round++) {
      for (int client = 0; client < kClients && !over_; client++) {
        if (in_transaction_[client] && !asked_.contains(client)) Ask(client, "COMMIT");
      }
    }
    if (!over_) Ask(0, "SELECT k, g, v FROM t WHERE k < 1000 ORDER BY k");
  }
  // How they went apart; "" if they did not.
  std::string apart() const { return apart_ ? absl::StrJoin(story_, "\n") : ""; }

 private:
  void Ask(int client, const std::string& text) {
    story_.push_back(absl::StrCat(client, " ", text));
    const int64_t deadlocks = simulated_.deadlocks();
    simulated_.Ask(client, text);
    asked_[client] = std::async(std::launch::async, [this, client, text] { return RunOn(*real_[client], text); });
    if (text == "BEGIN") in_transaction_[client] = true;
    if (text == "COMMIT" || text == "ROLLBACK") in_transaction_[client] = false;
    deleting_[client] = (deleting_[client] && text != "BEGIN") || text.substr(0, 6) == "DELETE";
    // What who waits for a row that is then gone keeps locked depends on how InnoDB came by it.
    const bool may_go = deleting_[client] && !in_transaction_[client] && asked_.size() > 1;
    if (simulated_.deadlocks() > deadlocks) {
      ExpectDeadlock();
    } else {
      for (int asked = 0; asked < kClients; asked++) {
        if (asked_.contains(asked)) Compare(asked);
      }
    }
    over_ = over_ || may_go;
  }

  void Compare(int client) {
    std::future<std::string>& answer = asked_[client];
    const std::string expected = simulated_.outcome(client).value_or("waits");
    const auto patience = expected == "waits" ? std::chrono::milliseconds(kSilenceMin) : kAnswerMax;
    const bool answered = answer.wait_for(patience) == std::future_status::ready;
    const std::string real = answered ? answer.get() : "waits";
    if (answered) asked_.erase(client);
    story_.push_back(absl::StrCat("  ", client, ": ", expected, real == expected ? "" : ", but really " + real));
    apart_ = apart_ || real != expected;
    over_ = over_ || apart_;
  }

  // Servers do not agree on whom to roll back. The program ends here.
  void ExpectDeadlock() {
    over_ = true;
    story_.push_back("  a deadlock");
    for (auto now = std::chrono::milliseconds(0); now < kAnswerMax; now += kSilenceMin) {
      for (auto& [client, answer] : asked_) {
        if (answer.wait_for(kSilenceMin) != std::future_status::ready) continue;
        const std::string real = answer.get();
        asked_.erase(client);
        if (real == "ABORTED") return;
        break;
      }
    }
    apart_ = true;
  }

  std::vector<std::unique_ptr<sql::Connection>>& real_;
  Simulated simulated_;
  Program program_;
  std::map<int, std::future<std::string>> asked_;  // who has not answered
  std::vector<bool> in_transaction_ = std::vector<bool>(kClients);
  std::vector<bool> deleting_ = std::vector<bool>(kClients);  // rows, since BEGIN
  std::vector<std::string> story_;
  bool over_ = false;
  bool apart_ = false;
};

class InnodbTest : public ::testing::TestWithParam<SqlServer> {
 protected:
  InnodbTest() {
    sql::MysqlOptions options = scratch_.options();
    options.lock_wait = absl::Minutes(1);
    options.idle_transaction_max = absl::Minutes(10);
    options.answer_timeout = absl::Minutes(2);
    database_ = sql::MakeMysqlDatabase(options);
    for (int i = 0; i < kClients; i++) real_.push_back(*database_->Connect(sql::Access::kWrite));
    ExecuteReal(kTable);
    // Far from the rows of the programs: so that the optimizer looks at indexes.
    std::vector<std::string> rows;
    for (int k = 1000; k < 1500; k++) rows.push_back(absl::StrCat("(", k, ", ", k, ", 1000)"));
    ExecuteReal(absl::StrCat("INSERT INTO t VALUES ", absl::StrJoin(rows, ",")));
    EXPECT_OK(real_[0]->Query("ANALYZE TABLE t"));
    // What is deleted stays marked as such while somebody looks at what was before, so that no chance is in it.
    snapshot_ = *database_->Connect(sql::Access::kRead);
    EXPECT_OK(snapshot_->Execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"));
    EXPECT_OK(snapshot_->Execute("START TRANSACTION WITH CONSISTENT SNAPSHOT"));
  }

  void ExecuteReal(const std::string& text) { ASSERT_OK(real_[0]->Execute(text)); }

  ScratchDatabase scratch_{GetParam()};
  std::unique_ptr<sql::Database> database_;
  std::vector<std::unique_ptr<sql::Connection>> real_;
  std::unique_ptr<sql::Connection> snapshot_;
};

TEST_P(InnodbTest, DoesAndWaitsAsTheSimulatedOneDoes) {
  for (uint64_t seed = 1; seed <= kCases; seed++) {
    ExecuteReal("DELETE FROM t WHERE k < 1000");
    Race race(real_, seed);
    race.Both("INSERT INTO t VALUES (1, 0, 0), (2, 1, 0), (3, 0, 1)");
    race.Run();
    EXPECT_TRUE(race.apart().empty()) << "seed " << seed << ":\n" << race.apart();
  }
}

std::vector<SqlServer> MariaDbs() {
  std::vector<SqlServer> servers = SqlServers();
  std::erase_if(servers, [](const SqlServer& server) { return server.name != "mariadb"; });
  return servers;
}

INSTANTIATE_TEST_SUITE_P(Servers, InnodbTest, ::testing::ValuesIn(MariaDbs()),
                         [](const auto& info) { return info.param.name; });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(InnodbTest);

}  // namespace
}  // namespace sagamesh::simulation::mysql
