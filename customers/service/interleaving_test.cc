#include <gtest/gtest.h>

#include <future>
#include <latch>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/testing/interleaving.h"
#include "common/testing/status_matchers.h"
#include "common/testing/tcp_gate.h"
#include "common/uuid/uuid.h"
#include "customers/service/customers_logic.h"

// Two processes of the service on one real database, each stopped at every place between two statements while the
// other goes as far as it can.

namespace sagamesh::customers {
namespace {

namespace pb = ::customers::v1;
using sagamesh::testing::InterleavedProcess;
using sagamesh::testing::InterleavingTest;
using sagamesh::testing::IsError;
using sagamesh::testing::SqlServers;
using sagamesh::testing::TcpGate;

using Counted = std::vector<int64_t>;  // available, reserved, sold
template <typename Response>
using Reply = std::shared_ptr<absl::StatusOr<Response>>;

struct Service : InterleavedProcess {
  explicit Service(sql::MysqlOptions options) : InterleavedProcess(std::move(options)) {
    EXPECT_OK(CustomersLogic::Open(database));
    logic = std::make_unique<CustomersLogic>(CustomersOptions(), database, *pool, clock, *random, registry);
  }
  ~Service() { pool->Shutdown(); }

  template <typename Request, typename Response>
  std::future<void> Call(void (CustomersLogic::*method)(const CallContext&, const Request&, Done<Response>),
                         const CallContext& context, const Request& request, Reply<Response> reply) {
    auto done = std::make_shared<std::promise<void>>();
    ((*logic).*method)(context, request, [done, reply](absl::StatusOr<Response> response, ReplyInfo) {
      *reply = std::move(response);
      done->set_value();
    });
    return done->get_future();
  }

  std::unique_ptr<CustomersLogic> logic;
};

class CustomersInterleavingTest : public InterleavingTest {
 protected:
  CustomersInterleavingTest() {
    pb::CreateCustomerRequest customer;
    customer.set_customer_id(1);
    customer.set_name("Ada");
    const auto reply = NewReply<pb::CreateCustomerResponse>();
    a_.Call(&CustomersLogic::CreateCustomer, {}, customer, reply).get();
    EXPECT_OK(*reply);
  }

  template <typename Response>
  static Reply<Response> NewReply() {
    return std::make_shared<absl::StatusOr<Response>>(absl::UnknownError("never called back"));
  }

  std::string NewSku(int32_t available) {
    pb::CreateProductRequest product;
    product.set_sku(absl::StrCat("sku-", skus_++));
    product.set_name("a product");
    product.set_price_cents(100);
    product.set_available(available);
    const auto reply = NewReply<pb::CreateProductResponse>();
    a_.Call(&CustomersLogic::CreateProduct, {}, product, reply).get();
    EXPECT_OK(*reply);
    return product.sku();
  }
  Counted Counts(const std::string& sku) {
    pb::GetProductRequest request;
    request.set_sku(sku);
    const auto reply = NewReply<pb::GetProductResponse>();
    a_.Call(&CustomersLogic::GetProduct, {}, request, reply).get();
    EXPECT_OK(*reply);
    const pb::Product& product = (*reply)->product();
    return {product.available(), product.reserved(), product.sold()};
  }
  std::string NewSaga() { return MakeUuidV7(a_.clock.Now(), *a_.random); }
  static CallContext Step(const std::string& saga, SagaOp op) {
    CallContext context;
    context.saga = SagaCall{saga, "create_order", op, /*epoch=*/1};
    context.idempotency_key = absl::StrCat(saga, "/create_order/", op == SagaOp::kAction ? "action" : "compensation");
    return context;
  }
  // The saga's reservation of `quantity` of each; its id is the order's too.
  static pb::ReserveStockRequest Basket(const std::string& saga, const std::vector<std::string>& skus,
                                        int32_t quantity) {
    pb::ReserveStockRequest request;
    request.set_order_id(saga);
    request.set_customer_id(1);
    for (const std::string& sku : skus) {
      request.add_items()->set_sku(sku);
      request.mutable_items()->rbegin()->set_quantity(quantity);
    }
    return request;
  }
  Act Reserve(Service& service, const std::string& saga, const std::vector<std::string>& skus, int32_t quantity,
              Reply<pb::ReserveStockResponse> reply) {
    return {&service.database, [=, &service] {
              return service.Call(&CustomersLogic::ReserveStock, Step(saga, SagaOp::kAction),
                                  Basket(saga, skus, quantity), reply);
            }};
  }
  Act Release(Service& service, const std::string& saga, Reply<pb::ReleaseReservationResponse> reply) {
    return {&service.database, [=, &service] {
              pb::ReleaseReservationRequest request;
              request.set_order_id(saga);
              return service.Call(&CustomersLogic::ReleaseReservation, Step(saga, SagaOp::kCompensation), request,
                                  reply);
            }};
  }
  // All of them in one transaction, in their order.
  static Act AsOneBatch(Service& service, std::vector<Act> acts) {
    return {&service.database, [&service, acts = std::move(acts)] {
              auto submitted = std::make_shared<std::latch>(1);
              for (int i = 0; i < InterleavedProcess::kWorkers; i++) {
                service.pool->Post([submitted] { submitted->wait(); });
              }
              std::vector<Done> ends;
              for (const Act& act : acts) ends.push_back(act.run());
              submitted->count_down();
              return std::async(std::launch::async, [ends = std::move(ends)]() mutable {
                for (Done& end : ends) end.get();
              });
            }};
  }
  int64_t Movements(const std::string& sku, const std::string& order_id) {
    const auto connection = a_.database.Connect(sql::Access::kRead);
    EXPECT_OK(connection);
    const auto rows =
        (*connection)->Query("SELECT COUNT(*) FROM movements WHERE sku = ? AND order_id = ?", {sku, order_id});
    EXPECT_OK(rows);
    return (*rows)[0].Int(0);
  }

