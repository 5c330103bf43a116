#ifndef SAGAMESH_COMMON_RPC_TEST_SERVER_H_
#define SAGAMESH_COMMON_RPC_TEST_SERVER_H_

#include <grpcpp/client_context.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "common/exec/threads.h"
#include "common/metrics/metrics.h"
#include "common/rpc/server.h"
#include "common/rpc/unary.h"
#include "common/testing/shifted_clock.h"
#include "customers/v1/customers.grpc.pb.h"

namespace sagamesh::rpc {

inline constexpr char kGetCustomer[] = "customers.v1.CustomersService/GetCustomer";

// A real server, on a port of its own, with one method whose logic the test gives, and a client of it.
class TestServer {
 public:
  using Reply = Done<::customers::v1::GetCustomerResponse>;
  // Called on gRPC's threads or the timers' loop.
  using Logic = std::function<void(const CallContext&, const ::customers::v1::GetCustomerRequest&, Reply)>;

  // `configure` may change the edge's options before the server starts.
  explicit TestServer(Logic logic, std::function<void(EdgeOptions&)> configure = nullptr,
                      const std::string& address = "127.0.0.1:0");

  testing::ShiftedClock& clock() { return clock_; }
  metrics::Registry& registry() { return registry_; }
  Server& server() { return *server_; }
  ::customers::v1::CustomersService::Stub& stub() { return *stub_; }
  const std::shared_ptr<grpc::Channel>& channel() { return channel_; }

  // Calls GetCustomer(7) and gives the answer, its details included.
  absl::Status Call(grpc::ClientContext& context);

  // Calls that ended with this code, as the edge counted them.
  int Handled(const std::string& code);

 private:
  class Service final : public ::customers::v1::CustomersService::CallbackService {
   public:
    Service(Edge& edge, Logic logic) : edge_(edge), logic_(std::move(logic)) {}
    grpc::ServerUnaryReactor* GetCustomer(grpc::CallbackServerContext* context,
                                          const ::customers::v1::GetCustomerRequest* request,
                                          ::customers::v1::GetCustomerResponse* response) override {
      return edge_.Unary(context, kGetCustomer, request, response, logic_);
    }

   private:
    Edge& edge_;
    const Logic logic_;
  };

  EdgeOptions Options(std::function<void(EdgeOptions&)> configure);

  testing::ShiftedClock clock_;
  metrics::Registry registry_;
  // In this order: the server ends before the loop that its calls wait on.
  std::unique_ptr<EventLoop> timers_ = MakeThreadEventLoop("timers");
  Edge edge_;
  Service service_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<::customers::v1::CustomersService::Stub> stub_;
};

// Logic that answers at once with the customer that was asked for.
void AnswerCustomer(const CallContext& call, const ::customers::v1::GetCustomerRequest& request,
                    TestServer::Reply done);

}  // namespace sagamesh::rpc

#endif  // SAGAMESH_COMMON_RPC_TEST_SERVER_H_
