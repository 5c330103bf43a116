#ifndef SAGAMESH_COMMON_RPC_CHANNEL_H_
#define SAGAMESH_COMMON_RPC_CHANNEL_H_

#include <grpcpp/channel.h>

#include <memory>
#include <string>

#include "absl/time/time.h"

namespace sagamesh::rpc {

struct ChannelOptions {
  // After so long without a word from a server it is asked for one, and left if it says nothing for
  // `keepalive_timeout`.
  absl::Duration keepalive = absl::Seconds(10);
  absl::Duration keepalive_timeout = absl::Seconds(3);
};

// A channel to a service (ParseTarget), insecure. It connects by itself, again after 100 ms, at most 1 s. Calls go in
// turn to the replicas that are connected and say by grpc.health.v1.Health that they are SERVING; while there are none,
// calls fail at once with UNAVAILABLE. One literal address is called whatever its health: it says best what is wrong.
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& target, const ChannelOptions& options = {});

}  // namespace sagamesh::rpc

#endif  // SAGAMESH_COMMON_RPC_CHANNEL_H_
