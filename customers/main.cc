// The customers process: customers and their stock.

#include <cstdio>

#include "absl/flags/flag.h"
#include "common/flags/flags.h"
#include "common/logging/logging.h"
#include "customers/environment.h"

ABSL_FLAG(std::string, listen, "127.0.0.1:50053", "gRPC address, HOST:PORT");
ABSL_FLAG(std::string, db, "sqlite:var/customers.db", "database, sqlite:PATH or mysql://USER@HOST:PORT/DATABASE");
ABSL_FLAG(bool, allow_relaxed_durability, false, "take a database server whose COMMIT is not durable");
ABSL_FLAG(int, db_writers, 2, "on a database server: how many connections commit side by side, 1 to 64");
ABSL_FLAG(std::string, metrics, "", "Prometheus address, HOST:PORT; empty: off");
ABSL_FLAG(bool, enable_fault_injection, false, "obey fault headers");
ABSL_FLAG(std::string, crash_at, "", "die at this point of the code, with --enable-fault-injection; empty: nowhere");
ABSL_FLAG(sagamesh::NotNegative<absl::Duration>, grace, absl::Seconds(10),
          "how long a shutdown waits for calls under way");
ABSL_FLAG(std::string, log_level, "info", "trace, debug, info, warn, error or off");
ABSL_FLAG(bool, seed_demo, false, "add the demo data that is missing");
ABSL_FLAG(sagamesh::Positive<absl::Duration>, barrier_retention, absl::Hours(168),
          "how long a saga's calls are remembered");

int main(int argc, char** argv) {
  sagamesh::rpc::BlockTerminationSignals();
  sagamesh::ParseFlags(argc, argv, "The customers service of Sagamesh.");
  sagamesh::customers::EnvironmentOptions options;
  options.process = {.domain = "customers",
                     .listen = absl::GetFlag(FLAGS_listen),
                     .db = absl::GetFlag(FLAGS_db),
                     .allow_relaxed_durability = absl::GetFlag(FLAGS_allow_relaxed_durability),
                     .db_writers = absl::GetFlag(FLAGS_db_writers),
                     .metrics = absl::GetFlag(FLAGS_metrics),
                     .enable_fault_injection = absl::GetFlag(FLAGS_enable_fault_injection),
                     .crash_at = absl::GetFlag(FLAGS_crash_at),
                     .grace = absl::GetFlag(FLAGS_grace)};
  options.customers.barrier_retention = absl::GetFlag(FLAGS_barrier_retention);
  options.seed_demo = absl::GetFlag(FLAGS_seed_demo);
  absl::Status status = sagamesh::SetUpLogging("customers", absl::GetFlag(FLAGS_log_level));
  if (status.ok()) {
    auto environment = sagamesh::customers::Environment::Create(options);
    status = environment.status();
    if (status.ok()) (*environment)->Run();
  }
  if (!status.ok()) std::fprintf(stderr, "customers: %s\n", std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}
