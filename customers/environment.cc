#include "customers/environment.h"

#include <utility>

#include "common/status/error.h"
#include "customers/service/crash_points.h"
#include "customers/service/demo.h"

namespace sagamesh::customers {

absl::StatusOr<std::unique_ptr<Environment>> Environment::Create(EnvironmentOptions options) {
  SAGAMESH_ASSIGN_OR_RETURN(options.customers.crash_at, CrashAt::FromFlag(options.process.crash_at, crash_point::All(),
                                                                          options.process.enable_fault_injection));
  SAGAMESH_ASSIGN_OR_RETURN(std::unique_ptr<Process> process, Process::Create(options.process));
  auto environment = std::unique_ptr<Environment>(new Environment(options, std::move(process)));
  Environment& raw = *environment;
  SAGAMESH_RETURN_IF_ERROR(raw.process_->Serve(
      {&raw.customers_service_, &raw.stock_service_}, [&raw] { return CustomersLogic::Open(raw.process_->database()); },
      [&raw, seed = options.seed_demo] {
        if (seed) SeedDemo(raw.logic_);
      }));
  return environment;
}

}  // namespace sagamesh::customers
