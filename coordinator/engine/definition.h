#ifndef SAGAMESH_COORDINATOR_ENGINE_DEFINITION_H_
#define SAGAMESH_COORDINATOR_ENGINE_DEFINITION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace sagamesh::engine {

// What a step's request or the saga's output may be made from.
struct MappingInput {
  const std::string& saga_id;
  const std::string& input;                   // serialized input message
  const std::vector<std::string>& responses;  // serialized, of the steps that succeeded so far
  uint32_t version;                           // of the definition when the saga began: up to its own
};

// Pure; makes serialized bytes. An error means a defect in the definition.
using Mapping = std::function<absl::StatusOr<std::string>(const MappingInput&)>;

struct Step {
  std::string name;
  std::string method;  // "orders.v1.OrdersService/CreateOrder"
  Mapping request;
  std::string compensation_method;
  Mapping compensation_request;  // from the saga id and the input alone: responses may be lost
  absl::Duration attempt_timeout = absl::Seconds(1);
  absl::Duration step_timeout = absl::Seconds(5);
  // Exponential with full jitter between attempts.
  absl::Duration backoff_initial = absl::Milliseconds(50);
  absl::Duration backoff_max = absl::Seconds(1);
};

// A saga as data: its steps run one after the other.
struct Definition {
  std::string name;
  // Raised when sagas that begin from now on are to go another way than those under way, which keep theirs. Sagas of a
  // higher one are parked: a program that knows it has to end them.
  uint32_t version = 1;
  std::string input_type;  // full name of the message, "coordinator.v1.ProcessOrderRequest"
  std::string output_type;
  // Checks the input and makes it canonical, so that equal requests have equal bytes. INVALID_ARGUMENT with the field's
  // name.
  std::function<absl::StatusOr<std::string>(const std::string& input)> canonicalize;
  std::vector<Step> steps;
  Mapping output;
};

// The definitions that a coordinator knows. Immutable once it serves.
class DefinitionSet {
 public:
  void Add(Definition definition) { definitions_.push_back(std::make_unique<Definition>(std::move(definition))); }

  // nullptr if there is none of that name.
  const Definition* Find(absl::string_view name) const {
    for (const auto& definition : definitions_) {
      if (definition->name == name) return definition.get();
    }
    return nullptr;
  }

  void ForEach(const std::function<void(const Definition&)>& visit) const {
    for (const auto& definition : definitions_) visit(*definition);
  }

 private:
  std::vector<std::unique_ptr<Definition>> definitions_;
};

}  // namespace sagamesh::engine

#endif  // SAGAMESH_COORDINATOR_ENGINE_DEFINITION_H_
