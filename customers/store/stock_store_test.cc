#include "customers/store/stock_store.h"

#include <functional>
#include <memory>

#include "absl/strings/str_cat.h"
#include "common/clock/clock.h"
#include "common/testing/engines.h"
#include "common/testing/status_matchers.h"
#include "tests/simulation/mysql/threaded_database.h"

namespace sagamesh::customers {
namespace {

using ::sagamesh::simulation::mysql::SimulatedEngine;
using ::sagamesh::testing::Engine;
using ::sagamesh::testing::EngineName;
using ::sagamesh::testing::HasCode;
using ::sagamesh::testing::ServerEngines;
using ::sagamesh::testing::SqliteEngine;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

class StockStoreTest : public ::testing::TestWithParam<Engine> {
 protected:
  StockStoreTest() { EXPECT_OK(sql::Migrate(*connection_, Migrations())); }

  std::unique_ptr<sql::Connection> Connect(sql::Access access) {
    auto connection = database_->Connect(access);
    EXPECT_OK(connection);
    return *std::move(connection);
  }

  // Loads what is named, changes it by `change`, and commits.
  absl::Status Transact(const std::set<std::string>& order_ids, const std::set<std::string>& skus,
                        const std::function<void(WorkingSet&)>& change) {
    SAGAMESH_RETURN_IF_ERROR(connection_->Begin());
    WorkingSet set;
    absl::Status status = LoadReservations(*connection_, order_ids, set);
    if (status.ok()) status = LoadProducts(*connection_, skus, set);
    if (status.ok()) status = LoadCustomers(*connection_, {1, 2, 3}, set);
    if (status.ok()) status = LoadNextCustomerId(*connection_, set);
    if (status.ok()) change(set);
    if (status.ok()) status = SaveChanges(*connection_, set, kNow).status();
    if (status.ok()) return connection_->Commit();
    connection_->Rollback().IgnoreError();
    return status;
  }

  void Stock(const std::vector<std::string>& skus) {
    ASSERT_OK(Transact({}, std::set(skus.begin(), skus.end()), [&](WorkingSet& set) {
      for (const std::string& sku : skus) ASSERT_OK(CreateProduct(set, {sku, "name of " + sku, 250, 10}));
      ASSERT_OK(CreateCustomer(set, {0, "Ada", "ada@example.org"}));
    }));
  }

