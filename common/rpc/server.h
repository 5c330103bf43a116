#ifndef SAGAMESH_COMMON_RPC_SERVER_H_
#define SAGAMESH_COMMON_RPC_SERVER_H_

#include <grpcpp/server.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sagamesh::rpc {

// A gRPC server with health checking, reflection and keepalive, on the callback API. Thread-safe.
class Server {
 public:
  struct Options {
    std::string address;  // "127.0.0.1:50051"; port 0: a free one
    std::vector<grpc::Service*> services;
    int max_message_bytes = 4 << 20;
  };

  // UNAVAILABLE, naming the address, if the port is taken. Health starts as NOT_SERVING.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const Options& options);

  // Health of the server ("") and of each of its services by name.
  void SetServing(bool serving);
  // NOT_SERVING from now on, whatever SetServing says later. Calls are taken until Shutdown.
  void StopServing();

  // The port that it listens on.
  int port() const { return port_; }

  // Takes no new call, waits for those under way at most `grace`, then cancels them.
  void Shutdown(absl::Duration grace);

 private:
  Server(std::unique_ptr<grpc::Server> server, std::vector<std::string> service_names, int port)
      : server_(std::move(server)), service_names_(std::move(service_names)), port_(port) {}

  const std::unique_ptr<grpc::Server> server_;
  const std::vector<std::string> service_names_;
  const int port_;
};

// Blocks SIGINT and SIGTERM in this thread and those it starts: call it first in main. Then waits for one of them.
void BlockTerminationSignals();
void WaitForTermination();

}  // namespace sagamesh::rpc

#endif  // SAGAMESH_COMMON_RPC_SERVER_H_
