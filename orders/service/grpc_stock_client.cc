#include "orders/service/grpc_stock_client.h"

#include <utility>

#include "common/rpc/channel.h"
#include "common/rpc/metadata.h"
#include "common/rpc/status.h"

namespace sagamesh::orders {

GrpcStockClient::GrpcStockClient(const std::string& target)
    : stub_(::customers::v1::StockService::NewStub(rpc::MakeChannel(target))) {}

GrpcStockClient::~GrpcStockClient() { in_flight_.WaitForNone(); }

template <typename Request, typename Response>
void GrpcStockClient::Call(void (Stub::*method)(grpc::ClientContext*, const Request*, Response*,
                                                std::function<void(grpc::Status)>),
                           const CallContext& context, const Request& request, Done<Response> done) {
  // Deletes itself when the call has ended.
  struct Pending {
    grpc::ClientContext context;
    Request request;
    Response response;
    Done<Response> done;
  };
  auto* pending = new Pending;
  rpc::WriteCallContext(context, pending->context);
  pending->request = request;
  pending->done = std::move(done);
  in_flight_.Begin();
  (stub_->async()->*method)(
      &pending->context, &pending->request, &pending->response, [this, pending](grpc::Status status) {
        absl::StatusOr<Response> reply =
            status.ok() ? absl::StatusOr<Response>(std::move(pending->response)) : rpc::FromGrpc(status);
        Done<Response> finish = std::move(pending->done);
        // Before End lets the owner go on: the context holds the channel, which must not be destroyed in a callback.
        delete pending;
        finish(std::move(reply), {});
        finish = nullptr;
        in_flight_.End();
      });
}

void GrpcStockClient::ReserveStock(const CallContext& context, const ::customers::v1::ReserveStockRequest& request,
                                   Done<::customers::v1::ReserveStockResponse> done) {
  Call(&Stub::ReserveStock, context, request, std::move(done));
}

void GrpcStockClient::CommitReservation(const CallContext& context,
                                        const ::customers::v1::CommitReservationRequest& request,
                                        Done<::customers::v1::CommitReservationResponse> done) {
  Call(&Stub::CommitReservation, context, request, std::move(done));
}

void GrpcStockClient::ReleaseReservation(const CallContext& context,
                                         const ::customers::v1::ReleaseReservationRequest& request,
                                         Done<::customers::v1::ReleaseReservationResponse> done) {
  Call(&Stub::ReleaseReservation, context, request, std::move(done));
}

}  // namespace sagamesh::orders
