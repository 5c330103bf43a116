#ifndef SAGAMESH_TESTS_SIMULATION_CALLERS_H_
#define SAGAMESH_TESTS_SIMULATION_CALLERS_H_

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "coordinator/runtime/step_caller.h"
#include "orders/service/stock_client.h"
#include "tests/simulation/network.h"
#include "tests/simulation/poison.h"
#include "tests/simulation/process.h"

namespace sagamesh::simulation {

// The coordinator's way to its participants, over the simulated network; some sagas kill it on the way. Owned by the
// coordinator's life.
class SimStepCaller final : public runtime::StepCaller {
 public:
  SimStepCaller(Life& life, Network& network, Poison& poison) : life_(life), network_(network), poison_(poison) {}

  void Call(const std::string& method, std::string request, const CallContext& context,
            absl::AnyInvocable<void(absl::StatusOr<std::string>)> done) override {
    if (life_.alive() && context.saga.has_value() && poison_.Kills(context.saga->saga_id)) {
      life_.scheduler().Trace(life_.name(), "dies of saga ", context.saga->saga_id);
      life_.Abort();
    }
    network_.Call(
        &life_, method.substr(0, method.find('.')), method, std::move(request), context,
        [done = std::move(done)](absl::StatusOr<std::string> reply, ReplyInfo) mutable { done(std::move(reply)); });
  }

 private:
  Life& life_;
  Network& network_;
  Poison& poison_;
};

// The way of orders to the stock. Owned by the life of orders.
class SimStockClient final : public orders::StockClient {
 public:
  SimStockClient(Life& life, Network& network) : life_(life), network_(network) {}

  void ReserveStock(const CallContext& context, const ::customers::v1::ReserveStockRequest& request,
                    Done<::customers::v1::ReserveStockResponse> done) override {
    Call("ReserveStock", context, request, std::move(done));
  }
  void CommitReservation(const CallContext& context, const ::customers::v1::CommitReservationRequest& request,
                         Done<::customers::v1::CommitReservationResponse> done) override {
    Call("CommitReservation", context, request, std::move(done));
  }
  void ReleaseReservation(const CallContext& context, const ::customers::v1::ReleaseReservationRequest& request,
                          Done<::customers::v1::ReleaseReservationResponse> done) override {
    Call("ReleaseReservation", context, request, std::move(done));
  }

 private:
  template <typename Request, typename Response>
  void Call(const char* method, const CallContext& context, const Request& request, Done<Response> done) {
    network_.Call(&life_, "customers", absl::StrCat("customers.v1.StockService/", method), request.SerializeAsString(),
                  context, [done = std::move(done)](absl::StatusOr<std::string> reply, ReplyInfo info) mutable {
                    if (!reply.ok()) return done(reply.status(), info);
                    Response response;
                    response.ParseFromString(*reply);
                    done(std::move(response), info);
                  });
  }

  Life& life_;
  Network& network_;
};

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_CALLERS_H_
