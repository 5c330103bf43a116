#include "bench/buyer.h"
#include "bench/grpc_calls.h"
#include "coordinator/v1/coordinator.grpc.pb.h"

namespace sagamesh::bench {
namespace {

constexpr uint32_t kCustomerId = 1;  // of the demo data

class GrpcBuyer final : public Buyer {
 public:
  GrpcBuyer(const std::string& coordinator, Clock& clock) : clock_(clock), stubs_(coordinator) {}

  void Buy(const Purchase& purchase, Done done) override {
    using Call = GrpcCall<coordinator::v1::ProcessOrderRequest, coordinator::v1::ProcessOrderResponse>;
    auto* call = new Call(clock_);
    call->context.AddMetadata("idempotency-key", purchase.idempotency_key);
    call->request.set_customer_id(kCustomerId);
    auto* item = call->request.add_items();
    item->set_sku(purchase.sku);
    item->set_quantity(1);
    stubs_.Next()->ProcessOrder(&call->context, &call->request, &call->response, call->Answered(std::move(done)));
  }

 private:
  Clock& clock_;
  GrpcStubs<coordinator::v1::CoordinatorService> stubs_;
};

}  // namespace

std::unique_ptr<Buyer> MakeGrpcBuyer(const std::string& coordinator, Clock& clock) {
  return std::make_unique<GrpcBuyer>(coordinator, clock);
}

}  // namespace sagamesh::bench
