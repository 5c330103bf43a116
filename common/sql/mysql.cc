#include "common/sql/mysql.h"

#include <cppconn/datatype.h>
#include <cppconn/driver.h>
#include <cppconn/exception.h>
#include <cppconn/prepared_statement.h>
#include <cppconn/resultset.h>
#include <cppconn/resultset_metadata.h>
#include <mysql_driver.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <unordered_map>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/strings/str_cat.h"
#include "common/clock/clock.h"
#include "common/exec/mutex.h"
#include "common/sql/mysql_errors.h"
#include "common/status/error.h"

namespace sagamesh::sql {
namespace {

constexpr size_t kStatementsMax = 256;
constexpr int kNoSuchThread = 1094;  // ER_NO_SUCH_THREAD

// The client library wants every thread that uses it announced.
void AnnounceThread(::sql::Driver& driver) {
  struct Announcement {
    explicit Announcement(::sql::Driver& driver) : driver(driver) { driver.threadInit(); }
    ~Announcement() { driver.threadEnd(); }
    ::sql::Driver& driver;
  };
  thread_local const Announcement announcement(driver);
}

// A connection as the server knows it: ids start again when the server does, the client's address does not.
struct ServerThread {
  int64_t id = 0;
  std::string address;
};

// Connections that were lost in the middle of a transaction, until someone has killed them.
class LostThreads {
 public:
  void Add(ServerThread lost) {
    MutexLock lock(mutex_);
    lost_.push_back(std::move(lost));
  }
  std::vector<ServerThread> TakeAll() {
    MutexLock lock(mutex_);
    return std::exchange(lost_, {});
  }

 private:
  Mutex mutex_;
  std::vector<ServerThread> lost_ ABSL_GUARDED_BY(mutex_);
};

// What a login found out.
struct Server {
  bool read_only = false;
  bool durable = true;
};

class MysqlConnection final : public Connection {
 public:
  MysqlConnection(::sql::Driver& driver, std::unique_ptr<::sql::Connection> handle, const Clock& clock,
                  LostThreads& lost)
      : driver_(driver), handle_(std::move(handle)), clock_(clock), lost_(lost), used_(clock.Now()) {}

  // The session as the rest of this program expects it. Before any other call.
  absl::StatusOr<Server> SetUp(const MysqlOptions& options);
  // Ends the transactions of connections that were lost.
  absl::Status Kill(const std::vector<ServerThread>& threads);

  Dialect dialect() const override { return Dialect::kMysql; }
  // One that was idle for too long may be closed by the server, so that it is not used any more.
  bool alive() const override { return alive_ && clock_.Now() - used_ < idle_max_; }

  absl::Status Begin() override;
  absl::Status Commit() override;
  absl::Status Rollback() override;
  absl::StatusOr<int64_t> Execute(absl::string_view statement, absl::Span<const Value> parameters) override;
  absl::StatusOr<std::vector<Row>> Query(absl::string_view statement, absl::Span<const Value> parameters) override;

 private:
  // Runs what may throw. The error decides what becomes of the transaction and the connection.
  template <typename Result>
  absl::StatusOr<Result> Run(absl::string_view statement, absl::AnyInvocable<Result()> call);
  absl::Status RunPlain(const char* statement);
  absl::Status Failed(absl::string_view statement, const ::sql::SQLException& error);
  // From here on the server's side of the connection is unknown.
  void Lose();
  ::sql::PreparedStatement& Prepare(absl::string_view text, absl::Span<const Value> parameters);

