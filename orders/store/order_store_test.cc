#include "orders/store/order_store.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/clock/clock.h"
#include "common/testing/engines.h"
#include "common/testing/status_matchers.h"
#include "tests/simulation/mysql/threaded_database.h"

namespace sagamesh::orders {
namespace {

using ::sagamesh::simulation::mysql::SimulatedEngine;
using ::sagamesh::testing::Engine;
using ::sagamesh::testing::EngineName;
using ::sagamesh::testing::ServerEngines;
using ::sagamesh::testing::SqliteEngine;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

Order MakeOrder(const std::string& id, uint32_t customer_id, OrderStatus status, int age_seconds) {
  Order order;
  order.id = id;
  order.customer_id = customer_id;
  order.status = status;
  order.created = kNow - absl::Seconds(age_seconds);
  return order;
}

class OrderStoreTest : public ::testing::TestWithParam<Engine> {
 protected:
  OrderStoreTest() : database_(GetParam().open(clock_)), connection_(*database_->Connect(sql::Access::kWrite)) {
    EXPECT_OK(sql::Migrate(*connection_, Migrations()));
  }

  enum class How { kAdded, kRewritten, kMoved };

  static WorkingSet Changed(const std::vector<Order>& orders, How how) {
    WorkingSet set;
    for (const Order& order : orders) {
      set.changed.insert(order.id);
      if (how == How::kAdded) set.added.insert(order.id);
      if (how == How::kRewritten) set.rewritten.insert(order.id);
      set.orders[order.id] = order;
    }
    return set;
  }

  void Save(const std::vector<Order>& orders, How how = How::kAdded) {
    const WorkingSet set = Changed(orders, how);
    ASSERT_OK(connection_->Begin());
    const absl::StatusOr<bool> changed = SaveOrders(*connection_, set);
    ASSERT_OK(changed);
    EXPECT_TRUE(*changed);
    ASSERT_OK(connection_->Commit());
  }

  std::vector<std::string> Ids(const OrderFilter& filter) {
    const absl::StatusOr<std::vector<Order>> orders = ListOrders(*connection_, filter);
    EXPECT_OK(orders);
    std::vector<std::string> ids;
    for (const Order& order : *orders) ids.push_back(order.id);
    return ids;
  }

