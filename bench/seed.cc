#include <algorithm>

#include "absl/strings/str_cat.h"
#include "bench/closed_loop.h"
#include "bench/grpc_calls.h"
#include "bench/load.h"
#include "customers/v1/customers.grpc.pb.h"

namespace sagamesh::bench {
namespace {

constexpr int kCallers = 256;
constexpr int32_t kUnitsEach = 1'000'000'000;

}  // namespace

absl::Status CreateProducts(const std::string& customers, const Skus& skus, Clock& clock) {
  using Call = GrpcCall<::customers::v1::CreateProductRequest, ::customers::v1::CreateProductResponse>;
  GrpcStubs<::customers::v1::StockService> stubs(customers);
  ClosedLoop loop(clock, [&](int64_t number, ClosedLoop::Done done) {
    if (number >= skus.count) return false;
    auto* call = new Call(clock);
    call->request.set_sku(absl::StrCat(skus.prefix, number));
    call->request.set_name("Measured");
    call->request.set_price_cents(1999);
    call->request.set_available(kUnitsEach);
    stubs.Next()->CreateProduct(&call->context, &call->request, &call->response,
                                call->Answered([done = std::move(done)](const absl::Status& status) {
                                  done(absl::IsAlreadyExists(status) ? absl::OkStatus() : status);
                                }));
    return true;
  });
  loop.Start(std::min(kCallers, skus.count));
  return loop.Drain();
}

}  // namespace sagamesh::bench