  ::sql::Driver& driver_;
  const std::unique_ptr<::sql::Connection> handle_;
  std::unordered_map<std::string, std::unique_ptr<::sql::PreparedStatement>> statements_;  // ends before the handle
  const Clock& clock_;
  LostThreads& lost_;
  ServerThread thread_;
  absl::Duration idle_max_ = absl::InfiniteDuration();  // the server may close an idle connection after this
  absl::Time used_;
  bool alive_ = true;
  bool in_transaction_ = false;
};

absl::Status Dead() { return absl::UnavailableError("the database connection is lost"); }

std::string Describe(absl::string_view statement, const ::sql::SQLException& error) {
  return absl::StrCat("mysql: ", error.what(), " (", error.getErrorCode(), ") in ", statement);
}

void Bind(::sql::PreparedStatement& prepared, unsigned int position, const Value& value) {
  if (const auto* number = std::get_if<int64_t>(&value)) {
    prepared.setInt64(position, *number);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    prepared.setString(position, ::sql::SQLString(text->data(), text->size()));
  } else if (const auto* blob = std::get_if<Blob>(&value)) {
    prepared.setString(position, ::sql::SQLString(blob->bytes.data(), blob->bytes.size()));
  } else {
    prepared.setNull(position, ::sql::DataType::SQLNULL);
  }
}

Value ReadValue(::sql::ResultSet& result, unsigned int column, int type) {
  if (result.isNull(column)) return std::monostate{};
  switch (type) {
    case ::sql::DataType::BIT:
    case ::sql::DataType::TINYINT:
    case ::sql::DataType::SMALLINT:
    case ::sql::DataType::MEDIUMINT:
    case ::sql::DataType::INTEGER:
    case ::sql::DataType::BIGINT:
    case ::sql::DataType::DECIMAL:  // of SUM: all our columns are whole numbers
      return static_cast<int64_t>(result.getInt64(column));
    case ::sql::DataType::BINARY:
    case ::sql::DataType::VARBINARY:
    case ::sql::DataType::LONGVARBINARY:
      return Blob{result.getString(column).asStdString()};
    default:
      return result.getString(column).asStdString();
  }
}

std::vector<Row> ReadRows(::sql::ResultSet& result) {
  ::sql::ResultSetMetaData& columns = *result.getMetaData();
  std::vector<int> types;
  for (unsigned int i = 1; i <= columns.getColumnCount(); i++) types.push_back(columns.getColumnType(i));
  std::vector<Row> rows;
  while (result.next()) {
    std::vector<Value> values;
    values.reserve(types.size());
    for (size_t i = 0; i < types.size(); i++) {
      values.push_back(ReadValue(result, static_cast<unsigned int>(i) + 1, types[i]));
    }
    rows.emplace_back(std::move(values));
  }
  return rows;
}

void MysqlConnection::Lose() {
  if (alive_ && in_transaction_) lost_.Add(thread_);
  alive_ = false;
  in_transaction_ = false;
}

absl::Status MysqlConnection::Failed(absl::string_view statement, const ::sql::SQLException& error) {
  const std::string message = Describe(statement, error);
  switch (ClassifyMysqlError(error.getErrorCode())) {
    case MysqlFailure::kRunAgain:
      // A deadlock has rolled back already, a lock wait has not.
      if (in_transaction_) SAGAMESH_RETURN_IF_ERROR(Rollback());
      return absl::AbortedError(message);
    case MysqlFailure::kTaken:
      return absl::AlreadyExistsError(message);
    case MysqlFailure::kLost:
      Lose();
      return absl::UnavailableError(message);
    case MysqlFailure::kDefect:
      return absl::InternalError(message);
  }
  return absl::InternalError(message);
}

template <typename Result>
absl::StatusOr<Result> MysqlConnection::Run(absl::string_view statement, absl::AnyInvocable<Result()> call) {
  if (!alive_) return Dead();
  AnnounceThread(driver_);
  used_ = clock_.Now();
  try {
    return call();
  } catch (const ::sql::SQLException& error) {
    return Failed(statement, error);
  }
}

absl::Status MysqlConnection::RunPlain(const char* statement) {
  return Run<bool>(statement,
                   [this, statement] {
                     const std::unique_ptr<::sql::Statement> plain(handle_->createStatement());
                     return plain->execute(statement);
                   })
      .status();
}

absl::Status MysqlConnection::Begin() {
  SAGAMESH_RETURN_IF_ERROR(RunPlain("START TRANSACTION"));
  in_transaction_ = true;
  return absl::OkStatus();
}

// By a statement: the connector's own commit() discards the server's error.
absl::Status MysqlConnection::Commit() {
  if (!alive_) return Dead();
  if (!in_transaction_) return absl::InternalError("mysql: COMMIT without a transaction");
  AnnounceThread(driver_);
  used_ = clock_.Now();
  try {
    const std::unique_ptr<::sql::Statement> plain(handle_->createStatement());
    plain->execute("COMMIT");
    in_transaction_ = false;
    return absl::OkStatus();
  } catch (const ::sql::SQLException& error) {
    if (ClassifyMysqlError(error.getErrorCode()) == MysqlFailure::kRunAgain) return Failed("COMMIT", error);
    Lose();
    return absl::UnknownError(absl::StrCat("the outcome of COMMIT is not known: ", Describe("COMMIT", error)));
  }
}

absl::Status MysqlConnection::Rollback() {
  if (!alive_) return Dead();
  if (!in_transaction_) return absl::OkStatus();  // an error rolled it back already
  in_transaction_ = false;                        // whatever the answer: a rollback that fails loses the connection
  const absl::Status status = RunPlain("ROLLBACK");
  if (!status.ok()) alive_ = false;
  return status;
}

::sql::PreparedStatement& MysqlConnection::Prepare(absl::string_view text, absl::Span<const Value> parameters) {
  const std::string key(text);
  auto found = statements_.find(key);
  if (found == statements_.end()) {
    // Statements come in a few shapes; only batches of many sizes fill the cache, and those are made again.
    if (statements_.size() >= kStatementsMax) statements_.clear();
    found = statements_.emplace(key, handle_->prepareStatement(key)).first;
  }
  for (size_t i = 0; i < parameters.size(); i++) Bind(*found->second, static_cast<unsigned int>(i) + 1, parameters[i]);
  return *found->second;
}

absl::StatusOr<int64_t> MysqlConnection::Execute(absl::string_view statement, absl::Span<const Value> parameters) {
  return Run<int64_t>(statement, [&]() -> int64_t {
    if (!parameters.empty()) return Prepare(statement, parameters).executeUpdate();
    const std::unique_ptr<::sql::Statement> plain(handle_->createStatement());
    return plain->executeUpdate(std::string(statement));
  });
}

absl::StatusOr<std::vector<Row>> MysqlConnection::Query(absl::string_view statement,
                                                        absl::Span<const Value> parameters) {
  return Run<std::vector<Row>>(statement, [&] {
    std::unique_ptr<::sql::ResultSet> result;
    if (!parameters.empty()) {
      result.reset(Prepare(statement, parameters).executeQuery());
      return ReadRows(*result);
    }
    const std::unique_ptr<::sql::Statement> plain(handle_->createStatement());
    result.reset(plain->executeQuery(std::string(statement)));
    return ReadRows(*result);
  });
}

absl::StatusOr<Server> MysqlConnection::SetUp(const MysqlOptions& options) {
  SAGAMESH_ASSIGN_OR_RETURN(
      const std::vector<Row> found,
      Query("SELECT p.id, p.host, VERSION(), @@global.read_only, @@innodb_flush_log_at_trx_commit, @@log_bin, "
            "@@sync_binlog FROM information_schema.processlist p WHERE p.id = CONNECTION_ID()",
            {}));
  if (found.size() != 1) return absl::UnavailableError("mysql: the server does not know this connection");
  const Row& row = found[0];
  Server server;
  thread_ = {row.Int(0), row.Text(1)};
  const bool mariadb = row.Text(2).find("MariaDB") != std::string::npos;
  server.read_only = row.Int(3) != 0;
  server.durable = row.Int(4) == 1 && (row.Int(5) == 0 || row.Int(6) == 1);
  const int64_t idle_s = std::max<int64_t>(1, absl::ToInt64Seconds(options.idle_transaction_max));
  for (const std::string& statement :
       {std::string("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"),
        std::string("SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO'"),
        absl::StrCat("SET SESSION innodb_lock_wait_timeout = ", absl::ToInt64Seconds(options.lock_wait)),
        absl::StrCat("SET SESSION ", mariadb ? "idle_transaction_timeout" : "wait_timeout", " = ", idle_s)}) {
    SAGAMESH_RETURN_IF_ERROR(Execute(statement, {}).status());
  }
  // MySQL's wait_timeout also ends a connection between transactions: it is given up in time, not found dead.
  idle_max_ = mariadb ? absl::InfiniteDuration() : absl::Seconds(idle_s) / 2;
  return server;
}

absl::Status MysqlConnection::Kill(const std::vector<ServerThread>& threads) {
  for (const ServerThread& thread : threads) {
    const Value parameters[] = {thread.id, thread.address};
    SAGAMESH_ASSIGN_OR_RETURN(
        const std::vector<Row> found,
        Query("SELECT id FROM information_schema.processlist WHERE id = ? AND host = ?", parameters));
    if (found.empty()) continue;
    spdlog::info("mysql: killing connection {} of {}, lost in a transaction", thread.id, thread.address);
    try {
      const std::unique_ptr<::sql::Statement> plain(handle_->createStatement());
      plain->execute(absl::StrCat("KILL CONNECTION ", thread.id));
    } catch (const ::sql::SQLException& error) {
      if (error.getErrorCode() != kNoSuchThread) return Failed("KILL", error);
    }
  }
  return absl::OkStatus();
}

class MysqlDatabase final : public Database {
 public:
  explicit MysqlDatabase(MysqlOptions options)
      : options_(std::move(options)), driver_(*::sql::mysql::get_driver_instance()) {}

