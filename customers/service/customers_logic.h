#ifndef SAGAMESH_CUSTOMERS_SERVICE_CUSTOMERS_LOGIC_H_
#define SAGAMESH_CUSTOMERS_SERVICE_CUSTOMERS_LOGIC_H_

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/clock/clock.h"
#include "common/exec/executor.h"
#include "common/fault/crash_at.h"
#include "common/metrics/metrics.h"
#include "common/random/random.h"
#include "common/rpc/call_context.h"
#include "common/sql/reader.h"
#include "common/sql/sql.h"
#include "customers/service/stock_writes.h"
#include "customers/v1/customers.pb.h"

namespace sagamesh::customers {

struct CustomersOptions {
  // Calls of sagas older than this are refused: their barrier rows may be gone.
  absl::Duration barrier_retention = absl::Hours(168);
  int max_queued_operations = 8192;
  int max_queued_reads = 4096;
  int read_connections = 2;
  CrashAt crash_at;  // one of crash_points.h
};

// CustomersService and StockService without their transport. Methods are thread-safe and never block; arguments are
// used during the call only.
class CustomersLogic {
 public:
  CustomersLogic(CustomersOptions options, sql::Database& database, WorkerPool& pool, Clock& clock, Random& random,
                 metrics::Registry& registry);

  // Migrates the schema. Blocks; run it on a worker.
  static absl::Status Open(sql::Database& database);

  void CreateCustomer(const CallContext& context, const ::customers::v1::CreateCustomerRequest& request,
                      Done<::customers::v1::CreateCustomerResponse> done);
  void GetCustomer(const CallContext& context, const ::customers::v1::GetCustomerRequest& request,
                   Done<::customers::v1::GetCustomerResponse> done);
  void ListCustomers(const CallContext& context, const ::customers::v1::ListCustomersRequest& request,
                     Done<::customers::v1::ListCustomersResponse> done);

  void CreateProduct(const CallContext& context, const ::customers::v1::CreateProductRequest& request,
                     Done<::customers::v1::CreateProductResponse> done);
  void GetProduct(const CallContext& context, const ::customers::v1::GetProductRequest& request,
                  Done<::customers::v1::GetProductResponse> done);
  void ListProducts(const CallContext& context, const ::customers::v1::ListProductsRequest& request,
                    Done<::customers::v1::ListProductsResponse> done);
  void Restock(const CallContext& context, const ::customers::v1::RestockRequest& request,
               Done<::customers::v1::RestockResponse> done);

  void ReserveStock(const CallContext& context, const ::customers::v1::ReserveStockRequest& request,
                    Done<::customers::v1::ReserveStockResponse> done);
  void CommitReservation(const CallContext& context, const ::customers::v1::CommitReservationRequest& request,
                         Done<::customers::v1::CommitReservationResponse> done);
  void ReleaseReservation(const CallContext& context, const ::customers::v1::ReleaseReservationRequest& request,
                          Done<::customers::v1::ReleaseReservationResponse> done);

 private:
  // Submits the write and answers `done` with its reply.
  template <typename Response>
  void Write(const CallContext& context, StockWrite write, Done<Response> done);
  template <typename Response>
  void Read(const CallContext& context, Done<Response> done,
            absl::AnyInvocable<absl::StatusOr<Response>(sql::Connection&)> read);

  // Guards a write by the saga, the key or a generated id.
  absl::Status GuardWrite(const CallContext& context, absl::string_view method,
                          const google::protobuf::MessageLite& request, StockWrite& write);
  // The same for a reservation's write: by the saga or the key. `op` is what the method is to a saga.
  absl::Status GuardReservation(const CallContext& context, absl::string_view method, SagaOp op,
                                const google::protobuf::MessageLite& request, StockWrite& write);

  Clock& clock_;
  Random& random_;
  sql::Reader reader_;
  StockWrites writes_;
};

}  // namespace sagamesh::customers

#endif  // SAGAMESH_CUSTOMERS_SERVICE_CUSTOMERS_LOGIC_H_
