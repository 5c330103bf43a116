#ifndef SAGAMESH_CUSTOMERS_ENVIRONMENT_H_
#define SAGAMESH_CUSTOMERS_ENVIRONMENT_H_

#include <memory>

#include "common/service/process.h"
#include "customers/service/customers_logic.h"
#include "customers/service/grpc_service.h"

namespace sagamesh::customers {

struct EnvironmentOptions {
  ProcessOptions process;
  CustomersOptions customers;
  bool seed_demo = false;
};

// Every long-lived object of the customers process.
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
        logic_(options.customers, process_->database(), process_->workers(), process_->clock(), process_->random(),
               process_->registry()),
        customers_service_(process_->edge(), logic_),
        stock_service_(process_->edge(), logic_) {}

  std::unique_ptr<Process> process_;
  CustomersLogic logic_;
  GrpcCustomersService customers_service_;
  GrpcStockService stock_service_;
};

}  // namespace sagamesh::customers

#endif  // SAGAMESH_CUSTOMERS_ENVIRONMENT_H_
