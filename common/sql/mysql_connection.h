#ifndef SAGAMESH_COMMON_SQL_MYSQL_CONNECTION_H_
#define SAGAMESH_COMMON_SQL_MYSQL_CONNECTION_H_

#include <cppconn/connection.h>
#include <cppconn/driver.h>
#include <cppconn/exception.h>
#include <cppconn/prepared_statement.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock/clock.h"
#include "common/exec/mutex.h"
#include "common/sql/mysql.h"
#include "common/sql/mysql_hosts.h"
#include "common/sql/sql.h"

namespace sagamesh::sql {

// A connection as its server knows it: ids start again when the server does, the client's address does not.
struct ServerThread {
  size_t host = 0;
  int64_t id = 0;
  std::string address;
};

// Connections that were lost in the middle of a transaction, until someone has killed them. Thread-safe.
class LostThreads {
 public:
  void Add(ServerThread lost);
  std::vector<ServerThread> Take(size_t host);

 private:
  Mutex mutex_;
  std::vector<ServerThread> lost_ ABSL_GUARDED_BY(mutex_);
};

// What the connections of one database share; outlives them.
struct MysqlShared {
  ::sql::Driver& driver;
  HostChoice choice;
  LostThreads lost;
  SystemClock clock;
};

// What a login found out.
struct MysqlServer {
  bool read_only = false;
  bool durable = true;
};

// One connection to one host. As Connection says; dead also when the term that it was made in has ended.
class MysqlConnection final : public Connection {
 public:
  // UNAVAILABLE if that host is away, or if the connection is not as protected as it must be. The session is the
  // server's default: good for AskReadOnly and KillLost.
  static absl::StatusOr<std::unique_ptr<MysqlConnection>> LogIn(const MysqlOptions& options, HostChoice::Place place,
                                                                MysqlShared& shared);

  MysqlConnection(std::unique_ptr<::sql::Connection> handle, HostChoice::Place place, MysqlShared& shared)
      : shared_(shared), place_(place), handle_(std::move(handle)), used_(shared.clock.Now()) {}

  // The session as the rest of this program expects it.
  absl::StatusOr<MysqlServer> SetUp(const MysqlOptions& options);
  absl::StatusOr<bool> AskReadOnly();
  // As alive(), whichever host is in use.
  bool connected() const { return alive_; }
  // Ends the transactions of connections to this host that were lost.
  absl::Status KillLost();

  Dialect dialect() const override { return Dialect::kMysql; }
  // One that was idle for too long may be closed by the server, so that it is not used any more.
  bool alive() const override {
    return alive_ && shared_.choice.IsCurrent(place_.term) && shared_.clock.Now() - used_ < idle_max_;
  }

  absl::Status Begin() override;
  absl::Status Commit() override;
  absl::Status Rollback() override;
  absl::StatusOr<int64_t> Execute(absl::string_view statement, absl::Span<const Value> parameters) override;
  absl::StatusOr<std::vector<Row>> Query(absl::string_view statement, absl::Span<const Value> parameters) override;

 private:
  using OnError = absl::Status (MysqlConnection::*)(absl::string_view statement, const ::sql::SQLException& error);

  // Runs what may throw. The error decides what becomes of the transaction and the connection.
  template <typename Result>
  absl::StatusOr<Result> Run(absl::string_view statement, absl::AnyInvocable<Result()> call,
                             OnError on_error = &MysqlConnection::Failed);
  absl::Status RunPlain(const char* statement, OnError on_error = &MysqlConnection::Failed);
  absl::Status Failed(absl::string_view statement, const ::sql::SQLException& error);
  // Of what is not known to have failed: UNKNOWN.
  absl::Status CommitFailed(absl::string_view statement, const ::sql::SQLException& error);
  absl::Status SetAutocommit(bool on);
  // Outside a transaction a statement commits alone.
  absl::Status CommitAlone();
  // From here on the server's side of the connection is unknown.
  void Lose();
  ::sql::PreparedStatement& Prepare(absl::string_view text, absl::Span<const Value> parameters);
  absl::Status CheckEncrypted();
  // Which server this is.
  absl::Status Identify();
  absl::Status Kill(const ServerThread& thread);

  MysqlShared& shared_;
  const HostChoice::Place place_;
  const std::unique_ptr<::sql::Connection> handle_;
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  // By their text; they end before the handle.
  std::unordered_map<std::string, std::unique_ptr<::sql::PreparedStatement>, Hash, std::equal_to<>> statements_;
  bool mariadb_ = false;
  std::string process_list_;  // the table; "" until Identify
  ServerThread thread_;
  absl::Duration idle_max_ = absl::InfiniteDuration();  // the server may close an idle connection after this
  absl::Time used_;
  bool alive_ = true;
  bool in_transaction_ = false;
  bool autocommit_ = true;  // as a login leaves it
};

}  // namespace sagamesh::sql

#endif  // SAGAMESH_COMMON_SQL_MYSQL_CONNECTION_H_
