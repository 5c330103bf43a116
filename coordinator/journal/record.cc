#include "coordinator/journal/record.h"

#include "absl/strings/str_cat.h"
#include "coordinator/journal/record.pb.h"

namespace sagamesh::journal {
namespace {

void EncodeHistoryEntry(const engine::HistoryEntry& entry, internal::StoredHistoryEntry& stored) {
  stored.set_time_ms(absl::ToUnixMillis(entry.time));
  stored.set_event(static_cast<uint32_t>(entry.event));
  stored.set_reason(entry.reason);
  stored.set_before(static_cast<uint32_t>(entry.before));
  stored.set_after(static_cast<uint32_t>(entry.after));
  stored.set_command_id(entry.command_id);
  stored.set_principal(entry.principal);
}

// What a later program wrote keeps its number.
engine::HistoryEntry DecodeHistoryEntry(const internal::StoredHistoryEntry& stored) {
  return {.time = absl::FromUnixMillis(stored.time_ms()),
          .event = static_cast<engine::HistoryEvent>(stored.event()),
          .reason = stored.reason(),
          .before = static_cast<engine::Phase>(stored.before()),
          .after = static_cast<engine::Phase>(stored.after()),
          .command_id = stored.command_id(),
          .principal = stored.principal()};
}

}  // namespace

std::string EncodeRecord(const engine::SagaRecord& record) {
  internal::StoredSaga stored;
  stored.set_format(record.definition_version > 1 && !engine::IsFinal(record.phase) ? kRecordFormat : 1);
  stored.set_definition_version(record.definition_version);
  stored.set_principal(record.principal);
  stored.set_key_kind(static_cast<uint32_t>(record.key_kind));
  stored.set_key(record.key);
  stored.set_fingerprint(record.fingerprint);
  stored.set_input(record.input);
  if (record.fault.has_value()) {
    internal::StoredFault& fault = *stored.mutable_fault();
    fault.set_method(record.fault->method);
    fault.set_abort_code(record.fault->abort_code);
    fault.set_delay_us(absl::ToInt64Microseconds(record.fault->delay));
    fault.set_after(record.fault->after);
  }
  stored.set_traceparent(record.traceparent);
  stored.set_tracestate(record.tracestate);
  stored.set_result(record.result);
  stored.set_error(record.error);
  stored.set_error_definite(record.error_definite);
  stored.set_failed_step(record.failed_step);
  stored.set_park_reason(record.park_reason);
  stored.set_compensation_attempts(record.compensation_attempts);
  for (const engine::HistoryEntry& entry : record.history) EncodeHistoryEntry(entry, *stored.add_history());
  stored.set_history_dropped(record.history_dropped);
  stored.set_epoch_met(record.epoch_met);
  // No maps in it, so the bytes are deterministic.
  return stored.SerializeAsString();
}

absl::Status DecodeRecord(absl::string_view bytes, engine::SagaRecord& record) {
  internal::StoredSaga stored;
  if (!stored.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::DataLossError("the record is damaged");
  }
  if (stored.format() == 0 || stored.format() > kRecordFormat) {
    return absl::DataLossError(
        absl::StrCat("the record has format ", stored.format(), ", this program reads up to ", kRecordFormat));
  }
  if (stored.key_kind() != static_cast<uint32_t>(engine::KeyKind::kContent) &&
      stored.key_kind() != static_cast<uint32_t>(engine::KeyKind::kExplicit)) {
    return absl::DataLossError(absl::StrCat("the record has key kind ", stored.key_kind()));
  }
  record.definition_version = stored.definition_version();
  record.principal = stored.principal();
  record.key_kind = static_cast<engine::KeyKind>(stored.key_kind());
  record.key = stored.key();
  record.fingerprint = stored.fingerprint();
  record.input = stored.input();
  record.fault.reset();
  if (stored.has_fault()) {
    record.fault = Fault{.method = stored.fault().method(),
                         .abort_code = stored.fault().abort_code(),
                         .delay = absl::Microseconds(stored.fault().delay_us()),
                         .after = stored.fault().after()};
  }
  record.traceparent = stored.traceparent();
  record.tracestate = stored.tracestate();
  record.result = stored.result();
  record.error = stored.error();
  record.error_definite = stored.error_definite();
  record.failed_step = stored.failed_step();
  record.park_reason = stored.park_reason();
  record.compensation_attempts = stored.compensation_attempts();
  record.history.clear();
  for (const internal::StoredHistoryEntry& entry : stored.history()) {
    record.history.push_back(DecodeHistoryEntry(entry));
  }
  record.history_dropped = stored.history_dropped();
  record.epoch_met = stored.epoch_met();
  return absl::OkStatus();
}

}  // namespace sagamesh::journal
