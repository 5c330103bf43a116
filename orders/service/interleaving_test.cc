#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/testing/interleaving.h"
#include "common/testing/status_matchers.h"
#include "common/uuid/uuid.h"
#include "orders/service/order_writes.h"
#include "orders/service/orders_logic.h"
#include "orders/store/order_store.h"

// The order's writes of two processes on one real database, one stopped at every place between two statements while the
// other goes as far as it can.

namespace sagamesh::orders {
namespace {

using sagamesh::testing::InterleavedProcess;
using sagamesh::testing::InterleavingTest;
using sagamesh::testing::IsError;
using sagamesh::testing::SqlServers;

using Reply = std::shared_ptr<absl::StatusOr<Written>>;

struct Service : InterleavedProcess {
  explicit Service(const sql::MysqlOptions& options)
      : InterleavedProcess(options),
        writes({.max_queued_operations = 100,
                .barrier_retention = absl::Hours(24),
                .order_ttl = absl::Minutes(30),
                .cancelling_ttl = absl::Seconds(5)},
               database, *pool, clock, *random, registry) {
    EXPECT_OK(OrdersLogic::Open(database));
  }
  ~Service() {
    database.Resume();
    pool->Shutdown();
  }

  OrderWrites writes;
};

class OrdersInterleavingTest : public InterleavingTest {
 protected:
  static Reply NewReply() { return std::make_shared<absl::StatusOr<Written>>(absl::UnknownError("never called back")); }
  std::string NewSaga() { return MakeUuidV7(a_.clock.Now(), *a_.random); }

  // What the saga's step writes; the saga's id is the order's too.
  static Act Write(Service& service, const std::string& saga, SagaOp op, OrderCommand command, OrderWrites::Ends ends,
                   Reply reply) {
    return {&service.database, [=, &service] {
              CallContext context;
              context.saga = SagaCall{saga, "create_order", op, /*epoch=*/1};
              const bool action = op == SagaOp::kAction;
              absl::StatusOr<BarrierCall> call =
                  MakeBarrierCall("orders", context, action ? "CreateOrder" : "CancelOrder", saga, saga);
              EXPECT_OK(call);
              auto done = std::make_shared<std::promise<void>>();
              service.writes.Submit(command, *std::move(call), ends, absl::InfiniteFuture(), Priority::kAccepted,
                                    [done, reply](absl::StatusOr<Written> written, bool replayed) {
                                      EXPECT_EQ(replayed, written.ok() && written->stored_reply.has_value());
                                      *reply = std::move(written);
                                      done->set_value();
                                    });
              return done->get_future();
            }};
  }
  static Act Create(Service& service, const std::string& saga, Reply reply) {
    Order order;
    order.id = saga;
    order.customer_id = 1;
    order.lines = {{"sku", 1, 100}};
    order.total_cents = 100;
    order.saga_id = saga;
    return Write(service, saga, SagaOp::kAction, CreateForSagaCommand{order}, OrderWrites::Ends::kCall, reply);
  }
  static Act MarkCancelling(Service& service, const std::string& saga, Reply reply) {
    return Write(service, saga, SagaOp::kCompensation, MarkCancellingCommand{saga, {saga}}, OrderWrites::Ends::kNothing,
                 reply);
  }
  std::optional<Order> Find(const std::string& id) {
    const auto connection = a_.database.Connect(sql::Access::kRead);
    EXPECT_OK(connection);
    const auto order = FindOrder(**connection, id);
    EXPECT_OK(order);
    return *order;
  }

  Service a_{scratch_.options()};
  Service b_{scratch_.options()};
};

TEST_P(OrdersInterleavingTest, AnOrderThatIsCreatedWhileItIsCancelledIsCancellingOrWasNeverThere) {
  int created = 0;
  int refused = 0;
  InEveryOrder([&] {
    const std::string saga = NewSaga();
    const Reply create = NewReply();
    const Reply cancel = NewReply();
    return Case{Create(a_, saga, create), MarkCancelling(b_, saga, cancel), [=, this, &created, &refused] {
                  EXPECT_OK(*cancel);
                  (create->ok() ? created : refused)++;
                  if (!create->ok()) {
                    EXPECT_THAT(*create, IsError(absl::StatusCode::kAborted, "ALREADY_COMPENSATED"));
                  }
                  const std::optional<Order> order = Find(saga);
                  ASSERT_EQ(order.has_value(), create->ok());
                  if (order.has_value()) {
                    EXPECT_EQ(order->status, OrderStatus::kCancelling);
                  }
                }};
  });
  EXPECT_GT(created, 0);
  EXPECT_GT(refused, 0);
}

TEST_P(OrdersInterleavingTest, AnOrderThatIsCreatedTwiceAtOnceIsOne) {
  InEveryOrder([&] {
    const std::string saga = NewSaga();
    const Reply one = NewReply();
    const Reply other = NewReply();
    return Case{Create(a_, saga, one), Create(b_, saga, other), [=, this] {
                  ASSERT_OK(*one);
                  ASSERT_OK(*other);
                  // One made it, the other was told what the first had stored.
                  EXPECT_NE((*one)->stored_reply.has_value(), (*other)->stored_reply.has_value());
                  EXPECT_TRUE(Find(saga).has_value());
                }};
  });
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(OrdersInterleavingTest);
INSTANTIATE_TEST_SUITE_P(Servers, OrdersInterleavingTest, ::testing::ValuesIn(SqlServers()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sagamesh::orders
