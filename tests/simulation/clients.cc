#include "tests/simulation/clients.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/error.h"
#include "coordinator/v1/coordinator.pb.h"
#include "customers/v1/customers.pb.h"
#include "orders/v1/orders.pb.h"

namespace sagamesh::simulation {
namespace {

// Whether the client asks again: the answer does not say what became of its wish, or says that it may come back.
bool IsRetryable(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kUnknown:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::string SagaOf(const Answer& answer) {
  if (answer.reply.ok()) {
    ::coordinator::v1::ProcessOrderResponse response;
    return response.ParseFromString(*answer.reply) ? response.saga_id() : "";
  }
  const auto info = GetErrorInfo(answer.reply.status());
  if (!info.has_value()) return "";
  const auto found = info->metadata().find("saga_id");
  return found == info->metadata().end() ? "" : found->second;
}

bool IsOfTheWait(absl::string_view reason) { return reason == "SAGA_STILL_RUNNING" || reason == "TOO_MANY_WAITERS"; }

void Clients::StockTheShop() {
  for (uint32_t id = 1; id <= kCustomers; id++) {
    ::customers::v1::CreateCustomerRequest request;
    request.set_customer_id(id);
    request.set_name(absl::StrCat("Customer ", id));
    request.set_email(absl::StrCat("c", id, "@example.com"));
    Pursue({.to = "customers",
            .method = kCreateCustomer,
            .request = request.SerializeAsString(),
            .key = NewKey(),
            .attempts_left = 1000});
  }
  for (const Product& product : kProducts) {
    ::customers::v1::CreateProductRequest request;
    request.set_sku(product.sku);
    request.set_name(product.sku);
    request.set_price_cents(product.price_cents);
    request.set_available(product.available);
    Pursue({.to = "customers",
            .method = kCreateProduct,
            .request = request.SerializeAsString(),
            .key = NewKey(),
            .attempts_left = 1000});
  }
}

void Clients::Shop(int intents, absl::Duration duration) {
  for (int i = 0; i < intents; i++) {
    busy_++;
    scheduler_.After(rng_.Between(absl::ZeroDuration(), duration), [this] {
      Begin();
      busy_--;
    });
  }
}

void Clients::Begin() {
  const uint64_t wish = rng_.Below(100);
  if (wish < 68) return BuyThroughTheCoordinator();
  if (wish < 87) return BuyDirectly();
  if (wish < 95) return Restock();
  if (wish < 98) return MistypeAndBuy();
  BuyInACrowd();
}

std::string Clients::Basket() {
  ::coordinator::v1::ProcessOrderRequest request;
  request.set_customer_id(rng_.Chance(0.03) ? 77 : static_cast<uint32_t>(rng_.Between(1, kCustomers)));
  const int lines = static_cast<int>(rng_.Between(1, 3));
  for (int i = 0; i < lines; i++) {
    auto* item = request.add_items();
    item->set_sku(rng_.Chance(0.03) ? "prod-unknown" : kProducts[rng_.Below(std::size(kProducts))].sku);
    item->set_quantity(rng_.Chance(0.04) ? 1'000'000 : static_cast<int32_t>(rng_.Between(1, 5)));
  }
  return request.SerializeAsString();
}

std::optional<Fault> Clients::MaybeFault() {
  if (!rng_.Chance(0.25)) return std::nullopt;
  Fault fault;
  fault.method = rng_.Chance(0.7) ? kConfirmOrder : kCreateOrder;
  constexpr absl::StatusCode kCodes[] = {absl::StatusCode::kInternal, absl::StatusCode::kFailedPrecondition,
                                         absl::StatusCode::kUnavailable, absl::StatusCode::kAborted};
  if (rng_.Chance(0.8)) fault.abort_code = static_cast<int>(kCodes[rng_.Below(std::size(kCodes))]);
  if (fault.abort_code == 0 || rng_.Chance(0.2)) {
    fault.delay = rng_.Between(absl::Milliseconds(10), absl::Milliseconds(2000));
  }
  fault.after = rng_.Chance(0.5);
  return fault;
}

Clients::Intent Clients::MaybeAgain(Intent intent, std::vector<Intent>& asked,
                                    const std::function<std::string()>& other) {
  if (asked.empty() || !rng_.Chance(0.25)) {
    asked.push_back(intent);
    return intent;
  }
  intent = asked[rng_.Below(asked.size())];
  if (intent.key.has_value() && rng_.Chance(0.3)) intent.request = other();
  return intent;
}

void Clients::BuyThroughTheCoordinator() {
  Intent intent{.to = "coordinator", .method = kProcessOrder, .request = Basket(), .fault = MaybeFault()};
  if (rng_.Chance(0.5)) intent.key = NewKey();
  intent = MaybeAgain(std::move(intent), asked_, [this] { return Basket(); });
  // Duplicates at once: impatient people, proxies that retry.
  for (int copies = rng_.Chance(0.25) ? static_cast<int>(rng_.Between(2, 4)) : 1; copies > 0; copies--) Pursue(intent);
}

void Clients::BuyInACrowd() {
  const bool all_the_same = rng_.Chance(0.3);
  Intent intent{.to = "coordinator", .method = kProcessOrder, .request = Basket(), .key = NewKey()};
  for (int people = static_cast<int>(rng_.Between(10, 25)); people > 0; people--) {
    if (!all_the_same) {
      intent.request = Basket();
      intent.key = NewKey();
    }
    Pursue(intent);
  }
}

void Clients::MistypeAndBuy() {
  ::coordinator::v1::ProcessOrderRequest mistyped;
  mistyped.ParseFromString(Basket());
  mistyped.mutable_items(0)->set_quantity(0);
  const std::string key = NewKey();
  Pursue({.to = "coordinator",
          .method = kProcessOrder,
          .request = mistyped.SerializeAsString(),
          .key = key,
          .then = [this, key](const Answer&) {
            Pursue({.to = "coordinator", .method = kProcessOrder, .request = Basket(), .key = key});
          }});
}

std::string Clients::DirectBasket() {
  ::coordinator::v1::ProcessOrderRequest basket;
  basket.ParseFromString(Basket());
  ::orders::v1::CreateOrderRequest request;
  request.set_customer_id(basket.customer_id());
  for (const auto& item : basket.items()) {
    auto* line = request.add_items();
    line->set_sku(item.sku());
    line->set_quantity(item.quantity());
  }
  return request.SerializeAsString();
}

void Clients::BuyDirectly() {
  Intent intent{.to = "orders",
                .method = kCreateOrder,
                .request = DirectBasket(),
                .key = NewKey(),
                .then = [this](const Answer& answer) {
                  ::orders::v1::CreateOrderResponse response;
                  if (answer.reply.ok() && response.ParseFromString(*answer.reply)) {
                    EndDirectly(response.order().order_id());
                  }
                }};
  Pursue(MaybeAgain(std::move(intent), asked_directly_, [this] { return DirectBasket(); }));
}

void Clients::EndDirectly(const std::string& order_id) {
  const bool confirm = rng_.Chance(0.5);
  const bool cancel = rng_.Chance(0.4);
  if (confirm) {
    ::orders::v1::ConfirmOrderRequest request;
    request.set_order_id(order_id);
    Pursue({.to = "orders", .method = kConfirmOrder, .request = request.SerializeAsString(), .key = NewKey()});
  }
  // Both at once race; neither leaves the order to the sweep.
  if (cancel) {
    ::orders::v1::CancelOrderRequest request;
    request.set_order_id(order_id);
    Pursue({.to = "orders", .method = kCancelOrder, .request = request.SerializeAsString(), .key = NewKey()});
  }
}

std::string Clients::RestockRequest() {
  ::customers::v1::RestockRequest request;
  request.set_sku(kProducts[rng_.Below(std::size(kProducts))].sku);
  request.set_quantity(static_cast<int32_t>(rng_.Between(1, 20)));
  return request.SerializeAsString();
}

void Clients::Restock() {
  Intent intent{.to = "customers", .method = kRestock, .request = RestockRequest(), .key = NewKey()};
  Pursue(MaybeAgain(std::move(intent), restocked_, [this] { return RestockRequest(); }));
}

void Clients::Pursue(Intent intent) {
  intent.id = next_intent_++;
  busy_++;
  Attempt(std::make_shared<Intent>(std::move(intent)));
}

void Clients::Attempt(std::shared_ptr<Intent> intent) {
  CallContext context;
  context.idempotency_key = intent->key;
  context.fault = intent->fault;
  const absl::Time asked = scheduler_.now();
  context.deadline = asked + rng_.Between(absl::Milliseconds(500), absl::Seconds(15));
  intent->replica = network_.Choose(intent->to, rng_.Chance(0.8) ? intent->replica : "");
  network_.Call(nullptr, intent->replica, intent->method, intent->request, context,
                [this, intent, asked](absl::StatusOr<std::string> reply, ReplyInfo info) {
                  Ended(intent, {intent->id, intent->method, intent->request, intent->key, intent->fault, asked,
                                 scheduler_.now(), std::move(reply), info, intent->replica});
                });
}

void Clients::Ended(std::shared_ptr<Intent> intent, Answer answer) {
  history_.push_back(answer);
  if (!answer.reply.ok() && intent->method == kProcessOrder) React(*intent, answer);
  if (!answer.reply.ok() && IsRetryable(answer.reply.status()) && --intent->attempts_left > 0) {
    scheduler_.After(rng_.Between(absl::Milliseconds(50), absl::Seconds(4)), [this, intent] { Attempt(intent); });
    return;
  }
  if (intent->then) intent->then(answer);
  busy_--;
}

void Clients::React(const Intent& intent, const Answer& answer) {
  // Told that it is still being undone, many ask again at once.
  const bool again = answer.info.compensating && rng_.Chance(0.5);
  // Some want something else now, and forget to change the key.
  const bool other = intent.key.has_value() && !SagaOf(answer).empty() && rng_.Chance(0.05);
  for (const bool changed : {false, true}) {
    if (!(changed ? other : again)) continue;
    Intent next = intent;
    next.attempts_left = 1;
    if (changed) next.request = Basket();
    busy_++;
    scheduler_.After(rng_.Between(absl::Milliseconds(1), absl::Milliseconds(50)), [this, next] {
      Pursue(next);
      busy_--;
    });
  }
}

}  // namespace sagamesh::simulation
