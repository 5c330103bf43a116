#include "customers/service/customers_logic.h"
#include "tests/simulation/clients.h"
#include "tests/simulation/node.h"
#include "tests/simulation/processes.h"

namespace sagamesh::simulation {

namespace pb = ::customers::v1;

void BootCustomers(Life& life, Storage& storage, Network& network, const Limits& limits) {
  Node& node = life.Make<Node>(life, storage, network);
  customers::CustomersOptions options;
  options.max_queued_operations = limits.queued_writes;
  options.max_queued_reads = limits.queued_reads;
  auto& logic = life.Make<customers::CustomersLogic>(options, node.database(), node.workers(), life.clock(),
                                                     life.random(), life.registry());
  SimEdge& edge = node.edge();
  edge.Unary<pb::CreateCustomerRequest, pb::CreateCustomerResponse>(
      kCreateCustomer, [&logic](const CallContext& call, const auto& request, auto done) {
        logic.CreateCustomer(call, request, std::move(done));
      });
  edge.Unary<pb::CreateProductRequest, pb::CreateProductResponse>(
      kCreateProduct, [&logic](const CallContext& call, const auto& request, auto done) {
        logic.CreateProduct(call, request, std::move(done));
      });
  edge.Unary<pb::RestockRequest, pb::RestockResponse>(
      kRestock, [&logic](const CallContext& call, const auto& request, auto done) {
        logic.Restock(call, request, std::move(done));
      });
  edge.Unary<pb::ReserveStockRequest, pb::ReserveStockResponse>(
      kReserveStock, [&logic](const CallContext& call, const auto& request, auto done) {
        logic.ReserveStock(call, request, std::move(done));
      });
  edge.Unary<pb::CommitReservationRequest, pb::CommitReservationResponse>(
      kCommitReservation, [&logic](const CallContext& call, const auto& request, auto done) {
        logic.CommitReservation(call, request, std::move(done));
      });
  edge.Unary<pb::ReleaseReservationRequest, pb::ReleaseReservationResponse>(
      kReleaseReservation, [&logic](const CallContext& call, const auto& request, auto done) {
        logic.ReleaseReservation(call, request, std::move(done));
      });
  edge.Batch<pb::BatchReserveStockRequest, pb::BatchReserveStockResponse>(
      kBatchReserveStock, kReserveStock, [&logic](const CallContext& call, const auto& request, auto done) {
        logic.ReserveStock(call, request, std::move(done));
      });
  edge.Batch<pb::BatchCommitReservationsRequest, pb::BatchCommitReservationsResponse>(
      kBatchCommitReservations, kCommitReservation, [&logic](const CallContext& call, const auto& request, auto done) {
        logic.CommitReservation(call, request, std::move(done));
      });
  edge.Batch<pb::BatchReleaseReservationsRequest, pb::BatchReleaseReservationsResponse>(
      kBatchReleaseReservations, kReleaseReservation,
      [&logic](const CallContext& call, const auto& request, auto done) {
        logic.ReleaseReservation(call, request, std::move(done));
      });
  node.Serve([&node] { return customers::CustomersLogic::Open(node.database()); }, nullptr);
}

}  // namespace sagamesh::simulation
