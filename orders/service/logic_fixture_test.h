#ifndef SAGAMESH_ORDERS_SERVICE_LOGIC_FIXTURE_TEST_H_
#define SAGAMESH_ORDERS_SERVICE_LOGIC_FIXTURE_TEST_H_

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/sql/sqlite.h"
#include "common/status/error.h"
#include "common/testing/engines.h"
#include "common/testing/fake_clock.h"
#include "common/testing/manual_loop.h"
#include "common/testing/scripted_database.h"
#include "common/testing/status_matchers.h"
#include "common/uuid/uuid.h"
#include "orders/service/orders_logic.h"

// OrdersLogic over a real database, one task at a time, with a clock that the test moves.

namespace sagamesh::orders::testing {

namespace pb = ::orders::v1;
namespace stock_pb = ::customers::v1;

using ::sagamesh::testing::Engine;
using ::sagamesh::testing::EngineName;
using ::sagamesh::testing::FakeClock;
using ::sagamesh::testing::ManualLoop;
using ::sagamesh::testing::ScriptedDatabase;
using ::sagamesh::testing::ServerEngines;

class CountingRandom final : public Random {
 public:
  uint64_t Next() override { return next_ += 0x9E3779B97F4A7C15; }

 private:
  uint64_t next_ = 0;
};

// Customers as orders sees it: idempotent by order, fenced by owner and by what was released. A call takes effect in a
// task of its own, as over a network.
class FakeStock final : public StockClient {
 public:
  explicit FakeStock(ManualLoop& loop) : loop_(loop) {}

  enum class Reply { kGiven, kLost, kNever };  // kLost: the effect happens, the answer is UNAVAILABLE

  void ReserveStock(const CallContext& context, const stock_pb::ReserveStockRequest& request,
                    Done<stock_pb::ReserveStockResponse> done) override {
    Handle<stock_pb::ReserveStockResponse>("Reserve", context, std::move(done),
                                           [=, this] { return Reserve(context, request); });
  }
  void CommitReservation(const CallContext& context, const stock_pb::CommitReservationRequest& request,
                         Done<stock_pb::CommitReservationResponse> done) override {
    Handle<stock_pb::CommitReservationResponse>("Commit", context, std::move(done), [=, this] {
      return Enter(context, request.order_id(), stock_pb::Reservation::COMMITTED);
    });
  }
  void ReleaseReservation(const CallContext& context, const stock_pb::ReleaseReservationRequest& request,
                          Done<stock_pb::ReleaseReservationResponse> done) override {
    Handle<stock_pb::ReleaseReservationResponse>("Release", context, std::move(done), [=, this] {
      return Enter(context, request.order_id(), stock_pb::Reservation::RELEASED);
    });
  }

  // What the next call of a method meets: an answer instead of the effect; how it is answered; what happens before.
  void FailNext(const std::string& method, absl::Status status) { failures_[method] = std::move(status); }
  void AnswerNext(const std::string& method, Reply reply) { replies_[method] = reply; }
  void BeforeNext(const std::string& method, std::function<void()> hook) { hooks_[method] = std::move(hook); }

  // "none", "RESERVED", "COMMITTED" or "RELEASED".
  std::string StatusOf(const std::string& order_id) const {
    const auto held = held_.find(order_id);
    return held == held_.end() ? "none" : stock_pb::Reservation::Status_Name(held->second.message.status());
  }
  int calls(const std::string& method) const { return calls_.contains(method) ? calls_.at(method) : 0; }
  const CallContext& last_context() const { return last_context_; }

  int64_t available = 100;  // of every sku

 private:
  struct Held {
    std::string owner;
    stock_pb::Reservation message;
  };

  static absl::Status Refusal(absl::StatusCode code, const char* reason) {
    return MakeError(code, {"customers", reason}, reason);
  }
  static std::string OwnerOf(const CallContext& context) { return context.saga ? context.saga->saga_id : ""; }

