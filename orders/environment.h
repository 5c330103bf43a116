#ifndef SAGAMESH_ORDERS_ENVIRONMENT_H_
#define SAGAMESH_ORDERS_ENVIRONMENT_H_

#include <memory>
#include <string>

#include "common/rpc/batching_step_caller.h"
#include "common/rpc/grpc_step_caller.h"
#include "common/service/process.h"
#include "orders/service/grpc_service.h"
#include "orders/service/orders_logic.h"
#include "orders/service/step_stock_client.h"

namespace sagamesh::orders {

struct EnvironmentOptions {
  ProcessOptions process;
  OrdersOptions orders;
  std::string customers;  // common/rpc/target.h
};

// Every long-lived object of the orders process.
class Environment {
 public:
  static absl::StatusOr<std::unique_ptr<Environment>> Create(EnvironmentOptions options);
  ~Environment() { process_->StopExecutors(); }

  // Serves until SIGTERM or SIGINT.
  void Run() {
    process_->Run([](absl::Time) {});
  }

 private:
  Environment(const EnvironmentOptions& options, std::unique_ptr<Process> process)
      : process_(std::move(process)),
        logic_(options.orders, stock_client_, process_->database(), process_->workers(), process_->timers(),
               process_->clock(), process_->random(), process_->registry()),
        unary_step_caller_({{kStockService, options.customers}}),
        step_caller_({.domain = "orders"}, rpc::FindBatchTwins({kStockService}), unary_step_caller_, process_->timers(),
                     process_->clock(), process_->registry()),
        stock_client_(step_caller_),
        orders_service_(process_->edge(), logic_) {}

  std::unique_ptr<Process> process_;
  OrdersLogic logic_;
  // After the logic: its calls under way end before the logic does.
  rpc::GrpcStepCaller unary_step_caller_;
  rpc::BatchingStepCaller step_caller_;
  StepStockClient stock_client_;
  GrpcOrdersService orders_service_;
};

}  // namespace sagamesh::orders

#endif  // SAGAMESH_ORDERS_ENVIRONMENT_H_
