#ifndef SAGAMESH_ORDERS_ENVIRONMENT_H_
#define SAGAMESH_ORDERS_ENVIRONMENT_H_

#include <memory>
#include <string>

#include "common/service/process.h"
#include "orders/service/grpc_service.h"
#include "orders/service/grpc_stock_client.h"
#include "orders/service/orders_logic.h"

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
        stock_client_(options.customers),
        orders_service_(process_->edge(), logic_) {}

  std::unique_ptr<Process> process_;
  OrdersLogic logic_;
  GrpcStockClient stock_client_;  // after the logic: its calls under way end before the logic does
  GrpcOrdersService orders_service_;
};

}  // namespace sagamesh::orders

#endif  // SAGAMESH_ORDERS_ENVIRONMENT_H_
