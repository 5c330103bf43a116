#include "common/sql/mysql.h"

#include <mysql_driver.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/exec/mutex.h"
#include "common/sql/mysql_connection.h"
#include "common/sql/mysql_hosts.h"
#include "common/status/error.h"

namespace sagamesh::sql {
namespace {

// How long a host may take to be connected to, and to say whether it can be written, before it counts as away.
constexpr absl::Duration kAskTimeout = absl::Seconds(2);
// A change of the schema may copy a table.
constexpr absl::Duration kMigrationMax = absl::Hours(1);

std::vector<std::string> Names(const std::vector<MysqlHost>& hosts) {
  std::vector<std::string> names;
  for (const MysqlHost& host : hosts) names.push_back(absl::StrCat(host.name, ":", host.port));
  return names;
}

MysqlOptions ForAsking(MysqlOptions options) {
  options.connect_timeout = kAskTimeout;
  options.answer_timeout = kAskTimeout;
  return options;
}

class MysqlDatabase final : public Database {
 public:
  explicit MysqlDatabase(MysqlOptions options)
      : options_(std::move(options)),
        asking_options_(ForAsking(options_)),
        shared_{*::sql::mysql::get_driver_instance(), HostChoice(Names(options_.hosts)), {}, {}},
        askers_(options_.hosts.size()) {}

  Dialect dialect() const override { return Dialect::kMysql; }
  int max_writers() const override { return options_.max_writers; }
  bool exclusive() const override { return false; }
  absl::StatusOr<std::unique_ptr<Connection>> Connect(Access access) override;
  bool may_move() const override { return !shared_.choice.alone(); }
  absl::StatusOr<bool> Check() override;

 private:
  // Asks every host whether it can be written, and has it kill what was lost there. One that is known to be writable is
  // not asked, unless another one is too.
  absl::StatusOr<HostChoice::Place> Ask(absl::optional<size_t> written = absl::nullopt);
  HostAnswer AskOne(size_t host);
  absl::StatusOr<std::unique_ptr<Connection>> ConnectTo(HostChoice::Place place, Access access);
  absl::Status CheckDurable(const MysqlServer& server, const std::string& name);

  const MysqlOptions options_;
  const MysqlOptions asking_options_;
  MysqlShared shared_;
  std::atomic<bool> was_durable_{false};
  Mutex mutex_;
  // By host: the connection that it is asked through; null while someone uses it.
  std::vector<std::unique_ptr<MysqlConnection>> askers_ ABSL_GUARDED_BY(mutex_);
};

absl::StatusOr<std::unique_ptr<Connection>> MysqlDatabase::Connect(Access access) {
  absl::optional<HostChoice::Place> place = shared_.choice.Known(shared_.clock.Now());
  if (!place.has_value()) {
    SAGAMESH_ASSIGN_OR_RETURN(place, Ask());
  }
  absl::StatusOr<std::unique_ptr<Connection>> connection = ConnectTo(*place, access);
  if (!connection.ok()) shared_.choice.Doubt();
  return connection;
}

absl::StatusOr<bool> MysqlDatabase::Check() {
  const absl::optional<size_t> written = shared_.choice.Written(shared_.clock.Now());
  SAGAMESH_RETURN_IF_ERROR(Ask(written).status());
  return !written.has_value();
}

absl::StatusOr<HostChoice::Place> MysqlDatabase::Ask(absl::optional<size_t> written) {
  const HostChoice::Ticket ticket = shared_.choice.StartAsking(shared_.clock.Now());
  std::vector<HostAnswer> answers(options_.hosts.size());
  bool other_writable = false;
  for (size_t host = 0; host < answers.size(); host++) {
    if (host != written) answers[host] = AskOne(host);
    other_writable |= answers[host].role == HostAnswer::Role::kWritable;
  }
  if (written.has_value()) {
    answers[*written] = other_writable ? AskOne(*written) : HostAnswer{HostAnswer::Role::kWritable, ""};
  }
  return shared_.choice.Learn(ticket, answers);
}

HostAnswer MysqlDatabase::AskOne(size_t host) {
  const auto away = [](const absl::Status& status) {
    return HostAnswer{HostAnswer::Role::kAway, std::string(status.message())};
  };
  std::unique_ptr<MysqlConnection> asker;
  {
    MutexLock lock(mutex_);
    asker = std::move(askers_[host]);
  }
  if (asker == nullptr || !asker->connected()) {
    absl::StatusOr<std::unique_ptr<MysqlConnection>> made =
        MysqlConnection::LogIn(asking_options_, {.host = host}, shared_);
    if (!made.ok()) return away(made.status());
    asker = *std::move(made);
  }
  const absl::StatusOr<bool> read_only = asker->AskReadOnly();
  if (!read_only.ok()) return away(read_only.status());
  if (absl::Status killed = asker->KillLost(); !killed.ok()) return away(killed);
  MutexLock lock(mutex_);
  askers_[host] = std::move(asker);
  return {*read_only ? HostAnswer::Role::kReadOnly : HostAnswer::Role::kWritable, ""};
}

absl::StatusOr<std::unique_ptr<Connection>> MysqlDatabase::ConnectTo(HostChoice::Place place, Access access) {
  const std::string name = absl::StrCat(shared_.choice.names()[place.host], "/", options_.database);
  const auto away = [&name](const absl::Status& status) {
    return absl::UnavailableError(absl::StrCat(name, ": ", status.message()));
  };
  MysqlOptions options = options_;
  if (access == Access::kMigrate) options.answer_timeout = kMigrationMax;
  absl::StatusOr<std::unique_ptr<MysqlConnection>> connection = MysqlConnection::LogIn(options, place, shared_);
  if (!connection.ok()) return away(connection.status());
  const absl::StatusOr<MysqlServer> server = (*connection)->SetUp(options_);
  if (!server.ok()) return away(server.status());
  SAGAMESH_RETURN_IF_ERROR(CheckDurable(*server, name));
  if (server->read_only && (access != Access::kRead || !shared_.choice.alone())) {
    return absl::UnavailableError(absl::StrCat(name, " is read-only"));
  }
  if (absl::Status killed = (*connection)->KillLost(); !killed.ok()) return away(killed);
  return connection;
}

absl::Status MysqlDatabase::CheckDurable(const MysqlServer& server, const std::string& name) {
  if (server.durable) {
    was_durable_ = true;
    return absl::OkStatus();
  }
  const std::string what = absl::StrCat("COMMIT is not durable on ", name,
                                        ": innodb_flush_log_at_trx_commit and, with a binlog, sync_binlog must be 1");
  if (options_.allow_relaxed_durability) {
    spdlog::warn("{}", what);
    return absl::OkStatus();
  }
  return was_durable_ ? absl::UnavailableError(what) : absl::FailedPreconditionError(what);
}

}  // namespace

std::unique_ptr<Database> MakeMysqlDatabase(MysqlOptions options) {
  return std::make_unique<MysqlDatabase>(std::move(options));
}

}  // namespace sagamesh::sql
