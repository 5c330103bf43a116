#include "orders/service/step_stock_client.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/error.h"
#include "orders/domain/errors.h"

namespace sagamesh::orders {
namespace {

absl::Status Failed() {
  return MakeError(absl::StatusCode::kInternal, {error::kDomain, "BACKEND_FAILED"},
                   "the call to customers, which keeps the stock, failed");
}

// What gRPC's client says instead of a service has no ErrorInfo, and tells addresses. None of it is a definite refusal.
absl::Status Named(absl::Status status) {
  if (!GetReason(status).empty()) return status;
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kCancelled:  // by a service that is shutting down
      return MakeError(absl::StatusCode::kUnavailable, {error::kDomain, "BACKEND_UNAVAILABLE"},
                       "customers, which keeps the stock, is unavailable");
    case absl::StatusCode::kDeadlineExceeded:
      return MakeError(status.code(), {error::kDomain, "BACKEND_TIMEOUT"},
                       "customers, which keeps the stock, did not answer in time");
    default:
      return Failed();
  }
}

}  // namespace

template <typename Request, typename Response>
void StepStockClient::Call(const char* method, const CallContext& context, const Request& request,
                           Done<Response> done) {
  step_caller_.Call(absl::StrCat(kStockService, "/", method), request.SerializeAsString(), context,
                    [done = std::move(done)](absl::StatusOr<std::string> reply) mutable {
                      if (!reply.ok()) return done(Named(reply.status()), {});
                      Response response;
                      if (!response.ParseFromString(*reply)) return done(Failed(), {});
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