  SystemClock clock_;
  std::unique_ptr<sql::Database> database_ = GetParam().open(clock_);
  std::unique_ptr<sql::Connection> connection_ = Connect(sql::Access::kWrite);
};

TEST_P(StockStoreTest, WhatIsCreatedIsFound) {
  Stock({"a", "b"});
  const auto product = FindProduct(*connection_, "b");
  ASSERT_OK(product);
  ASSERT_TRUE(product->has_value());
  EXPECT_EQ((*product)->name, "name of b");
  EXPECT_EQ((*product)->price_cents, 250);
  EXPECT_EQ((*product)->available, 10);
  const auto customer = FindCustomer(*connection_, 1);
  ASSERT_TRUE(customer.ok() && customer->has_value());
  EXPECT_EQ((*customer)->name, "Ada");
  EXPECT_EQ((*customer)->email, "ada@example.org");
}

TEST_P(StockStoreTest, WhatIsNotThereIsFoundAbsent) {
  EXPECT_FALSE(FindProduct(*connection_, "a")->has_value());
  EXPECT_FALSE(FindCustomer(*connection_, 1)->has_value());
}

TEST_P(StockStoreTest, AReservationComesBackAsItWasSaved) {
  Stock({"a", "b"});
  ASSERT_OK(Transact({"o"}, {"a", "b"},
                     [](WorkingSet& set) { ASSERT_OK(Reserve(set, {"o", "saga", 1, {{"a", 3}, {"b", 4}}})); }));
  ASSERT_OK(Transact({"o"}, {"a", "b"}, [](WorkingSet& set) {
    const Reservation& there = set.reservations.at("o");
    EXPECT_EQ(there.owner, "saga");
    EXPECT_EQ(there.status, ReservationStatus::kReserved);
    EXPECT_EQ(there.customer_id, 1u);
    ASSERT_EQ(there.lines.size(), 2u);
    EXPECT_EQ(there.lines[1].sku, "b");
    EXPECT_EQ(there.lines[1].quantity, 4);
    EXPECT_EQ(there.lines[1].unit_price_cents, 250);
    EXPECT_EQ(set.products.at("b").reserved, 4);
    ASSERT_OK(Commit(set, "o", "saga"));
  }));
  ASSERT_OK(Transact(
      {"o"}, {}, [](WorkingSet& set) { EXPECT_EQ(set.reservations.at("o").status, ReservationStatus::kCommitted); }));
  EXPECT_EQ((*FindProduct(*connection_, "a"))->sold, 3);
}

TEST_P(StockStoreTest, OnlyWhatIsNamedIsLoaded) {
  Stock({"a", "b", "c"});
  ASSERT_OK(Transact({"o"}, {"a", "c", "x"}, [](WorkingSet& set) {
    EXPECT_THAT(set.reservations, IsEmpty());
    EXPECT_EQ(set.products.size(), 2u);
    EXPECT_TRUE(set.products.contains("a") && set.products.contains("c"));
  }));
}

TEST_P(StockStoreTest, TheLedgerHoldsEveryMovement) {
  Stock({"a"});
  ASSERT_OK(Transact({"o"}, {"a"}, [](WorkingSet& set) {
    ASSERT_OK(Reserve(set, {"o", "", 1, {{"a", 3}}}));
    ASSERT_OK(Commit(set, "o", ""));
    ASSERT_OK(Release(set, "o", ""));
  }));
  const auto rows = connection_->Query(
      "SELECT kind, order_id, available, reserved, sold, created_ms FROM movements WHERE sku=? ORDER BY kind",
      {std::string("a")});
  ASSERT_OK(rows);
  std::vector<std::string> kinds;
  int64_t available = 0;
  for (const sql::Row& row : *rows) {
    kinds.push_back(row.Text(0));
    available += row.Int(2);
    EXPECT_EQ(row.Int(5), absl::ToUnixMillis(kNow));
  }
  EXPECT_THAT(kinds, ElementsAre("commit", "initial", "reserve", "reversal"));
  EXPECT_EQ(available, 10);
}

TEST_P(StockStoreTest, NothingChangedWritesNothing) {
  WorkingSet set;
  const auto changed = SaveChanges(*connection_, set, kNow);
  ASSERT_OK(changed);
  EXPECT_FALSE(*changed);
}

TEST_P(StockStoreTest, ANewRowThatIsThereAlreadyIsNeverOverwritten) {
  Stock({"a"});
  // As if another worker had made them after this one had looked.
  EXPECT_THAT(Transact({}, {}, [](WorkingSet& set) { ASSERT_OK(CreateProduct(set, {"a", "other", 1, 99})); }),
              HasCode(absl::StatusCode::kAlreadyExists));
  ASSERT_OK(Transact({}, {}, [](WorkingSet& set) { ASSERT_OK(Release(set, "o", "saga")); }));
  EXPECT_THAT(Transact({}, {"a"}, [](WorkingSet& set) { ASSERT_OK(Reserve(set, {"o", "saga", 1, {{"a", 3}}})); }),
              HasCode(absl::StatusCode::kAlreadyExists));
  EXPECT_EQ((*FindProduct(*connection_, "a"))->available, 10);
}

TEST_P(StockStoreTest, AMovementCannotBeWrittenTwice) {
  Stock({"a"});
  const auto reserve = [](WorkingSet& set) { set.movements.push_back({"a", "o/reserve", "reserve", "o", -1, 1, 0}); };
  ASSERT_OK(Transact({}, {}, reserve));
  EXPECT_THAT(Transact({}, {}, reserve), HasCode(absl::StatusCode::kAlreadyExists));
}

TEST_P(StockStoreTest, ABalanceBelowZeroIsRefusedByTheSchema) {
  Stock({"a"});
  EXPECT_FALSE(Transact({}, {"a"}, [](WorkingSet& set) {
                 set.products.at("a").available = -1;
                 set.changed_products.insert("a");
               }).ok());
}

TEST_P(StockStoreTest, CustomersIdsGoOnAfterTheHighest) {
  Stock({"a"});
  ASSERT_OK(Transact({}, {}, [](WorkingSet& set) { ASSERT_OK(CreateCustomer(set, {70, "Bob", ""})); }));
  ASSERT_OK(Transact({}, {}, [](WorkingSet& set) {
    const auto customer = CreateCustomer(set, {0, "Cy", ""});
    ASSERT_OK(customer);
    EXPECT_EQ(customer->id, 71u);
  }));
  const auto customers = ListCustomers(*connection_, 1, 10);
  ASSERT_OK(customers);
  ASSERT_EQ(customers->size(), 2u);
  EXPECT_EQ((*customers)[0].id, 70u);
  EXPECT_EQ((*customers)[1].name, "Cy");
}

TEST_P(StockStoreTest, ProductsAreListedByTheBytesOfTheirSku) {
  Stock({"b", "a", "B", "\xC3\xA9"});
  const auto skus = [&](const std::string& after, int limit) {
    std::vector<std::string> found;
    const auto products = ListProducts(*connection_, after, limit);
    EXPECT_OK(products);
    for (const Product& product : *products) found.push_back(product.sku);
    return found;
  };
  EXPECT_THAT(skus("", 10), ElementsAre("B", "a", "b", "\xC3\xA9"));
  EXPECT_THAT(skus("B", 2), ElementsAre("a", "b"));
  EXPECT_THAT(skus("\xC3\xA9", 2), IsEmpty());
}

TEST_P(StockStoreTest, AReaderSeesWhatIsCommittedOnly) {
  Stock({"a"});
  const auto reader = Connect(sql::Access::kRead);
  ASSERT_OK(connection_->Begin());
  WorkingSet set;
  ASSERT_OK(LoadProducts(*connection_, {"a"}, set));
  ASSERT_OK(Restock(set, "a", 5, "m"));
  ASSERT_OK(SaveChanges(*connection_, set, kNow));
  EXPECT_EQ((*FindProduct(*reader, "a"))->available, 10);
  ASSERT_OK(connection_->Commit());
  EXPECT_EQ((*FindProduct(*reader, "a"))->available, 15);
}

TEST_P(StockStoreTest, AWideBasketOfManySkusIsSavedAndLoaded) {
  std::vector<std::string> skus;
  std::vector<BasketLine> lines;
  for (int i = 0; i < 6000; i++) skus.push_back(absl::StrCat("sku-", 10'000 + i));
  for (const std::string& sku : skus) lines.push_back({sku, 1});
  Stock(skus);
  ASSERT_OK(Transact({"o"}, std::set(skus.begin(), skus.end()), [&](WorkingSet& set) {
    EXPECT_EQ(set.products.size(), 6000u);
    ASSERT_OK(Reserve(set, {"o", "", 1, lines}));
  }));
  EXPECT_EQ((*FindProduct(*connection_, skus.back()))->reserved, 1);
}

TEST_P(StockStoreTest, MigratingTwiceChangesNothing) {
  Stock({"a"});
  ASSERT_OK(sql::Migrate(*connection_, Migrations()));
  EXPECT_TRUE(FindProduct(*connection_, "a")->has_value());
}

INSTANTIATE_TEST_SUITE_P(Engines, StockStoreTest, ::testing::Values(SqliteEngine(), SimulatedEngine()), EngineName);
INSTANTIATE_TEST_SUITE_P(Servers, StockStoreTest, ::testing::ValuesIn(ServerEngines()), EngineName);

}  // namespace
}  // namespace sagamesh::customers
