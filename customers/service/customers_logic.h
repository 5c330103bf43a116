#ifndef SAGAMESH_CUSTOMERS_SERVICE_CUSTOMERS_LOGIC_H_
#define SAGAMESH_CUSTOMERS_SERVICE_CUSTOMERS_LOGIC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "common/barrier/barrier.h"
#include "common/batch/group_commit.h"
#include "common/clock/clock.h"
#include "common/exec/executor.h"
#include "common/fault/crash_at.h"
#include "common/metrics/metrics.h"
#include "common/random/random.h"
#include "common/rpc/call_context.h"
#include "common/sql/reader.h"
#include "common/sql/sql.h"
#include "customers/domain/stock.h"
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

// CustomersService and StockService without their transport. Every write is an operation of one group commit. Methods
// are thread-safe and never block; arguments are used during the call only.
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
  struct CommitCommand {
    std::string order_id;
    std::string owner;
  };
  struct ReleaseCommand {
    std::string order_id;
    std::string owner;
  };
  struct RestockCommand {
    std::string sku;
    int64_t quantity;
    std::string movement_id;
  };
  using Command = std::variant<ReserveCommand, CommitCommand, ReleaseCommand, RestockCommand, Product, Customer>;

  struct Operation {
    Command command;
    // What guards it. A direct reserve, commit or release without a key has none: the reservation's own states, and
    // its items, make it repeatable by its order id, and a stored answer would outlive what it says.
    std::optional<BarrierCall> barrier;
    // Whether a refusal is stored: for the calls of sagas and those with a key, which may come again.
    bool store_refusal = false;
    // It was run before, in a batch that did not commit or whose COMMIT has an unknown outcome: a stored result is its
    // own.
    bool decided = false;
    // The serialized response message.
    absl::StatusOr<std::string> reply = absl::UnknownError("not run");
    bool replayed = false;

    // Whether it made an effect of its own.
    bool took_effect() const { return reply.ok() && !replayed; }
  };
  struct Collector;
  struct Decider;

  // Answers `done` with what the operation, or its stored result, replied.
  template <typename Response>
  void Submit(const CallContext& context, Operation operation, Done<Response> done);
  template <typename Response>
  void Read(const CallContext& context, Done<Response> done,
            absl::AnyInvocable<absl::StatusOr<Response>(sql::Connection&)> read);
  // By the saga, the key or a generated id.
  absl::Status Guard(const CallContext& context, absl::string_view method, const google::protobuf::MessageLite& request,
                     Operation& operation);
  // The guard of a reservation's call: by the saga or the key. `op` is what the method is to a saga.
  absl::Status GuardReservation(const CallContext& context, absl::string_view method, SagaOp op,
                                const google::protobuf::MessageLite& request, Operation& operation);

  absl::StatusOr<BatchEffect> RunBatch(sql::Connection& connection, absl::Span<Operation* const> operations);
  void RunOperation(WorkingSet& set, BarrierRows& barrier, Operation& operation);
  // Reaches `point` of the operation's method, if it took effect.
  void ReachCrashPoint(absl::string_view point, const Operation& operation) const;

  const CustomersOptions options_;
  Clock& clock_;
  Random& random_;
  sql::Reader reader_;
  GroupCommit<Operation> group_commit_;
};

}  // namespace sagamesh::customers

#endif  // SAGAMESH_CUSTOMERS_SERVICE_CUSTOMERS_LOGIC_H_
