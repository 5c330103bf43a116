#ifndef SAGAMESH_COMMON_RPC_METADATA_H_
#define SAGAMESH_COMMON_RPC_METADATA_H_

#include <grpcpp/client_context.h>
#include <grpcpp/server_context.h>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/rpc/call_context.h"

namespace sagamesh::rpc {

// Metadata to CallContext. INVALID_ARGUMENT, naming the metadata, for a key that is empty, too long or not printable,
// for saga-* metadata that is incomplete or malformed, for fault headers that are malformed or come while fault
// injection is off (`allow_faults`), and for any of these that comes twice. A malformed trace context is dropped, as
// W3C asks: it breaks no call.
absl::StatusOr<CallContext> ReadCallContext(absl::string_view domain, const grpc::ServerContextBase& context,
                                            bool allow_faults);

// CallContext to the metadata and deadline of an outgoing call: key, saga-*, traceparent, tracestate, fault headers.
void WriteCallContext(const CallContext& call, grpc::ClientContext& context);

}  // namespace sagamesh::rpc

#endif  // SAGAMESH_COMMON_RPC_METADATA_H_