  absl::StatusOr<stock_pb::Reservation> Reserve(const CallContext& context,
                                                const stock_pb::ReserveStockRequest& request) {
    const auto there = held_.find(request.order_id());
    if (there != held_.end()) {
      if (there->second.owner != OwnerOf(context)) {
        return Refusal(absl::StatusCode::kFailedPrecondition, "RESERVATION_OWNED_BY_SAGA");
      }
      if (there->second.message.status() == stock_pb::Reservation::RELEASED) {
        return Refusal(absl::StatusCode::kAborted, "ALREADY_COMPENSATED");
      }
      return there->second.message;
    }
    Held held{OwnerOf(context), {}};
    held.message.set_order_id(request.order_id());
    held.message.set_customer_id(request.customer_id());
    held.message.set_status(stock_pb::Reservation::RESERVED);
    for (const auto& item : request.items()) {
      if (item.quantity() > available) return Refusal(absl::StatusCode::kFailedPrecondition, "INSUFFICIENT_STOCK");
      auto* line = held.message.add_items();
      line->set_sku(item.sku());
      line->set_quantity(item.quantity());
      line->set_unit_price_cents(250);
    }
    return (held_[request.order_id()] = held).message;
  }

  absl::StatusOr<stock_pb::Reservation> Enter(const CallContext& context, const std::string& order_id,
                                              stock_pb::Reservation::Status status) {
    const bool release = status == stock_pb::Reservation::RELEASED;
    const auto there = held_.find(order_id);
    if (there == held_.end() && !release) return Refusal(absl::StatusCode::kNotFound, "RESERVATION_NOT_FOUND");
    if (there != held_.end() && there->second.owner != OwnerOf(context)) {
      return Refusal(absl::StatusCode::kFailedPrecondition, "RESERVATION_OWNED_BY_SAGA");
    }
    Held& held = held_[order_id];
    if (held.message.status() == stock_pb::Reservation::RELEASED && !release) {
      return Refusal(absl::StatusCode::kAborted, "ALREADY_COMPENSATED");
    }
    held.owner = OwnerOf(context);
    held.message.set_order_id(order_id);
    held.message.set_status(status);
    return held.message;
  }

  template <typename Response>
  void Handle(const std::string& method, const CallContext& context, Done<Response> done,
              std::function<absl::StatusOr<stock_pb::Reservation>()> effect) {
    calls_[method]++;
    last_context_ = context;
    loop_.Post([this, method, done = std::move(done), effect = std::move(effect)]() mutable {
      Deliver(method, std::move(done), effect);
    });
  }

  template <typename Response>
  void Deliver(const std::string& method, Done<Response> done,
               const std::function<absl::StatusOr<stock_pb::Reservation>()>& effect) {
    if (const auto hook = hooks_.extract(method)) hook.mapped()();
    if (const auto failure = failures_.extract(method)) return done(failure.mapped(), {});
    const absl::StatusOr<stock_pb::Reservation> reservation = effect();
    const auto told = replies_.extract(method);
    const Reply reply = told ? told.mapped() : Reply::kGiven;
    if (reply == Reply::kNever) return;
    if (reply == Reply::kLost) return done(absl::UnavailableError("the reply is lost"), {});
    if (!reservation.ok()) return done(reservation.status(), {});
    Response response;
    *response.mutable_reservation() = *reservation;
    done(std::move(response), {});
  }

  ManualLoop& loop_;
  std::map<std::string, Held> held_;
  std::map<std::string, int> calls_;
  std::map<std::string, absl::Status> failures_;
  std::map<std::string, Reply> replies_;
  std::map<std::string, std::function<void()>> hooks_;
  CallContext last_context_;
};

// How a call ended; nullopt while it has not.
template <typename Response>
struct Ended {
  absl::StatusOr<Response> response = absl::UnknownError("it has not ended");
  ReplyInfo info;
  bool ended = false;
};

// SQLite in memory: that a file is durable is not asked here.
inline Engine MemoryEngine() {
  return {"sqlite", [](const Clock& clock) {
            static int made = 0;
            return sql::MakeSqliteDatabase(absl::StrCat("file:/logic-", made++, "?vfs=memdb"), clock);
          }};
}

class LogicTest : public ::testing::TestWithParam<Engine> {
 protected:
  LogicTest() : database_(GetParam().open(clock_)), keep_(*database_.Connect(sql::Access::kRead)) {
    EXPECT_OK(OrdersLogic::Open(database_));
    Restart();
  }

  // A crash: what was under way is gone, and the same database has a new process.
  void Restart() {
    loop_.Shutdown();
    logic_.reset();
    registry_ = std::make_unique<metrics::Registry>();
    logic_ =
        std::make_unique<OrdersLogic>(OrdersOptions(), stock_, database_, loop_, loop_, clock_, random_, *registry_);
  }

