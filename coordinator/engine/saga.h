#ifndef SAGAMESH_COORDINATOR_ENGINE_SAGA_H_
#define SAGAMESH_COORDINATOR_ENGINE_SAGA_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/rpc/call_context.h"

namespace sagamesh::engine {

enum class Phase {
  kRunning = 1,       // actions are under way
  kCompensating = 2,  // failed, durably; compensations are under way
  kParked = 3,        // waits for an operator
  kSucceeded = 4,     // final
  kCompensated = 5,   // final
};

constexpr bool IsFinal(Phase phase) { return phase == Phase::kSucceeded || phase == Phase::kCompensated; }

// The two namespaces of layer 1's keys never meet.
enum class KeyKind { kContent = 1, kExplicit = 2 };

enum class HistoryEvent {
  kDecided = 1,            // to compensate, since a step failed
  kParked = 2,             //
  kRetryCommand = 3,       // an operator's RetrySaga
  kCompensateCommand = 4,  // an operator's CompensateSaga
};

// What turned a saga from its course, and back.
struct HistoryEntry {
  absl::Time time;
  HistoryEvent event = HistoryEvent::kDecided;
  std::string reason;  // of a command the operator's own
  Phase before = Phase::kRunning;
  Phase after = Phase::kRunning;
  std::string command_id;  // of commands alone, as is who gave it
  std::string principal;
};

// Everything about a saga that is durable: one row of the journal.
struct SagaRecord {
  std::string saga_id;  // UUIDv7
  std::string definition;
  uint32_t definition_version = 1;

  // Fencing: a write is conditional on all three.
  std::string owner;       // incarnation of the replica
  uint64_t epoch = 1;      // rises with every takeover
  uint64_t version = 0;    // rises with every write
  uint32_t takeovers = 0;  // in a row, without progress

  // Layer 1's key, and what the request was.
  std::string principal;
  KeyKind key_kind = KeyKind::kContent;
  std::string key;
  std::string fingerprint;  // of the canonical request
  std::string input;        // serialized input message
  std::optional<Fault> fault;
  std::string traceparent;
  std::string tracestate;

  Phase phase = Phase::kRunning;
  std::string result;  // serialized output, once kSucceeded
  std::string error;   // serialized google.rpc.Status that the client sees, from kCompensating on
  bool error_definite = false;
  std::string failed_step;
  std::string park_reason;
  uint32_t compensation_attempts = 0;  // of the current compensation that failed
  bool stuck = false;
  uint64_t epoch_met = 0;  // the highest that a participant has told of; 0: none has

  std::vector<HistoryEntry> history;  // oldest first, at most kHistoryEntriesMax
  uint32_t history_dropped = 0;       // how many were older

  absl::Time created;
  absl::Time updated;
};

}  // namespace sagamesh::engine

#endif  // SAGAMESH_COORDINATOR_ENGINE_SAGA_H_
