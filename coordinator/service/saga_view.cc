#include "coordinator/service/saga_view.h"

#include <google/protobuf/util/time_util.h>
#include <spdlog/spdlog.h>

namespace sagamesh::coordinator {
namespace {

namespace pb = ::saga::v1;

pb::Saga::State StateOf(engine::Phase phase) {
  switch (phase) {
    case engine::Phase::kRunning:
      return pb::Saga::RUNNING;
    case engine::Phase::kCompensating:
      return pb::Saga::COMPENSATING;
    case engine::Phase::kParked:
      return pb::Saga::PARKED;
    case engine::Phase::kSucceeded:
      return pb::Saga::SUCCEEDED;
    case engine::Phase::kCompensated:
      return pb::Saga::COMPENSATED;
  }
  return pb::Saga::STATE_UNSPECIFIED;
}

void FillAny(const std::string& type, const std::string& bytes, google::protobuf::Any& any) {
  any.set_type_url("type.googleapis.com/" + type);
  any.set_value(bytes);
}

pb::HistoryEntry::Event EventOf(engine::HistoryEvent event) {
  switch (event) {
    case engine::HistoryEvent::kDecided:
      return pb::HistoryEntry::DECIDED_TO_COMPENSATE;
    case engine::HistoryEvent::kParked:
      return pb::HistoryEntry::PARKED;
    case engine::HistoryEvent::kRetryCommand:
      return pb::HistoryEntry::RETRY_SAGA;
    case engine::HistoryEvent::kCompensateCommand:
      return pb::HistoryEntry::COMPENSATE_SAGA;
  }
  return pb::HistoryEntry::EVENT_UNSPECIFIED;
}

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  return google::protobuf::util::TimeUtil::MillisecondsToTimestamp(absl::ToUnixMillis(time));
}

}  // namespace

pb::Saga ToView(const engine::SagaRecord& record, const engine::DefinitionSet& definitions) {
  pb::Saga saga;
  saga.set_saga_id(record.saga_id);
  saga.set_definition(record.definition);
  saga.set_definition_version(record.definition_version);
  saga.set_state(StateOf(record.phase));
  if (record.key_kind == engine::KeyKind::kExplicit) saga.set_idempotency_key(record.key);
  if (const engine::Definition* definition = definitions.Find(record.definition)) {
    FillAny(definition->input_type, record.input, *saga.mutable_input());
    if (record.phase == engine::Phase::kSucceeded) {
      FillAny(definition->output_type, record.result, *saga.mutable_result());
    }
  }
  if (!record.error.empty() && !saga.mutable_error()->ParseFromString(record.error)) {
    spdlog::error("saga {}: its error cannot be read", record.saga_id);
    saga.clear_error();
  }
  saga.set_failed_step(record.failed_step);
  saga.set_park_reason(record.park_reason);
  saga.set_compensation_attempts(record.compensation_attempts);
  saga.set_stuck(record.stuck);
  saga.set_owner(record.owner);
  saga.set_epoch(record.epoch);
  saga.set_version(record.version);
  *saga.mutable_created_at() = ToTimestamp(record.created);
  *saga.mutable_updated_at() = ToTimestamp(record.updated);
  return saga;
}

pb::Saga ToWholeView(const engine::SagaRecord& record, const engine::DefinitionSet& definitions) {
  pb::Saga saga = ToView(record, definitions);
  for (const engine::HistoryEntry& entry : record.history) {
    pb::HistoryEntry& told = *saga.add_history();
    *told.mutable_time() = ToTimestamp(entry.time);
    told.set_event(EventOf(entry.event));
    told.set_reason(entry.reason);
    told.set_principal(entry.principal);
    told.set_state_before(StateOf(entry.before));
    told.set_state_after(StateOf(entry.after));
  }
  saga.set_history_dropped(record.history_dropped);
  return saga;
}

}  // namespace sagamesh::coordinator
