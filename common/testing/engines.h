#ifndef SAGAMESH_COMMON_TESTING_ENGINES_H_
#define SAGAMESH_COMMON_TESTING_ENGINES_H_

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "common/sql/sqlite.h"
#include "common/testing/sql_servers.h"
#include "common/testing/temp_dir.h"

namespace sagamesh::testing {

// An engine that a store's suite runs on; each Open is an empty database of its own.
struct Engine {
  std::string name;
  std::function<std::unique_ptr<sql::Database>(const Clock&)> open;
};

inline std::ostream& operator<<(std::ostream& out, const Engine& engine) { return out << engine.name; }
inline std::string EngineName(const ::testing::TestParamInfo<Engine>& info) { return info.param.name; }

// A database and what it lives in, which goes with it.
template <typename Home>
class HousedDatabase final : public sql::Database {
 public:
  HousedDatabase(std::unique_ptr<Home> home, std::unique_ptr<sql::Database> database)
      : home_(std::move(home)), database_(std::move(database)) {}

  sql::Dialect dialect() const override { return database_->dialect(); }
  int max_writers() const override { return database_->max_writers(); }
  bool exclusive() const override { return database_->exclusive(); }
  absl::StatusOr<std::unique_ptr<sql::Connection>> Connect(sql::Access access) override {
    return database_->Connect(access);
  }

 private:
  const std::unique_ptr<Home> home_;
  const std::unique_ptr<sql::Database> database_;
};

inline Engine SqliteEngine() {
  return {"sqlite", [](const Clock& clock) {
            auto directory = std::make_unique<TempDir>();
            auto database = sql::MakeSqliteDatabase(directory->Path("store.db"), clock);
            return std::make_unique<HousedDatabase<TempDir>>(std::move(directory), std::move(database));
          }};
}

// The servers that this run has; none in the tier of unit tests.
inline std::vector<Engine> ServerEngines() {
  std::vector<Engine> engines;
  for (const SqlServer& server : SqlServers()) {
    engines.push_back({server.name, [server](const Clock&) {
                         auto scratch = std::make_unique<ScratchDatabase>(server);
                         auto database = sql::MakeMysqlDatabase(scratch->options());
                         return std::make_unique<HousedDatabase<ScratchDatabase>>(std::move(scratch),
                                                                                  std::move(database));
                       }});
  }
  return engines;
}

}  // namespace sagamesh::testing

#endif  // SAGAMESH_COMMON_TESTING_ENGINES_H_