  SystemClock clock_;
  std::unique_ptr<sql::Database> database_;
  std::unique_ptr<sql::Connection> connection_;
};

TEST_P(OrderStoreTest, ASavedOrderIsFoundWithEveryField) {
  Order order = MakeOrder("o-1", 4'000'000'000u, OrderStatus::kCreated, 1);
  order.lines = {{"a", 1'000'000'000, 1'000'000'000'000}, {"ñ", 2, 0}};
  order.total_cents = 9'000'000'000'000'000'000;
  order.saga_id = "saga-1";
  order.sweep_at = kNow + absl::Seconds(3);
  Save({order});
  const absl::StatusOr<std::optional<Order>> found = FindOrder(*connection_, "o-1");
  ASSERT_OK(found);
  ASSERT_TRUE(found->has_value());
  EXPECT_EQ((*found)->customer_id, order.customer_id);
  EXPECT_EQ((*found)->status, order.status);
  EXPECT_EQ((*found)->total_cents, order.total_cents);
  EXPECT_EQ((*found)->saga_id, order.saga_id);
  EXPECT_EQ((*found)->created, order.created);
  EXPECT_EQ((*found)->sweep_at, order.sweep_at);
  ASSERT_EQ((*found)->lines.size(), 2u);
  EXPECT_EQ((*found)->lines[0].quantity, 1'000'000'000);
  EXPECT_EQ((*found)->lines[0].unit_price_cents, 1'000'000'000'000);
  EXPECT_EQ((*found)->lines[1].sku, "ñ");
}

TEST_P(OrderStoreTest, AnOrderThatIsNotThereIsNoError) {
  const absl::StatusOr<std::optional<Order>> found = FindOrder(*connection_, "none");
  ASSERT_OK(found);
  EXPECT_FALSE(found->has_value());
}

TEST_P(OrderStoreTest, SavingAgainReplacesTheRow) {
  Order order = MakeOrder("o-1", 1, OrderStatus::kPending, 1);
  order.sweep_at = kNow;
  Save({order});
  order.status = OrderStatus::kConfirmed;
  order.sweep_at = std::nullopt;
  Save({order}, How::kRewritten);
  const absl::StatusOr<std::optional<Order>> found = FindOrder(*connection_, "o-1");
  EXPECT_EQ((*found)->status, OrderStatus::kConfirmed);
  EXPECT_EQ((*found)->sweep_at, std::nullopt);
}

TEST_P(OrderStoreTest, ANewOrderWhoseIdIsTakenReplacesNothing) {
  const Order order = MakeOrder("o-1", 1, OrderStatus::kPending, 1);
  Save({order});
  ASSERT_OK(connection_->Begin());
  const absl::StatusOr<bool> changed =
      SaveOrders(*connection_, Changed({MakeOrder("o-1", 2, OrderStatus::kPending, 1)}, How::kAdded));
  EXPECT_EQ(changed.status().code(), absl::StatusCode::kAlreadyExists);
  ASSERT_OK(connection_->Rollback());
  EXPECT_EQ((*FindOrder(*connection_, "o-1"))->customer_id, 1u);
}

TEST_P(OrderStoreTest, OrdersThatMoveKeepTheRestOfTheirRows) {
  Order kept = MakeOrder("o-1", 1, OrderStatus::kCreated, 1);
  kept.total_cents = 7;
  Order confirmed = MakeOrder("o-2", 1, OrderStatus::kCreated, 1);
  Order cancelling = MakeOrder("o-3", 1, OrderStatus::kCreated, 1);
  Save({kept, confirmed, cancelling});
  confirmed.status = OrderStatus::kConfirmed;
  confirmed.total_cents = 1'000'000;  // not what moved
  cancelling.status = OrderStatus::kCancelling;
  cancelling.sweep_at = kNow;
  Save({confirmed, cancelling}, How::kMoved);
  WorkingSet set;
  ASSERT_OK(LoadOrders(*connection_, {"o-1", "o-2", "o-3"}, set));
  EXPECT_EQ(set.orders.at("o-1").status, OrderStatus::kCreated);
  EXPECT_EQ(set.orders.at("o-1").total_cents, 7);
  EXPECT_EQ(set.orders.at("o-2").status, OrderStatus::kConfirmed);
  EXPECT_EQ(set.orders.at("o-2").sweep_at, std::nullopt);
  EXPECT_NE(set.orders.at("o-2").total_cents, 1'000'000);
  EXPECT_EQ(set.orders.at("o-3").status, OrderStatus::kCancelling);
  EXPECT_EQ(set.orders.at("o-3").sweep_at, kNow);
}

TEST_P(OrderStoreTest, LoadsThoseThatExistAndNothingElse) {
  Save({MakeOrder("o-1", 1, OrderStatus::kCreated, 1), MakeOrder("o-2", 1, OrderStatus::kCreated, 1)});
  WorkingSet set;
  ASSERT_OK(LoadOrders(*connection_, {"o-1", "o-3"}, set));
  ASSERT_EQ(set.orders.size(), 1u);
  EXPECT_EQ(set.orders.begin()->first, "o-1");
  EXPECT_EQ(set.orders.begin()->second.id, "o-1");
}

TEST_P(OrderStoreTest, NothingChangedWritesNothing) {
  WorkingSet set;
  set.orders["o-1"] = MakeOrder("o-1", 1, OrderStatus::kCreated, 1);
  const absl::StatusOr<bool> changed = SaveOrders(*connection_, set);
  ASSERT_OK(changed);
  EXPECT_FALSE(*changed);
}

TEST_P(OrderStoreTest, ListsByCustomerAndStatusNewestFirst) {
  Save({MakeOrder("a", 1, OrderStatus::kConfirmed, 4), MakeOrder("b", 1, OrderStatus::kCreated, 3),
        MakeOrder("c", 2, OrderStatus::kConfirmed, 2), MakeOrder("d", 1, OrderStatus::kConfirmed, 1)});
  EXPECT_EQ(Ids({}), (std::vector<std::string>{"d", "c", "b", "a"}));
  EXPECT_EQ(Ids({.customer_id = 1}), (std::vector<std::string>{"d", "b", "a"}));
  EXPECT_EQ(Ids({.status = OrderStatus::kConfirmed}), (std::vector<std::string>{"d", "c", "a"}));
  EXPECT_EQ(Ids({.customer_id = 1, .status = OrderStatus::kConfirmed}), (std::vector<std::string>{"d", "a"}));
}

TEST_P(OrderStoreTest, PagesMeetEveryOrderOnceAlsoThoseOfOneMillisecondAndUnderInserts) {
  std::vector<Order> orders;
  for (int i = 0; i < 9; i++) orders.push_back(MakeOrder(absl::StrCat("o-", i), 1, OrderStatus::kCreated, i / 4));
  Save(orders);
  OrderFilter filter{.customer_id = 1, .limit = 2};
  std::vector<std::string> seen;
  for (int page = 0; page < 10; page++) {
    const absl::StatusOr<std::vector<Order>> found = ListOrders(*connection_, filter);
    ASSERT_OK(found);
    if (found->empty()) break;
    for (const Order& order : *found) seen.push_back(order.id);
    filter.after = ListPosition{absl::ToUnixMillis(found->back().created), found->back().id};
    Save({MakeOrder(absl::StrCat("new-", page), 1, OrderStatus::kCreated, -1 - page)});
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"o-3", "o-2", "o-1", "o-0", "o-7", "o-6", "o-5", "o-4", "o-8"}));
}

TEST_P(OrderStoreTest, FindsWhatIsDueTheLongestDueFirstAndNoMoreThanAsked) {
  Order late = MakeOrder("late", 1, OrderStatus::kCreated, 9);
  late.sweep_at = kNow - absl::Seconds(5);
  Order due = MakeOrder("due", 1, OrderStatus::kPending, 9);
  due.sweep_at = kNow;
  Order early = MakeOrder("early", 1, OrderStatus::kCreated, 9);
  early.sweep_at = kNow + absl::Milliseconds(1);
  Save({late, due, early, MakeOrder("never", 1, OrderStatus::kCreated, 9)});
  const absl::StatusOr<std::vector<Order>> all = ListExpired(*connection_, kNow, 10);
  ASSERT_OK(all);
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ((*all)[0].id, "late");
  EXPECT_EQ((*all)[1].id, "due");
  EXPECT_EQ(ListExpired(*connection_, kNow, 1)->size(), 1u);
}

TEST_P(OrderStoreTest, MigratingAgainChangesNothing) {
  Save({MakeOrder("o-1", 1, OrderStatus::kCreated, 1)});
  EXPECT_OK(sql::Migrate(*connection_, Migrations()));
  EXPECT_TRUE(FindOrder(*connection_, "o-1")->has_value());
}

INSTANTIATE_TEST_SUITE_P(Engines, OrderStoreTest, ::testing::Values(SqliteEngine(), SimulatedEngine()), EngineName);
INSTANTIATE_TEST_SUITE_P(Servers, OrderStoreTest, ::testing::ValuesIn(ServerEngines()), EngineName);

}  // namespace
}  // namespace sagamesh::orders
