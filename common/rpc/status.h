#ifndef SAGAMESH_COMMON_RPC_STATUS_H_
#define SAGAMESH_COMMON_RPC_STATUS_H_

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace sagamesh::rpc {

// The one place where errors cross between absl and gRPC, details included (grpc-status-details-bin).
grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace sagamesh::rpc

#endif  // SAGAMESH_COMMON_RPC_STATUS_H_