  template <typename Request, typename Response>
  Ended<Response> Call(void (OrdersLogic::*method)(const CallContext&, const Request&, Done<Response>),
                       const CallContext& context, const Request& request) {
    auto ended = std::make_shared<Ended<Response>>();
    (logic_.get()->*method)(context, request, [ended](absl::StatusOr<Response> response, ReplyInfo info) {
      EXPECT_FALSE(ended->ended) << "a call ends once";
      *ended = {std::move(response), info, true};
    });
    loop_.Run();
    return *ended;
  }

  static pb::CreateOrderRequest Basket(const std::string& order_id = "", int quantity = 2) {
    pb::CreateOrderRequest request;
    request.set_order_id(order_id);
    request.set_customer_id(7);
    auto* item = request.add_items();
    item->set_sku("sku-1");
    item->set_quantity(quantity);
    return request;
  }
  Ended<pb::CreateOrderResponse> Create(const CallContext& context, const pb::CreateOrderRequest& request) {
    return Call(&OrdersLogic::CreateOrder, context, request);
  }
  Ended<pb::ConfirmOrderResponse> Confirm(const CallContext& context, const std::string& order_id) {
    pb::ConfirmOrderRequest request;
    request.set_order_id(order_id);
    return Call(&OrdersLogic::ConfirmOrder, context, request);
  }
  Ended<pb::CancelOrderResponse> Cancel(const CallContext& context, const std::string& order_id) {
    pb::CancelOrderRequest request;
    request.set_order_id(order_id);
    return Call(&OrdersLogic::CancelOrder, context, request);
  }
  // "none" or the status' name.
  std::string StatusOf(const std::string& order_id) {
    pb::GetOrderRequest request;
    request.set_order_id(order_id);
    const auto got = Call(&OrdersLogic::GetOrder, CallContext(), request);
    return got.response.ok() ? pb::Order::Status_Name(got.response->order().status()) : "none";
  }
  std::vector<pb::Order> List(const pb::ListOrdersRequest& request = {}) {
    const auto listed = Call(&OrdersLogic::ListOrders, CallContext(), request);
    EXPECT_OK(listed.response);
    return {listed.response->orders().begin(), listed.response->orders().end()};
  }
  // Order and reservation, as in "CONFIRMED/COMMITTED".
  std::string Both(const std::string& order_id) {
    return absl::StrCat(StatusOf(order_id), "/", stock_.StatusOf(order_id));
  }

  std::string NewSaga() { return MakeUuidV7(clock_.Now(), random_); }
  static CallContext OfSaga(const std::string& saga_id, const std::string& step, SagaOp op = SagaOp::kAction,
                            uint64_t epoch = 1) {
    CallContext context;
    context.saga = SagaCall{saga_id, step, op, epoch};
    context.idempotency_key = absl::StrCat(saga_id, "/", step, "/", op == SagaOp::kAction ? "action" : "compensation");
    return context;
  }
  static CallContext Undo(const std::string& saga_id, uint64_t epoch = 1) {
    return OfSaga(saga_id, "create_order", SagaOp::kCompensation, epoch);
  }
  static CallContext WithKey(const std::string& key) {
    CallContext context;
    context.idempotency_key = key;
    return context;
  }

  void Sweep() {
    logic_->StartSweeping();
    loop_.Run();
  }
  void Pass(absl::Duration duration) {
    clock_.SleepFor(duration);
    loop_.Run();
  }
  double Commits() {
    return registry_
        ->Counter("sagamesh_batch_commits_total", "Transactions that were committed.", {{"queue", "orders"}})
        .Value();
  }

  FakeClock clock_;
  CountingRandom random_;
  ManualLoop loop_{clock_};
  FakeStock stock_{loop_};
  std::unique_ptr<metrics::Registry> registry_;
  ScriptedDatabase database_;
  std::unique_ptr<sql::Connection> keep_;  // a database in memory lives as long as it has a connection
  std::unique_ptr<OrdersLogic> logic_;
};

}  // namespace sagamesh::orders::testing

#endif  // SAGAMESH_ORDERS_SERVICE_LOGIC_FIXTURE_TEST_H_
