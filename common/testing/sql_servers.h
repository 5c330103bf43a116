#ifndef SAGAMESH_COMMON_TESTING_SQL_SERVERS_H_
#define SAGAMESH_COMMON_TESTING_SQL_SERVERS_H_

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/clock/clock.h"
#include "common/sql/mysql.h"
#include "common/testing/status_matchers.h"

namespace sagamesh::testing {

// A real database server that the tests have to themselves.
struct SqlServer {
  std::string name;     // "mariadb", "mysql"
  std::string address;  // "127.0.0.1:23306"
};

inline std::ostream& operator<<(std::ostream& out, const SqlServer& server) { return out << server.name; }

// From SAGAMESH_TEST_SERVERS, "NAME=HOST:PORT ..."; tests/databases/servers.py starts them and sets it.
inline std::vector<SqlServer> SqlServers() {
  const char* given = getenv("SAGAMESH_TEST_SERVERS");
  std::vector<SqlServer> servers;
  for (absl::string_view entry : absl::StrSplit(given == nullptr ? "" : given, ' ', absl::SkipEmpty())) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(entry, absl::MaxSplits('=', 1));
    servers.push_back({parts.first, parts.second});
  }
  return servers;
}

// A database of a test's own on a server, gone with it.
class ScratchDatabase {
 public:
  explicit ScratchDatabase(const SqlServer& server) : server_(server) {
    static int count = 0;
    name_ = absl::StrCat("sagamesh_test_", getpid(), "_", count++);
    Administer(absl::StrCat("CREATE DATABASE ", name_));
  }
  ~ScratchDatabase() { Administer(absl::StrCat("DROP DATABASE ", name_)); }
  ScratchDatabase(const ScratchDatabase&) = delete;
  ScratchDatabase& operator=(const ScratchDatabase&) = delete;

  // As a service logs in.
  sql::MysqlOptions options() const { return Options("sagamesh", "service-secret", name_); }
  // As one who may do everything, outside the scratch database.
  sql::MysqlOptions administrator() const { return Options("admin", "admin-secret", "information_schema"); }

  // Runs a statement as an administrator.
  void Administer(const std::string& statement) const {
    const auto database = sql::MakeMysqlDatabase(administrator());
    const auto connection = database->Connect(sql::Access::kRead);
    ASSERT_OK(connection);
    ASSERT_OK((*connection)->Execute(statement));
  }

 private:
  sql::MysqlOptions Options(const std::string& user, const std::string& password, const std::string& database) const {
    absl::StatusOr<sql::MysqlOptions> options =
        sql::ParseMysqlUrl(absl::StrCat("mysql://", user, "@", server_.address, "/", database));
    EXPECT_OK(options);
    if (!options.ok()) return {};
    options->password = password;
    options->allow_relaxed_durability = true;
    return *options;
  }

  const SqlServer server_;
  std::string name_;
};

}  // namespace sagamesh::testing

#endif  // SAGAMESH_COMMON_TESTING_SQL_SERVERS_H_
