#ifndef SAGAMESH_COMMON_RPC_TARGET_H_
#define SAGAMESH_COMMON_RPC_TARGET_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sagamesh::rpc {

// Where the replicas of a service are, as gRPC has it, from a flag's text:
//   127.0.0.1:50052                   an address
//   127.0.0.1:50052,127.0.0.1:50152   several: all IPv4, or all IPv6 as [::1]:50052
//   orders:50052                      a name: every address that it resolves to
//   dns://8.8.8.8/orders:50052        a target of gRPC's own, taken as it is
// INVALID_ARGUMENT, naming the flag ("customers"), for anything else; so for a list with names in it, which gRPC's
// resolvers do not take.
absl::StatusOr<std::string> ParseTarget(absl::string_view flag, absl::string_view text);

// Service ("orders.v1.OrdersService") to target, from SERVICE=TARGET,SERVICE=TARGET: an entry without "=" belongs to
// the list before it. Errors as above.
absl::StatusOr<std::map<std::string, std::string>> ParseTargets(absl::string_view flag, absl::string_view text);

// Whether a target is one literal address, so that there is nothing to choose from.
bool IsAddress(absl::string_view target);

}  // namespace sagamesh::rpc

#endif  // SAGAMESH_COMMON_RPC_TARGET_H_
