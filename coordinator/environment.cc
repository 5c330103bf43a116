#include "coordinator/environment.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "common/exec/in_flight.h"
#include "common/exec/threads.h"
#include "common/status/error.h"
#include "coordinator/definitions/process_order.h"
#include "coordinator/runtime/crash_points.h"

namespace sagamesh::coordinator {
namespace {

// The part of the grace that callers may wait for; the rest is left for the sagas' own ends and the lease.
constexpr double kCallersShareOfGrace = 0.75;

std::vector<std::string> ServicesOf(const std::map<std::string, std::string>& participants) {
  std::vector<std::string> services;
  for (const auto& [service, target] : participants) services.push_back(service);
  return services;
}

}  // namespace

Environment::Environment(const EnvironmentOptions& options, std::unique_ptr<Process> process,
                         engine::DefinitionSet definitions)
    : options_(options),
      process_(std::move(process)),
      definitions_(std::move(definitions)),
      journal_(options.journal, process_->database(), process_->workers(), process_->clock(), process_->random(),
               process_->registry(),
               [this](absl::Span<const engine::SagaRecord> changed, int64_t oldest_untold_ms) {
                 hub_.Publish(changed, oldest_untold_ms);
               }),
      saga_loop_a_(MakeThreadEventLoop("sagas-a")),
      saga_loop_b_(MakeThreadEventLoop("sagas-b")),
      unary_step_caller_(options.participants),
      step_caller_({.domain = "coordinator"}, rpc::FindBatchTwins(ServicesOf(options.participants)), unary_step_caller_,
                   process_->timers(), process_->clock(), process_->registry()),
      runtime_(options.runtime, definitions_, journal_, step_caller_, {saga_loop_a_.get(), saga_loop_b_.get()},
               process_->clock(), process_->random(), process_->registry()),
      lease_keeper_(journal_, runtime_, process_->timers(), options.journal.lease),
      peer_changes_(hub_, JournalChanges(journal_), process_->timers()),
      order_logic_(definitions_, runtime_),
      saga_logic_(definitions_, journal_, runtime_, hub_),
      coordinator_service_(process_->edge(), order_logic_),
      saga_service_(process_->edge(), saga_logic_) {}

absl::StatusOr<std::unique_ptr<Environment>> Environment::Create(EnvironmentOptions options) {
  engine::DefinitionSet definitions;
  SAGAMESH_ASSIGN_OR_RETURN(engine::Definition process_order, definitions::MakeProcessOrder());
  definitions.Add(std::move(process_order));
  SAGAMESH_ASSIGN_OR_RETURN(options.runtime.crash_at,
                            CrashAt::FromFlag(options.process.crash_at, runtime::crash_point::All(definitions),
                                              options.process.enable_fault_injection));
  SAGAMESH_ASSIGN_OR_RETURN(std::unique_ptr<Process> process, Process::Create(options.process));
  auto environment = std::unique_ptr<Environment>(new Environment(options, std::move(process), std::move(definitions)));
  Environment& raw = *environment;
  SAGAMESH_RETURN_IF_ERROR(raw.process_->Serve(
      {&raw.coordinator_service_, &raw.saga_service_}, [&raw] { return raw.journal_.Open(); },
      [&raw] {
        raw.runtime_.Recover();
        raw.lease_keeper_.Begin();
        raw.peer_changes_.Begin();
      }));
  return environment;
}

Environment::~Environment() {
  saga_loop_a_->Shutdown();
  saga_loop_b_->Shutdown();
  process_->StopExecutors();
}

void Environment::Run() {
  absl::Time until;
  process_->Run([this, &until](absl::Time end_of_grace) {
    until = end_of_grace;
    hub_.Close();
    runtime_.Drain();
    lease_keeper_.Drain();
    const absl::Duration left = until - process_->clock().Now();
    process_->timers().PostAfter(left * kCallersShareOfGrace, [this] { runtime_.SendCallersAway(); });
  });
  WaitForSagas(until);
  ReleaseLease();
}

void Environment::WaitForSagas(absl::Time until) {
  while (runtime_.inflight() > 0 && process_->clock().Now() < until) process_->clock().SleepFor(absl::Milliseconds(10));
  if (runtime_.inflight() > 0) spdlog::info("{} sagas are left to the next owner", runtime_.inflight());
}

void Environment::ReleaseLease() {
  InFlight release;
  release.Begin();
  journal_.ReleaseLease([&release](absl::Status status) {
    if (!status.ok()) spdlog::warn("the lease could not be given up: {}", status.ToString());
    release.End();
  });
  release.WaitForNone();
}

}  // namespace sagamesh::coordinator