  Dialect dialect() const override { return Dialect::kMysql; }
  int max_writers() const override { return options_.max_writers; }
  absl::StatusOr<std::unique_ptr<Connection>> Connect(Access access) override;

 private:
  absl::StatusOr<std::unique_ptr<MysqlConnection>> LogIn();
  absl::Status CheckDurable(const Server& server);
  std::string Name() const { return absl::StrCat(options_.host, ":", options_.port, "/", options_.database); }

  const MysqlOptions options_;
  const SystemClock clock_;
  ::sql::Driver& driver_;
  LostThreads lost_;
  std::atomic<bool> was_durable_{false};
};

absl::StatusOr<std::unique_ptr<MysqlConnection>> MysqlDatabase::LogIn() {
  AnnounceThread(driver_);
  ::sql::ConnectOptionsMap login;
  login["hostName"] = absl::StrCat("tcp://", options_.host, ":", options_.port);
  login["userName"] = options_.user;
  login["password"] = options_.password;
  login["schema"] = options_.database;
  login["OPT_CHARSET_NAME"] = std::string("utf8mb4");
  login["OPT_RECONNECT"] = false;
  // Count the rows that an UPDATE finds, as SQLite does, not only those that it makes different.
  login["CLIENT_FOUND_ROWS"] = true;
  login["OPT_CONNECT_TIMEOUT"] = static_cast<int>(absl::ToInt64Seconds(options_.connect_timeout));
  login["OPT_READ_TIMEOUT"] = static_cast<int>(absl::ToInt64Seconds(options_.answer_timeout));
  login["OPT_WRITE_TIMEOUT"] = static_cast<int>(absl::ToInt64Seconds(options_.answer_timeout));
  try {
    std::unique_ptr<::sql::Connection> handle(driver_.connect(login));
    return std::make_unique<MysqlConnection>(driver_, std::move(handle), clock_, lost_);
  } catch (const ::sql::SQLException& error) {
    return absl::UnavailableError(
        absl::StrCat("cannot connect to ", Name(), ": ", error.what(), " (", error.getErrorCode(), ")"));
  }
}

absl::Status MysqlDatabase::CheckDurable(const Server& server) {
  if (server.durable) {
    was_durable_ = true;
    return absl::OkStatus();
  }
  const std::string what = absl::StrCat("COMMIT is not durable on ", Name(),
                                        ": innodb_flush_log_at_trx_commit and, with a binlog, sync_binlog must be 1");
  if (options_.allow_relaxed_durability) {
    spdlog::warn("{}", what);
    return absl::OkStatus();
  }
  return was_durable_ ? absl::UnavailableError(what) : absl::FailedPreconditionError(what);
}

absl::StatusOr<std::unique_ptr<Connection>> MysqlDatabase::Connect(Access access) {
  SAGAMESH_ASSIGN_OR_RETURN(std::unique_ptr<MysqlConnection> connection, LogIn());
  const absl::StatusOr<Server> server = connection->SetUp(options_);
  if (!server.ok()) return absl::UnavailableError(server.status().message());
  SAGAMESH_RETURN_IF_ERROR(CheckDurable(*server));
  if (access == Access::kWrite && server->read_only) {
    return absl::UnavailableError(absl::StrCat(Name(), " is read-only"));
  }
  const std::vector<ServerThread> lost = lost_.TakeAll();
  if (absl::Status status = connection->Kill(lost); !status.ok()) {
    for (const ServerThread& thread : lost) lost_.Add(thread);
    return absl::UnavailableError(status.message());
  }
  return connection;
}

}  // namespace

std::unique_ptr<Database> MakeMysqlDatabase(MysqlOptions options) {
  return std::make_unique<MysqlDatabase>(std::move(options));
}

}  // namespace sagamesh::sql
