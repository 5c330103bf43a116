#ifndef SAGAMESH_COMMON_RPC_STEP_CONTEXT_H_
#define SAGAMESH_COMMON_RPC_STEP_CONTEXT_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/rpc/call_context.h"
#include "saga/v1/batch.pb.h"

namespace sagamesh::rpc {

// The rules for what comes with a call, in metadata or in a batch.
inline constexpr size_t kKeyCharactersMax = 255;
inline constexpr size_t kStepCharactersMax = 128;
inline constexpr size_t kTraceCharactersMax = 512;  // of each of the two; W3C asks that at least so many be propagated

// 1 to `characters_max` printable ASCII characters.
bool IsPrintable(absl::string_view text, size_t characters_max);

// A batch's context of one call to a CallContext and back; `call` is a saga's. INVALID_ARGUMENT (SAGA_CONTEXT_INVALID),
// naming the field.
absl::StatusOr<CallContext> ReadStepContext(absl::string_view domain, const ::saga::v1::StepContext& context,
                                            absl::Time now);
void WriteStepContext(const CallContext& call, absl::Time now, ::saga::v1::StepContext& context);

}  // namespace sagamesh::rpc

#endif  // SAGAMESH_COMMON_RPC_STEP_CONTEXT_H_
