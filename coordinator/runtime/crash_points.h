#ifndef SAGAMESH_COORDINATOR_RUNTIME_CRASH_POINTS_H_
#define SAGAMESH_COORDINATOR_RUNTIME_CRASH_POINTS_H_

#include <string>
#include <vector>

#include "coordinator/engine/definition.h"

namespace sagamesh::runtime::crash_point {

// Between two effects of a saga. tests/chaos/crash_windows_test.py dies at each.
inline constexpr char kStarted[] = "started";           // the saga is durable; no step was sent
inline constexpr char kStepReplied[] = "step-replied";  // "/STEP": it succeeded; nothing came after it
inline constexpr char kDecided[] = "decided";           // the decision to compensate is durable; nothing was sent
inline constexpr char kCompensated[] = "compensated";   // every compensation succeeded; the end is not durable
inline constexpr char kFinal[] = "final";               // the end is durable; nobody was answered

// Those of a coordinator that knows these definitions.
inline std::vector<std::string> All(const engine::DefinitionSet& definitions) {
  std::vector<std::string> points = {kStarted, kDecided, kCompensated, kFinal};
  definitions.ForEach([&points](const engine::Definition& definition) {
    for (const engine::Step& step : definition.steps) points.push_back(kStepReplied + ("/" + step.name));
  });
  return points;
}

}  // namespace sagamesh::runtime::crash_point

#endif  // SAGAMESH_COORDINATOR_RUNTIME_CRASH_POINTS_H_
