// The coordinator process: it runs sagas.

#include <unistd.h>

#include <climits>
#include <cstdio>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "common/flags/flags.h"
#include "common/logging/logging.h"
#include "common/rpc/target.h"
#include "common/status/error.h"
#include "common/text/text.h"
#include "coordinator/environment.h"

ABSL_FLAG(std::string, listen, "127.0.0.1:50051", "gRPC address, HOST:PORT");
ABSL_FLAG(std::string, db, "sqlite:var/coordinator.db", "database, sqlite:PATH or mysql://USER@HOST:PORT/DATABASE");
ABSL_FLAG(bool, allow_relaxed_durability, false, "take a database server whose COMMIT is not durable");
ABSL_FLAG(int, db_writers, 2, "on a database server: how many connections commit side by side, 1 to 64");
ABSL_FLAG(
    std::string, replica, "",
    "a name that no other living coordinator on its database has; started under it again, after a crash, it goes on "
    "at once with what it left, not when its lease has run out. auto: the machine's name and --listen");
ABSL_FLAG(std::string, metrics, "", "Prometheus address, HOST:PORT; empty: off");
ABSL_FLAG(bool, enable_fault_injection, false, "obey fault headers");
ABSL_FLAG(std::string, crash_at, "", "die at this point of the code, with --enable-fault-injection; empty: nowhere");
ABSL_FLAG(sagamesh::NotNegative<absl::Duration>, grace, absl::Seconds(10),
          "how long a shutdown waits for calls and sagas under way");
ABSL_FLAG(std::string, log_level, "info", "trace, debug, info, warn, error or off");
ABSL_FLAG(std::string, participants, "orders.v1.OrdersService=127.0.0.1:50052",
          "SERVICE=TARGET[,TARGET...],...: who is called, and where");
ABSL_FLAG(sagamesh::Positive<absl::Duration>, content_key_window, absl::Hours(24),
          "how long a repeated request without a key is replayed");
ABSL_FLAG(sagamesh::NotNegative<absl::Duration>, compensation_wait, absl::Seconds(5),
          "how long a caller waits for a compensation to end");
ABSL_FLAG(sagamesh::Positive<int>, stuck_after, 10,
          "failed attempts of a compensation after which its saga counts as stuck");
ABSL_FLAG(sagamesh::Positive<int>, max_inflight_sagas, 10'000, "more are refused");
ABSL_FLAG(sagamesh::Positive<absl::Duration>, participant_retention, absl::Hours(168),
          "the participants' --barrier-retention");

namespace {

constexpr int kReplicaCharactersMax = 255;

absl::StatusOr<std::string> ReplicaName() {
  std::string name = absl::GetFlag(FLAGS_replica);
  if (name == "auto") {
    char machine[HOST_NAME_MAX + 1] = {};
    if (gethostname(machine, HOST_NAME_MAX) != 0)
      return absl::InvalidArgumentError("--replica: the machine has no name");
    name = absl::StrCat(machine, "/", absl::GetFlag(FLAGS_listen));
  }
  SAGAMESH_RETURN_IF_ERROR(sagamesh::CheckOptionalText("coordinator", "--replica", name, kReplicaCharactersMax));
  return name;
}

absl::StatusOr<sagamesh::coordinator::EnvironmentOptions> ReadOptions() {
  sagamesh::coordinator::EnvironmentOptions options;
  options.process = {.domain = "coordinator",
                     .listen = absl::GetFlag(FLAGS_listen),
                     .db = absl::GetFlag(FLAGS_db),
                     .allow_relaxed_durability = absl::GetFlag(FLAGS_allow_relaxed_durability),
                     .db_writers = absl::GetFlag(FLAGS_db_writers),
                     .metrics = absl::GetFlag(FLAGS_metrics),
                     .enable_fault_injection = absl::GetFlag(FLAGS_enable_fault_injection),
                     .crash_at = absl::GetFlag(FLAGS_crash_at),
                     .grace = absl::GetFlag(FLAGS_grace)};
  options.journal.content_key_window = absl::GetFlag(FLAGS_content_key_window);
  SAGAMESH_ASSIGN_OR_RETURN(options.journal.replica, ReplicaName());
  options.runtime.compensation_wait = absl::GetFlag(FLAGS_compensation_wait);
  options.runtime.max_inflight_sagas = absl::GetFlag(FLAGS_max_inflight_sagas);
  options.runtime.engine.stuck_after = static_cast<uint32_t>(absl::GetFlag(FLAGS_stuck_after));
  options.runtime.engine.unfinished_max = absl::GetFlag(FLAGS_participant_retention) / 2;
  SAGAMESH_ASSIGN_OR_RETURN(options.participants,
                            sagamesh::rpc::ParseTargets("participants", absl::GetFlag(FLAGS_participants)));
  return options;
}

absl::Status Main() {
  if (absl::Status status = sagamesh::SetUpLogging("coordinator", absl::GetFlag(FLAGS_log_level)); !status.ok()) {
    return status;
  }
  const absl::StatusOr<sagamesh::coordinator::EnvironmentOptions> options = ReadOptions();
  if (!options.ok()) return options.status();
  auto environment = sagamesh::coordinator::Environment::Create(*options);
  if (environment.ok()) (*environment)->Run();
  return environment.status();
}

}  // namespace

int main(int argc, char** argv) {
  sagamesh::rpc::BlockTerminationSignals();
  sagamesh::ParseFlags(argc, argv, "The saga coordinator of Sagamesh.");
  const absl::Status status = Main();
  if (!status.ok()) std::fprintf(stderr, "coordinator: %s\n", std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}
