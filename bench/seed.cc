#include <algorithm>

#include "absl/strings/str_cat.h"
#include "bench/closed_loop.h"
#include "bench/grpc_calls.h"
#include "bench/load.h"
#include "coordinator/v1/coordinator.pb.h"
#include "customers/v1/customers.grpc.pb.h"
#include "saga/v1/saga.grpc.pb.h"

namespace sagamesh::bench {
namespace {

constexpr int kCallers = 256;
constexpr int32_t kUnitsEach = 1'000'000'000;
constexpr uint32_t kCustomerId = 1;  // of the demo data

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

absl::Status StartSagas(const std::string& coordinator, const Skus& skus, int count, Clock& clock, Random& random) {
  using Call = GrpcCall<saga::v1::StartSagaRequest, saga::v1::StartSagaResponse>;
  GrpcStubs<saga::v1::SagaService> stubs(coordinator);
  const std::string run = absl::StrCat(absl::Hex(random.Next(), absl::kZeroPad16));
  ClosedLoop loop(clock, [&](int64_t number, ClosedLoop::Done done) {
    if (number >= count) return false;
    ::coordinator::v1::ProcessOrderRequest input;
    input.set_customer_id(kCustomerId);
    auto* item = input.add_items();
    item->set_sku(absl::StrCat(skus.prefix, number % skus.count));
    item->set_quantity(1);
    auto* call = new Call(clock);
    call->context.AddMetadata("idempotency-key", absl::StrCat(run, "-", number));
    call->request.set_definition("process_order");
    call->request.mutable_input()->PackFrom(input);
    stubs.Next()->StartSaga(&call->context, &call->request, &call->response, call->Answered(std::move(done)));
    return true;
  });
  loop.Start(std::min(kCallers, count));
  return loop.Drain();
}

}  // namespace sagamesh::bench
