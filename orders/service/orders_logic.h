#ifndef SAGAMESH_ORDERS_SERVICE_ORDERS_LOGIC_H_
#define SAGAMESH_ORDERS_SERVICE_ORDERS_LOGIC_H_

#include <memory>
#include <string>

#include "absl/time/time.h"
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
#include "orders/domain/order.h"
#include "orders/service/order_writes.h"
#include "orders/service/stock_client.h"
#include "orders/v1/orders.pb.h"

namespace sagamesh::orders {

struct OrdersOptions {
  // Calls of sagas older than this are refused: their barrier rows may be gone.
  absl::Duration barrier_retention = absl::Hours(168);
  // A direct order that nobody ended is ended after this...
  absl::Duration order_ttl = absl::Minutes(30);
  // ... and one whose cancelling got stuck after this.
  absl::Duration cancelling_ttl = absl::Seconds(5);
  absl::Duration sweep_interval = absl::Seconds(1);
  int sweep_orders = 100;
  // For a call to customers whose caller set no deadline.
  absl::Duration stock_timeout = absl::Seconds(5);
  int max_queued_operations = 8192;
  int max_queued_reads = 4096;
  int read_connections = 2;
  CrashAt crash_at;  // one of crash_points.h
};

// OrdersService without its transport. Each method is a chain of callbacks: local writes (one operation of the
// service's group commit each) and calls to the stock; a crash between any two leaves a state that a repeat, the saga's
// compensation or the sweep ends. Methods are thread-safe and never block; arguments are used during the call only.
class OrdersLogic {
 public:
  OrdersLogic(OrdersOptions options, StockClient& stock, sql::Database& database, WorkerPool& pool, EventLoop& timers,
              Clock& clock, Random& random, metrics::Registry& registry);
  // Ends the writes that wait: their callbacks keep the parts alive, which keep them. After the executors' Shutdown.
  ~OrdersLogic();

  // Migrates the schema. Blocks; run it on a worker.
  static absl::Status Open(sql::Database& database);

  void CreateOrder(const CallContext& context, const ::orders::v1::CreateOrderRequest& request,
                   Done<::orders::v1::CreateOrderResponse> done);
  void GetOrder(const CallContext& context, const ::orders::v1::GetOrderRequest& request,
                Done<::orders::v1::GetOrderResponse> done);
  void ListOrders(const CallContext& context, const ::orders::v1::ListOrdersRequest& request,
                  Done<::orders::v1::ListOrdersResponse> done);
  void ConfirmOrder(const CallContext& context, const ::orders::v1::ConfirmOrderRequest& request,
                    Done<::orders::v1::ConfirmOrderResponse> done);
  void CancelOrder(const CallContext& context, const ::orders::v1::CancelOrderRequest& request,
                   Done<::orders::v1::CancelOrderResponse> done);

  // Ends the direct orders that nobody ended, every sweep_interval from now on. Call once, when the database is open.
  void StartSweeping();

  // What the flows share; of this library's own use.
  struct Parts;

 private:
  std::shared_ptr<Parts> parts_;
};

}  // namespace sagamesh::orders

#endif  // SAGAMESH_ORDERS_SERVICE_ORDERS_LOGIC_H_
