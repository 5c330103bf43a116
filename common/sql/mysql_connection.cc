#include "common/sql/mysql_connection.h"

#include <cppconn/datatype.h>
#include <cppconn/driver.h>
#include <cppconn/exception.h>
#include <cppconn/prepared_statement.h>
#include <cppconn/resultset.h>
#include <cppconn/resultset_metadata.h>
#include <mysql_driver.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/sql/mysql_errors.h"
#include "common/status/error.h"

namespace sagamesh::sql {
namespace {

constexpr size_t kStatementsMax = 512;
constexpr int kNoSuchThread = 1094;  // ER_NO_SUCH_THREAD
// A connection that was idle for less than this is as one in use: what is lost then is lost as in a transaction.
constexpr absl::Duration kTrustedIdle = absl::Milliseconds(100);

// The client library wants every thread that uses it announced.
void AnnounceThread(::sql::Driver& driver) {
  struct Announcement {
    explicit Announcement(::sql::Driver& driver) : driver(driver) { driver.threadInit(); }
    ~Announcement() { driver.threadEnd(); }
    ::sql::Driver& driver;
  };
  thread_local const Announcement announcement(driver);
}

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

void AskForTls(const MysqlTls& tls, ::sql::ConnectOptionsMap& login) {
  if (tls.mode == TlsMode::kDisabled) return;
  login["sslEnforce"] = true;
  // Checks the chain and the name, and is what makes the client library insist before it sends the password.
  if (tls.mode == TlsMode::kVerifyIdentity) login["sslVerify"] = true;
  if (!tls.ca.empty()) login["sslCA"] = tls.ca;
  if (!tls.certificate.empty()) login["sslCert"] = tls.certificate;
  if (!tls.key.empty()) login["sslKey"] = tls.key;
}

}  // namespace

void LostThreads::Add(ServerThread lost) {
  MutexLock lock(mutex_);
  lost_.push_back(std::move(lost));
}

std::vector<ServerThread> LostThreads::Take(size_t host) {
  MutexLock lock(mutex_);
  const auto taken = std::stable_partition(lost_.begin(), lost_.end(),
                                           [host](const ServerThread& thread) { return thread.host != host; });
  std::vector<ServerThread> threads(std::make_move_iterator(taken), std::make_move_iterator(lost_.end()));
  lost_.erase(taken, lost_.end());
  return threads;
}

absl::StatusOr<std::unique_ptr<MysqlConnection>> MysqlConnection::LogIn(const MysqlOptions& options,
                                                                        HostChoice::Place place, MysqlShared& shared) {
  AnnounceThread(shared.driver);
  ::sql::ConnectOptionsMap login;
  login["hostName"] = absl::StrCat("tcp://", shared.choice.names()[place.host]);
  login["userName"] = options.user;
  login["password"] = options.password;
  login["schema"] = options.database;
  login["OPT_CHARSET_NAME"] = std::string("utf8mb4");
  login["OPT_RECONNECT"] = false;
  // Count the rows that an UPDATE finds, as SQLite does, not only those that it makes different.
  login["CLIENT_FOUND_ROWS"] = true;
  login["OPT_CONNECT_TIMEOUT"] = static_cast<int>(absl::ToInt64Seconds(options.connect_timeout));
  login["OPT_READ_TIMEOUT"] = static_cast<int>(absl::ToInt64Seconds(options.answer_timeout));
  login["OPT_WRITE_TIMEOUT"] = static_cast<int>(absl::ToInt64Seconds(options.answer_timeout));
  AskForTls(options.tls, login);
  std::unique_ptr<MysqlConnection> connection;
  try {
    std::unique_ptr<::sql::Connection> handle(shared.driver.connect(login));
    connection = std::make_unique<MysqlConnection>(std::move(handle), place, shared);
  } catch (const ::sql::SQLException& error) {
    return absl::UnavailableError(absl::StrCat("cannot connect: ", error.what(), " (", error.getErrorCode(), ")"));
  }
  if (options.tls.mode != TlsMode::kDisabled) SAGAMESH_RETURN_IF_ERROR(connection->CheckEncrypted());
  return connection;
}

// The client library goes on without encryption, whatever it was told, where the server has none.
absl::Status MysqlConnection::CheckEncrypted() {
  SAGAMESH_ASSIGN_OR_RETURN(const std::vector<Row> rows, Query("SHOW SESSION STATUS LIKE 'Ssl_cipher'", {}));
  if (rows.size() == 1 && !rows[0].Text(1).empty()) return absl::OkStatus();
  return absl::UnavailableError("the server has no TLS, which ssl-mode asks for");
}

void MysqlConnection::Lose() {
  if (alive_ && in_transaction_) shared_.lost.Add(thread_);
  alive_ = false;
  in_transaction_ = false;
  shared_.choice.Doubt();
}

absl::Status MysqlConnection::Failed(absl::string_view statement, const ::sql::SQLException& error) {
  const std::string message = Describe(statement, error);
  switch (ClassifyMysqlError(error.getErrorCode())) {
    case MysqlFailure::kRunAgain:
      // A deadlock has rolled back already, a lock wait has not.
      if (in_transaction_) SAGAMESH_RETURN_IF_ERROR(Rollback());
      return absl::AbortedError(message);
    case MysqlFailure::kReadOnly:
      // Of a COMMIT too, which the server has rolled back then. Another host may be the one to write to now.
      if (in_transaction_) Rollback().IgnoreError();
      Lose();
      return absl::UnavailableError(message);
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

absl::Status MysqlConnection::CommitFailed(absl::string_view statement, const ::sql::SQLException& error) {
  const MysqlFailure failure = ClassifyMysqlError(error.getErrorCode());
  if (failure == MysqlFailure::kRunAgain || failure == MysqlFailure::kReadOnly) return Failed(statement, error);
  Lose();
  return absl::UnknownError(absl::StrCat("the outcome of COMMIT is not known: ", Describe(statement, error)));
}

template <typename Result>
absl::StatusOr<Result> MysqlConnection::Run(absl::string_view statement, absl::AnyInvocable<Result()> call,
                                            OnError on_error) {
  if (!alive_) return Dead();
  AnnounceThread(shared_.driver);
  used_ = shared_.clock.Now();
  try {
    return call();
  } catch (const ::sql::SQLException& error) {
    return (this->*on_error)(statement, error);
  }
}

absl::Status MysqlConnection::RunPlain(const char* statement, OnError on_error) {
  return Run<bool>(
             statement,
             [this, statement] {
               const std::unique_ptr<::sql::Statement> plain(handle_->createStatement());
               return plain->execute(statement);
             },
             on_error)
      .status();
}

// A session without autocommit begins a transaction by its first statement, which saves a round trip. One that was idle
// asks all the same: what was lost since must show here, where nothing is lost by it.
absl::Status MysqlConnection::Begin() {
  if (!alive_) return Dead();
  if (autocommit_) {
    SAGAMESH_RETURN_IF_ERROR(SetAutocommit(false));
  } else if (shared_.clock.Now() - used_ >= kTrustedIdle) {
    SAGAMESH_RETURN_IF_ERROR(RunPlain("START TRANSACTION"));
  }
  in_transaction_ = true;
  return absl::OkStatus();
}

// By a statement, as COMMIT below.
absl::Status MysqlConnection::SetAutocommit(bool on) {
  SAGAMESH_RETURN_IF_ERROR(RunPlain(on ? "SET autocommit = 1" : "SET autocommit = 0"));
  autocommit_ = on;
  return absl::OkStatus();
}

absl::Status MysqlConnection::CommitAlone() {
  return in_transaction_ || autocommit_ ? absl::OkStatus() : SetAutocommit(true);
}

// By a statement: the connector's own commit() discards the server's error.
absl::Status MysqlConnection::Commit() {
  if (!alive_) return Dead();
  if (!in_transaction_) return absl::InternalError("mysql: COMMIT without a transaction");
  SAGAMESH_RETURN_IF_ERROR(RunPlain("COMMIT", &MysqlConnection::CommitFailed));
  in_transaction_ = false;
  return absl::OkStatus();
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
  auto found = statements_.find(std::string_view(text.data(), text.size()));
  if (found == statements_.end()) {
    // Statements come in a few shapes, each with few counts of rows: what fills the cache all the same is made again.
    if (statements_.size() >= kStatementsMax) statements_.clear();
    std::string key(text);
    std::unique_ptr<::sql::PreparedStatement> prepared(handle_->prepareStatement(key));
    found = statements_.emplace(std::move(key), std::move(prepared)).first;
  }
  for (size_t i = 0; i < parameters.size(); i++) Bind(*found->second, static_cast<unsigned int>(i) + 1, parameters[i]);
  return *found->second;
}

absl::StatusOr<int64_t> MysqlConnection::Execute(absl::string_view statement, absl::Span<const Value> parameters) {
  SAGAMESH_RETURN_IF_ERROR(CommitAlone());
  const absl::StatusOr<int64_t> changed = Run<int64_t>(statement, [&]() -> int64_t {
    if (!parameters.empty()) return Prepare(statement, parameters).executeUpdate();
    const std::unique_ptr<::sql::Statement> plain(handle_->createStatement());
    return plain->executeUpdate(std::string(statement));
  });
  if (changed.ok() && *changed > 0) shared_.choice.Wrote(place_.term, used_);
  return changed;
}

absl::StatusOr<std::vector<Row>> MysqlConnection::Query(absl::string_view statement,
                                                        absl::Span<const Value> parameters) {
  SAGAMESH_RETURN_IF_ERROR(CommitAlone());
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

absl::Status MysqlConnection::Identify() {
  if (!process_list_.empty()) return absl::OkStatus();
  SAGAMESH_ASSIGN_OR_RETURN(const std::vector<Row> rows, Query("SELECT VERSION(), @@performance_schema", {}));
  mariadb_ = rows.at(0).Text(0).find("MariaDB") != std::string::npos;
  // On MySQL information_schema has an error for an answer while any session runs a statement whose text is no UTF-8.
  const bool performance_schema = !mariadb_ && rows.at(0).Int(1) != 0;
  process_list_ = absl::StrCat(performance_schema ? "performance" : "information", "_schema.processlist");
  return absl::OkStatus();
}

absl::StatusOr<MysqlServer> MysqlConnection::SetUp(const MysqlOptions& options) {
  SAGAMESH_RETURN_IF_ERROR(Identify());
  SAGAMESH_ASSIGN_OR_RETURN(
      const std::vector<Row> found,
      Query(absl::StrCat("SELECT p.id, p.host, @@global.read_only, @@innodb_flush_log_at_trx_commit, @@log_bin, "
                         "@@sync_binlog FROM ",
                         process_list_, " p WHERE p.id = CONNECTION_ID()"),
            {}));
  if (found.size() != 1) return absl::UnavailableError("mysql: the server does not know this connection");
  const Row& row = found[0];
  MysqlServer server;
  thread_ = {place_.host, row.Int(0), row.Text(1)};
  server.read_only = row.Int(2) != 0;
  server.durable = row.Int(3) == 1 && (row.Int(4) == 0 || row.Int(5) == 1);
  const int64_t idle_s = std::max<int64_t>(1, absl::ToInt64Seconds(options.idle_transaction_max));
  for (const std::string& statement :
       {std::string("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"),
        std::string("SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO'"),
        absl::StrCat("SET SESSION innodb_lock_wait_timeout = ", absl::ToInt64Seconds(options.lock_wait)),
        absl::StrCat("SET SESSION ", mariadb_ ? "idle_transaction_timeout" : "wait_timeout", " = ", idle_s)}) {
    SAGAMESH_RETURN_IF_ERROR(Execute(statement, {}).status());
  }
  // MySQL's wait_timeout also ends a connection between transactions: it is given up in time, not found dead.
  idle_max_ = mariadb_ ? absl::InfiniteDuration() : absl::Seconds(idle_s) / 2;
  return server;
}

absl::StatusOr<bool> MysqlConnection::AskReadOnly() {
  // On MySQL super_read_only is never on without it.
  SAGAMESH_ASSIGN_OR_RETURN(const std::vector<Row> rows, Query("SELECT @@global.read_only", {}));
  return rows.size() != 1 || rows[0].Int(0) != 0;
}

absl::Status MysqlConnection::KillLost() {
  std::vector<ServerThread> threads = shared_.lost.Take(place_.host);
  absl::Status status;
  for (ServerThread& thread : threads) {
    if (status.ok()) status = Kill(thread);
    if (!status.ok()) shared_.lost.Add(std::move(thread));
  }
  return status;
}

absl::Status MysqlConnection::Kill(const ServerThread& thread) {
  SAGAMESH_RETURN_IF_ERROR(Identify());
  const Value parameters[] = {thread.id, thread.address};
  SAGAMESH_ASSIGN_OR_RETURN(
      const std::vector<Row> found,
      Query(absl::StrCat("SELECT id FROM ", process_list_, " WHERE id = ? AND host = ?"), parameters));
  if (found.empty()) return absl::OkStatus();
  spdlog::info("mysql: killing connection {} of {}, lost in a transaction", thread.id, thread.address);
  try {
    const std::unique_ptr<::sql::Statement> plain(handle_->createStatement());
    plain->execute(absl::StrCat("KILL CONNECTION ", thread.id));
  } catch (const ::sql::SQLException& error) {
    if (error.getErrorCode() != kNoSuchThread) return Failed("KILL", error);
  }
  return absl::OkStatus();
}

}  // namespace sagamesh::sql
