#ifndef SAGAMESH_COORDINATOR_ENGINE_SAGA_H_
#define SAGAMESH_COORDINATOR_ENGINE_SAGA_H_

#include <cstdint>
#include <optional>
#include <string>

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

  absl::Time created;
  absl::Time updated;
};

}  // namespace sagamesh::engine

#endif  // SAGAMESH_COORDINATOR_ENGINE_SAGA_H_
