#include "orders/environment.h"

#include <utility>

#include "common/rpc/target.h"
#include "common/status/error.h"
#include "orders/service/crash_points.h"

namespace sagamesh::orders {

absl::StatusOr<std::unique_ptr<Environment>> Environment::Create(EnvironmentOptions options) {
  SAGAMESH_ASSIGN_OR_RETURN(options.orders.crash_at, CrashAt::FromFlag(options.process.crash_at, crash_point::All(),
                                                                       options.process.enable_fault_injection));
  SAGAMESH_ASSIGN_OR_RETURN(options.customers, rpc::ParseTarget("customers", options.customers));
  SAGAMESH_ASSIGN_OR_RETURN(std::unique_ptr<Process> process, Process::Create(options.process));
  auto environment = std::unique_ptr<Environment>(new Environment(options, std::move(process)));
  Environment& raw = *environment;
  SAGAMESH_RETURN_IF_ERROR(raw.process_->Serve(
      {&raw.orders_service_}, [&raw] { return OrdersLogic::Open(raw.process_->database()); },
      [&raw] { raw.logic_.StartSweeping(); }));
  return environment;
}

}  // namespace sagamesh::orders
