#ifndef SAGAMESH_COMMON_TESTING_ENGINES_H_
#define SAGAMESH_COMMON_TESTING_ENGINES_H_

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/sql/sqlite.h"
#include "common/testing/sql_servers.h"

namespace sagamesh::testing {

// An engine that a store's suite runs on; each Open is an empty database of its own.
struct Engine {
  std::string name;
  std::function<std::unique_ptr<sql::Database>(const Clock&)> open;
};

inline std::ostream& operator<<(std::ostream& out, const Engine& engine) { return out << engine.name; }
inline std::string EngineName(const ::testing::TestParamInfo<Engine>& info) { return info.param.name; }

inline Engine SqliteEngine() {
  return {"sqlite", [](const Clock& clock) {
            static int count = 0;
            return sql::MakeSqliteDatabase(absl::StrCat("file:/engine-", count++, "?vfs=memdb"), clock);
          }};
}

// The servers that this run has; none in the tier of unit tests.
inline std::vector<Engine> ServerEngines() {
  class Scratch final : public sql::Database {
   public:
    explicit Scratch(const SqlServer& server)
        : scratch_(server), database_(sql::MakeMysqlDatabase(scratch_.options())) {}
    sql::Dialect dialect() const override { return database_->dialect(); }
    int max_writers() const override { return database_->max_writers(); }
    absl::StatusOr<std::unique_ptr<sql::Connection>> Connect(sql::Access access) override {
      return database_->Connect(access);
    }

   private:
    ScratchDatabase scratch_;
    std::unique_ptr<sql::Database> database_;
  };
  std::vector<Engine> engines;
  for (const SqlServer& server : SqlServers()) {
    engines.push_back({server.name, [server](const Clock&) { return std::make_unique<Scratch>(server); }});
  }
  return engines;
}

}  // namespace sagamesh::testing

#endif  // SAGAMESH_COMMON_TESTING_ENGINES_H_
