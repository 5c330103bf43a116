#include "orders/service/step_stock_client.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sagamesh::orders {

template <typename Request, typename Response>
void StepStockClient::Call(const char* method, const CallContext& context, const Request& request,
                           Done<Response> done) {
  step_caller_.Call(absl::StrCat(kStockService, "/", method), request.SerializeAsString(), context,
                    [done = std::move(done)](absl::StatusOr<std::string> reply) mutable {
                      if (!reply.ok()) return done(reply.status(), {});
                      Response response;
                      if (!response.ParseFromString(*reply)) {
                        return done(absl::InternalError("the stock's answer is none"), {});
                      }
                      done(std::move(response), {});
                    });
}

void StepStockClient::ReserveStock(const CallContext& context, const ::customers::v1::ReserveStockRequest& request,
                                   Done<::customers::v1::ReserveStockResponse> done) {
  Call("ReserveStock", context, request, std::move(done));
}

void StepStockClient::CommitReservation(const CallContext& context,
                                        const ::customers::v1::CommitReservationRequest& request,
                                        Done<::customers::v1::CommitReservationResponse> done) {
  Call("CommitReservation", context, request, std::move(done));
}

void StepStockClient::ReleaseReservation(const CallContext& context,
                                         const ::customers::v1::ReleaseReservationRequest& request,
                                         Done<::customers::v1::ReleaseReservationResponse> done) {
  Call("ReleaseReservation", context, request, std::move(done));
}

}  // namespace sagamesh::orders