  Service a_{scratch_.options()};
  Service b_{scratch_.options()};
  int skus_ = 0;
};

TEST_P(CustomersInterleavingTest, AnActionAndItsCompensationLeaveNothingInEitherOrder) {
  int reserved_first = 0;
  int released_first = 0;
  InEveryOrder([&] {
    const std::string sku = NewSku(10);
    const std::string saga = NewSaga();
    const auto reserved = NewReply<pb::ReserveStockResponse>();
    const auto released = NewReply<pb::ReleaseReservationResponse>();
    return Case{Reserve(a_, saga, {sku}, 3, reserved), Release(b_, saga, released),
                [=, this, &reserved_first, &released_first] {
                  EXPECT_OK(*released);
                  (reserved->ok() ? reserved_first : released_first)++;
                  if (!reserved->ok()) {
                    EXPECT_THAT(*reserved, IsError(absl::StatusCode::kAborted, "ALREADY_COMPENSATED"));
                  }
                  EXPECT_EQ(Counts(sku), (Counted{10, 0, 0}));
                  EXPECT_EQ(Movements(sku, saga), reserved->ok() ? 2 : 0);
                }};
  });
  EXPECT_GT(reserved_first, 0);
  EXPECT_GT(released_first, 0);
}

TEST_P(CustomersInterleavingTest, AnActionThatComesTwiceAtOnceHasOneEffectAndOneAnswer) {
  InEveryOrder([&] {
    const std::string sku = NewSku(10);
    const std::string saga = NewSaga();
    const auto one = NewReply<pb::ReserveStockResponse>();
    const auto other = NewReply<pb::ReserveStockResponse>();
    return Case{Reserve(a_, saga, {sku}, 3, one), Reserve(b_, saga, {sku}, 3, other), [=, this] {
                  ASSERT_OK(*one);
                  ASSERT_OK(*other);
                  EXPECT_EQ((*one)->SerializeAsString(), (*other)->SerializeAsString());
                  EXPECT_EQ(Counts(sku), (Counted{7, 3, 0}));
                  EXPECT_EQ(Movements(sku, saga), 1);
                }};
  });
}

TEST_P(CustomersInterleavingTest, BatchesThatWantTheSameSkusInOtherOrdersBothGetThem) {
  InEveryOrder([&] {
    const std::string x = NewSku(10);
    const std::string y = NewSku(10);
    std::vector<Reply<pb::ReserveStockResponse>> replies;
    const auto reserve = [&](Service& service, const std::string& sku) {
      replies.push_back(NewReply<pb::ReserveStockResponse>());
      return Reserve(service, NewSaga(), {sku}, 1, replies.back());
    };
    Act one = AsOneBatch(a_, {reserve(a_, x), reserve(a_, y)});
    Act other = AsOneBatch(b_, {reserve(b_, y), reserve(b_, x)});
    return Case{std::move(one), std::move(other), [=, this] {
                  for (const auto& reply : replies) EXPECT_OK(*reply);
                  EXPECT_EQ(Counts(x), (Counted{8, 2, 0}));
                  EXPECT_EQ(Counts(y), (Counted{8, 2, 0}));
                }};
  });
}

TEST_P(CustomersInterleavingTest, TheLastUnitsGoToOneOfTwo) {
  InEveryOrder([&] {
    const std::string sku = NewSku(3);
    const auto one = NewReply<pb::ReserveStockResponse>();
    const auto other = NewReply<pb::ReserveStockResponse>();
    return Case{Reserve(a_, NewSaga(), {sku}, 2, one), Reserve(b_, NewSaga(), {sku}, 2, other), [=, this] {
                  EXPECT_NE(one->ok(), other->ok());
                  const auto& refused = one->ok() ? *other : *one;
                  EXPECT_THAT(refused, IsError(absl::StatusCode::kFailedPrecondition, "INSUFFICIENT_STOCK"));
                  EXPECT_EQ(Counts(sku), (Counted{1, 2, 0}));
                }};
  });
}

// Wherever between its first lock and its COMMIT.
TEST_P(CustomersInterleavingTest, AProcessThatStandsStillWithItsLocksHoldsUpNobodyForLong) {
  sql::MysqlOptions options = scratch_.options();
  options.idle_transaction_max = absl::Seconds(1);
  Service stopped(options);
  for (int call = 2;; call++) {
    const std::string sku = NewSku(10);
    const std::string saga = NewSaga();
    const auto one = NewReply<pb::ReserveStockResponse>();
    const auto other = NewReply<pb::ReserveStockResponse>();
    stopped.database.PauseAt(call);
    Done first = Reserve(stopped, saga, {sku}, 3, one).run();
    const std::string place = stopped.database.AwaitPause(first);
    SCOPED_TRACE(absl::StrCat("it stands before ", place));
    Reserve(b_, saga, {sku}, 3, other).run().get();
    EXPECT_OK(*other);
    stopped.database.Resume();
    first.get();
    // It lost its transaction; only of a COMMIT it must find out what became of it.
    if (place == "COMMIT") {
      EXPECT_OK(*one);
    } else if (!one->ok()) {
      EXPECT_THAT(*one, IsError(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE"));
    }
    EXPECT_EQ(Counts(sku), (Counted{7, 3, 0}));
    EXPECT_EQ(Movements(sku, saga), 1);
    if (place.empty() || HasFailure()) break;
  }
}

// The server holds every COMMIT back from here to the end.
class HeldCommits {
 public:
  explicit HeldCommits(const sql::MysqlOptions& administrator)
      : database_(sql::MakeMysqlDatabase(administrator)), connection_(*database_->Connect(sql::Access::kRead)) {
    for (const char* stage : {"START", "BLOCK_COMMIT"}) {
      EXPECT_OK(connection_->Execute(absl::StrCat("BACKUP STAGE ", stage)));
    }
  }
  ~HeldCommits() { EXPECT_OK(connection_->Execute("BACKUP STAGE END")); }

  // Whose is held, once there is one of another connection than `other_than`.
  int64_t Await(int64_t other_than = 0) {
    for (int i = 0; i < 1000; i++) {
      const auto held = connection_->Query(
          "SELECT id FROM information_schema.processlist WHERE info = 'COMMIT' AND state LIKE '%backup%' AND id <> ?",
          {other_than});
      EXPECT_OK(held);
      if (!held->empty()) return (*held)[0].Int(0);
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    ADD_FAILURE() << "no COMMIT came";
    return 0;
  }

 private:
  const std::unique_ptr<sql::Database> database_;
  const std::unique_ptr<sql::Connection> connection_;
};

TEST_P(CustomersInterleavingTest, ABatchThatRunsAgainWaitsForItsOwnCommitThatTheServerStillDoes) {
  if (GetParam().name != "mariadb") GTEST_SKIP() << "only MariaDB can hold a COMMIT back";
  sql::MysqlOptions options = scratch_.options();
  options.lock_wait = absl::Seconds(1);
  Service left(options);
  const std::string sku = NewSku(10);
  const std::string saga = NewSaga();
  const auto reply = NewReply<pb::ReserveStockResponse>();
  Done done;
  {
    const HeldCommits held(scratch_.administrator());
    left.database.LeaveNextCommit();
    done = Reserve(left, saga, {sku}, 3, reply).run();
    // Longer than a batch that only met others' locks would be run again.
    EXPECT_EQ(done.wait_for(std::chrono::seconds(6)), std::future_status::timeout);
  }
  done.get();
  ASSERT_OK(*reply);
  EXPECT_EQ(Counts(sku), (Counted{7, 3, 0}));
  EXPECT_EQ(Movements(sku, saga), 1);
}

TEST_P(CustomersInterleavingTest, ACommitOfALostConnectionIsKilledBeforeItsBatchRunsAgain) {
  if (GetParam().name != "mariadb") GTEST_SKIP() << "only MariaDB can hold a COMMIT back";
  sql::MysqlOptions options = scratch_.options();
  TcpGate gate(options.hosts[0].port);
  options.hosts[0].port = gate.port();
  Service cut(options);
  const std::string sku = NewSku(10);
  const std::string saga = NewSaga();
  const auto reply = NewReply<pb::ReserveStockResponse>();
  Done done;
  {
    HeldCommits held(scratch_.administrator());
    done = Reserve(cut, saga, {sku}, 3, reply).run();
    const int64_t lost = held.Await();
    gate.CutClients();
    // Without the kill it would not get past its own locks.
    held.Await(/*other_than=*/lost);
    EXPECT_EQ(done.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  }
  done.get();
  ASSERT_OK(*reply);
  EXPECT_EQ(Counts(sku), (Counted{7, 3, 0}));
  EXPECT_EQ(Movements(sku, saga), 1);
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CustomersInterleavingTest);
INSTANTIATE_TEST_SUITE_P(Servers, CustomersInterleavingTest, ::testing::ValuesIn(SqlServers()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sagamesh::customers
