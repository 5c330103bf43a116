#include "coordinator/environment.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/exec/in_flight.h"
#include "common/exec/threads.h"
#include "common/status/error.h"
#include "coordinator/definitions/process_order.h"
#include "coordinator/runtime/crash_points.h"
#include "coordinator/service/errors.h"

namespace sagamesh::coordinator {
namespace {

// The part of the grace that callers may wait for; the rest is left for the sagas' own ends and the lease.
constexpr double kCallersShareOfGrace = 0.75;

}  // namespace

absl::StatusOr<std::map<std::string, std::string>> ParseParticipants(const std::string& text) {
  std::map<std::string, std::string> participants;
  for (absl::string_view entry : absl::StrSplit(text, ',', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(entry, absl::MaxSplits('=', 1));
    if (parts.first.empty() || parts.second.empty()) {
      return InvalidField(kDomain, "--participants", absl::StrCat("\"", entry, "\" is not SERVICE=TARGET"));
    }
    participants[std::string(parts.first)] = std::string(parts.second);
  }
  return participants;
}

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
      step_caller_(options.participants),
      runtime_(options.runtime, definitions_, journal_, step_caller_, {saga_loop_a_.get(), saga_loop_b_.get()},
               process_->clock(), process_->random(), process_->registry()),
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
        raw.Beat();
        raw.runtime_.Recover();
      }));
  return environment;
}

Environment::~Environment() {
  saga_loop_a_->Shutdown();
  saga_loop_b_->Shutdown();
  process_->StopExecutors();
}

void Environment::Beat() {
  journal_.Heartbeat([this](absl::Status status) {
    if (!status.ok()) spdlog::warn("the lease could not be renewed: {}", status.ToString());
    process_->timers().PostAfter(options_.journal.lease / 3, [this] { Beat(); });
  });
}

void Environment::Run() {
  absl::Time until;
  process_->Run([this, &until] {
    until = process_->clock().Now() + options_.process.grace;
    hub_.Close();
    runtime_.Drain();
    process_->timers().PostAfter(options_.process.grace * kCallersShareOfGrace, [this] { runtime_.SendCallersAway(); });
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
