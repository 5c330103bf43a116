#include "orders/service/grpc_stock_client.h"

#include <grpcpp/client_context.h>

#include <set>
#include <utility>

#include "common/exec/in_flight.h"
#include "common/exec/mutex.h"
#include "common/rpc/metadata.h"
#include "common/rpc/server.h"
#include "common/rpc/status.h"
#include "customers/v1/customers.grpc.pb.h"

namespace sagamesh::orders {

namespace pb = ::customers::v1;

// Kept alive by the calls under way.
struct GrpcStockClient::State {
  explicit State(const std::string& target)
      : channel(rpc::MakeChannel(target)), stub(pb::StockService::NewStub(channel)) {}

  template <typename Request, typename Response>
  using Method = void (pb::StockService::StubInterface::async_interface::*)(grpc::ClientContext*, const Request*,
                                                                            Response*,
                                                                            std::function<void(grpc::Status)>);

  template <typename Request, typename Response>
  void Call(std::shared_ptr<State> self, Method<Request, Response> method, const CallContext& context,
            const Request& request, Reply<Response> done);

  // False once the client shuts down.
  bool Begin(grpc::ClientContext* call) {
    in_flight.Begin();
    MutexLock lock(mutex);
    if (stopping) return false;
    pending.insert(call);
    return true;
  }
  void End(grpc::ClientContext* call) {
    MutexLock lock(mutex);
    pending.erase(call);
  }

  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<pb::StockService::Stub> stub;
  InFlight in_flight;
  Mutex mutex;
  bool stopping ABSL_GUARDED_BY(mutex) = false;
  std::set<grpc::ClientContext*> pending ABSL_GUARDED_BY(mutex);
};

template <typename Request, typename Response>
void GrpcStockClient::State::Call(std::shared_ptr<State> self, Method<Request, Response> method,
                                  const CallContext& context, const Request& request, Reply<Response> done) {
  struct Pending {
    grpc::ClientContext context;
    Request request;
    Response response;
    Reply<Response> done;
  };
  auto call = std::make_shared<Pending>();
  rpc::WriteCallContext(context, call->context);
  call->request = request;
  call->done = std::move(done);
  if (!Begin(&call->context)) {
    call->done(absl::CancelledError("the process is shutting down"));
    return in_flight.End();
  }
  (stub->async()->*method)(&call->context, &call->request, &call->response, [self, call](grpc::Status status) {
    self->End(&call->context);
    if (status.ok()) {
      call->done(std::move(call->response));
    } else {
      call->done(rpc::FromGrpc(status));
    }
    self->in_flight.End();
  });
}

GrpcStockClient::GrpcStockClient(const std::string& target) : state_(std::make_shared<State>(target)) {}

GrpcStockClient::~GrpcStockClient() { Shutdown(); }

void GrpcStockClient::Shutdown() {
  {
    MutexLock lock(state_->mutex);
    state_->stopping = true;
    for (grpc::ClientContext* call : state_->pending) call->TryCancel();
  }
  state_->in_flight.WaitForNone();
}

void GrpcStockClient::ReserveStock(const CallContext& context, const pb::ReserveStockRequest& request,
                                   Reply<pb::ReserveStockResponse> done) {
  state_->Call<pb::ReserveStockRequest, pb::ReserveStockResponse>(
      state_, &pb::StockService::StubInterface::async_interface::ReserveStock, context, request, std::move(done));
}

void GrpcStockClient::CommitReservation(const CallContext& context, const pb::CommitReservationRequest& request,
                                        Reply<pb::CommitReservationResponse> done) {
  state_->Call<pb::CommitReservationRequest, pb::CommitReservationResponse>(
      state_, &pb::StockService::StubInterface::async_interface::CommitReservation, context, request, std::move(done));
}

void GrpcStockClient::ReleaseReservation(const CallContext& context, const pb::ReleaseReservationRequest& request,
                                         Reply<pb::ReleaseReservationResponse> done) {
  state_->Call<pb::ReleaseReservationRequest, pb::ReleaseReservationResponse>(
      state_, &pb::StockService::StubInterface::async_interface::ReleaseReservation, context, request,
      std::move(done));
}

}  // namespace sagamesh::orders
