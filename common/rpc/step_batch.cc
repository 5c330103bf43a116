#include "common/rpc/step_batch.h"

#include "absl/strings/str_cat.h"

namespace sagamesh::rpc::internal {
namespace {

constexpr int kCallsMax = 1024;

}  // namespace

absl::Status CheckStepBatch(absl::string_view domain, int requests, int contexts) {
  if (requests < 1 || requests > kCallsMax) {
    return InvalidField(domain, "requests", absl::StrCat("must be 1 to ", kCallsMax, " calls"));
  }
  if (contexts != requests) return InvalidField(domain, "contexts", "must be as many as the requests");
  return absl::OkStatus();
}

}  // namespace sagamesh::rpc::internal
