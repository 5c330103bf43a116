#ifndef SAGAMESH_TESTS_SIMULATION_CLIENTS_H_
#define SAGAMESH_TESTS_SIMULATION_CLIENTS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/rpc/call_context.h"
#include "tests/simulation/network.h"
#include "tests/simulation/scheduler.h"

namespace sagamesh::simulation {

inline constexpr char kProcessOrder[] = "coordinator.v1.CoordinatorService/ProcessOrder";
inline constexpr char kCreateOrder[] = "orders.v1.OrdersService/CreateOrder";
inline constexpr char kConfirmOrder[] = "orders.v1.OrdersService/ConfirmOrder";
inline constexpr char kCancelOrder[] = "orders.v1.OrdersService/CancelOrder";
inline constexpr char kCreateCustomer[] = "customers.v1.CustomersService/CreateCustomer";
inline constexpr char kCreateProduct[] = "customers.v1.StockService/CreateProduct";
inline constexpr char kRestock[] = "customers.v1.StockService/Restock";
inline constexpr char kReserveStock[] = "customers.v1.StockService/ReserveStock";
inline constexpr char kCommitReservation[] = "customers.v1.StockService/CommitReservation";
inline constexpr char kReleaseReservation[] = "customers.v1.StockService/ReleaseReservation";
inline constexpr char kBatchCreateOrders[] = "orders.v1.OrdersService/BatchCreateOrders";
inline constexpr char kBatchConfirmOrders[] = "orders.v1.OrdersService/BatchConfirmOrders";
inline constexpr char kBatchCancelOrders[] = "orders.v1.OrdersService/BatchCancelOrders";
inline constexpr char kBatchReserveStock[] = "customers.v1.StockService/BatchReserveStock";
inline constexpr char kBatchCommitReservations[] = "customers.v1.StockService/BatchCommitReservations";
inline constexpr char kBatchReleaseReservations[] = "customers.v1.StockService/BatchReleaseReservations";

// What the shop starts with.
struct Product {
  const char* sku;
  int price_cents;
  int available;
};
inline constexpr Product kProducts[] = {
    {"prod-common", 1250, 100'000}, {"prod-other", 99, 50'000}, {"prod-scarce", 4999, 40}};
inline constexpr uint32_t kCustomers = 3;  // 1, 2, 3

// One call as its client saw it end. The whole history is what checkers know of the clients.
struct Answer {
  uint64_t intent;  // calls of one intent are retries of each other
  std::string method;
  std::string request;
  std::optional<std::string> key;
  std::optional<Fault> fault;
  absl::Time asked;
  absl::Time answered;
  absl::StatusOr<std::string> reply;
  ReplyInfo info;
  std::string replica;  // that was asked
};

// The saga that an answer of ProcessOrder is about; "" if it names none.
std::string SagaOf(const Answer& answer);
// Whether a refusal for this reason, though it names a saga, speaks of the caller's wait and not of the saga's end.
bool IsOfTheWait(absl::string_view reason);

// The clients of the shop: each wants something, asks for it, perhaps twice at once, and repeats it when the answer
// does not say, mostly from another replica. Everything they do is drawn from the seed.
class Clients {
 public:
  Clients(Scheduler& scheduler, Network& network, uint64_t seed)
      : scheduler_(scheduler), network_(network), rng_(seed) {}

  // Makes customers and products; ready() once all are there. Needs a world without faults.
  void StockTheShop();
  // Begins `intents` things, spread over `duration`.
  void Shop(int intents, absl::Duration duration);

  // Nothing is asked for or waited for.
  bool idle() const { return busy_ == 0; }
  const std::vector<Answer>& history() const { return history_; }

 private:
  struct Intent {
    uint64_t id = 0;
    std::string to;
    std::string method;
    std::string request;
    std::optional<std::string> key;
    std::optional<Fault> fault;
    int attempts_left = 8;
    std::string replica = "";  // asked last
    // What follows its last answer.
    std::function<void(const Answer&)> then;
  };

  void Begin();
  void BuyThroughTheCoordinator();
  // Many buy at once, each for itself or all of them the same.
  void BuyInACrowd();
  // A request that is refused before a saga exists, and then a right one under the same key.
  void MistypeAndBuy();
  void BuyDirectly();
  void EndDirectly(const std::string& order_id);
  void Restock();
  // `intent`, or an earlier one of `asked` once more, or its key for something else: `other` makes that request.
  Intent MaybeAgain(Intent intent, std::vector<Intent>& asked, const std::function<std::string()>& other);
  std::string Basket();
  std::string DirectBasket();
  std::string RestockRequest();
  std::optional<Fault> MaybeFault();
  std::string NewKey() { return "key-" + std::to_string(next_key_++); }

  void Pursue(Intent intent);
  void Attempt(std::shared_ptr<Intent> intent);
  void Ended(std::shared_ptr<Intent> intent, Answer answer);
  // What people do who are told something that they did not want to hear.
  void React(const Intent& intent, const Answer& answer);

  Scheduler& scheduler_;
  Network& network_;
  Rng rng_;
  uint64_t next_intent_ = 1;
  uint64_t next_key_ = 1;
  int busy_ = 0;
  std::vector<Answer> history_;
  // What was asked for, to ask for it again, or for something else under its key.
  std::vector<Intent> asked_;
  std::vector<Intent> asked_directly_;
  std::vector<Intent> restocked_;
};

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_CLIENTS_H_
