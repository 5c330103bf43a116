#include "orders/service/orders_logic.h"
#include "orders/service/step_stock_client.h"
#include "tests/simulation/callers.h"
#include "tests/simulation/clients.h"
#include "tests/simulation/node.h"
#include "tests/simulation/processes.h"

namespace sagamesh::simulation {

namespace pb = ::orders::v1;

void BootOrders(Life& life, Storage& storage, Network& network, const Limits& limits) {
  Node& node = life.Make<Node>(life, storage, network);
  auto& stock = life.Make<orders::StepStockClient>(MakeBatchingCaller(node, limits, {orders::kStockService}));
  orders::OrdersOptions options;
  options.order_ttl = kOrderTtl;
  options.max_queued_operations = limits.queued_writes;
  options.max_queued_reads = limits.queued_reads;
  auto& logic = life.Make<orders::OrdersLogic>(options, stock, node.database(), node.workers(), node.timers(),
                                               life.clock(), life.random(), life.registry());
  SimEdge& edge = node.edge();
  edge.Unary<pb::CreateOrderRequest, pb::CreateOrderResponse>(
      kCreateOrder, [&logic](const CallContext& call, const auto& request, auto done) {
        logic.CreateOrder(call, request, std::move(done));
      });
  edge.Unary<pb::ConfirmOrderRequest, pb::ConfirmOrderResponse>(
      kConfirmOrder, [&logic](const CallContext& call, const auto& request, auto done) {
        logic.ConfirmOrder(call, request, std::move(done));
      });
  edge.Unary<pb::CancelOrderRequest, pb::CancelOrderResponse>(
      kCancelOrder, [&logic](const CallContext& call, const auto& request, auto done) {
        logic.CancelOrder(call, request, std::move(done));
      });
  edge.Batch<pb::BatchCreateOrdersRequest, pb::BatchCreateOrdersResponse>(
      kBatchCreateOrders, kCreateOrder, [&logic](const CallContext& call, const auto& request, auto done) {
        logic.CreateOrder(call, request, std::move(done));
      });
  edge.Batch<pb::BatchConfirmOrdersRequest, pb::BatchConfirmOrdersResponse>(
      kBatchConfirmOrders, kConfirmOrder, [&logic](const CallContext& call, const auto& request, auto done) {
        logic.ConfirmOrder(call, request, std::move(done));
      });
  edge.Batch<pb::BatchCancelOrdersRequest, pb::BatchCancelOrdersResponse>(
      kBatchCancelOrders, kCancelOrder, [&logic](const CallContext& call, const auto& request, auto done) {
        logic.CancelOrder(call, request, std::move(done));
      });
  node.Serve([&node] { return orders::OrdersLogic::Open(node.database()); }, [&logic] { logic.StartSweeping(); });
}

}  // namespace sagamesh::simulation
