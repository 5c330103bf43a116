// Products and customers.

#include <string>
#include <vector>

#include "customers/service/demo.h"
#include "customers/service/logic_fixture_test.h"

namespace sagamesh::customers {
namespace {

namespace pb = ::customers::v1;
using absl::StatusCode;
using testing::Counted;
using ::testing::ElementsAre;
using testing::HasCode;
using testing::IsError;
using testing::kReused;
using ::testing::StartsWith;

using CatalogueTest = testing::CustomersLogicTest;

TEST_P(CatalogueTest, ARestockWithAKeyAddsOnce) {
  ASSERT_OK(Restock("a", 5, Key("k")));
  EXPECT_FALSE(info_.replayed);
  const auto again = Restock("a", 5, Key("k"));
  ASSERT_OK(again);
  EXPECT_TRUE(info_.replayed);
  EXPECT_EQ(again->product().available(), 15);
  EXPECT_THAT(Restock("a", 6, Key("k")), kReused);
  EXPECT_EQ(Counts("a"), (Counted{15, 0, 0}));
}

TEST_P(CatalogueTest, ARestockWithoutAKeyAddsEachTime) {
  ASSERT_OK(Restock("a", 5));
  ASSERT_OK(Restock("a", 5));
  EXPECT_FALSE(info_.replayed);
  EXPECT_EQ(Counts("a"), (Counted{20, 0, 0}));
}

TEST_P(CatalogueTest, StockHasALimit) {
  ASSERT_OK(Restock("a", 1'000'000'000));
  ASSERT_OK(Restock("a", 1'000'000'000));
  EXPECT_THAT(Restock("a", 1'000'000'000), IsError(StatusCode::kFailedPrecondition, "STOCK_LIMIT"));
  EXPECT_THAT(Restock("a", 0), HasCode(StatusCode::kInvalidArgument));
  EXPECT_THAT(Restock("c", 1), IsError(StatusCode::kNotFound, "PRODUCT_NOT_FOUND"));
  EXPECT_EQ(Counts("a"), (Counted{2'000'000'010, 0, 0}));
}

TEST_P(CatalogueTest, AProductWithAKeyIsMadeOnce) {
  const auto first = Create("c", 7, 100, Key("k"));
  ASSERT_OK(first);
  const auto again = Create("c", 7, 100, Key("k"));
  ASSERT_OK(again);
  EXPECT_TRUE(info_.replayed);
  EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString());
  EXPECT_THAT(Create("c", 7, 100), IsError(StatusCode::kAlreadyExists, "PRODUCT_EXISTS"));
  EXPECT_EQ(Counts("c"), (Counted{7, 0, 0}));
}

TEST_P(CatalogueTest, AProductsFieldsHaveLimits) {
  const auto refused = [&](const std::string& sku, int32_t available, int64_t price) {
    return std::string(Create(sku, available, price).status().message());
  };
  EXPECT_THAT(refused("", 1, 1), StartsWith("sku: "));
  EXPECT_THAT(refused("c", -1, 1), StartsWith("available: "));
  EXPECT_THAT(refused("c", 1, -1), StartsWith("price_cents: "));
  EXPECT_THAT(refused("c", 1, 1'000'000'000'001), StartsWith("price_cents: "));
  EXPECT_OK(Create("c", 2'147'483'647, 1'000'000'000'000));
  EXPECT_OK(Create("d", 0, 0));
}

TEST_P(CatalogueTest, CustomersAreMadeFoundAndListed) {
  pb::CreateCustomerRequest request;
  request.set_name("Bob");
  request.set_email("bob@example.org");
  const auto created = Call(&CustomersLogic::CreateCustomer, Key("k"), request);
  ASSERT_OK(created);
  EXPECT_EQ(created->customer().customer_id(), 2u);
  EXPECT_EQ(Call(&CustomersLogic::CreateCustomer, Key("k"), request)->customer().customer_id(), 2u);
  pb::GetCustomerRequest get;
  get.set_customer_id(2);
  EXPECT_EQ(Call(&CustomersLogic::GetCustomer, {}, get)->customer().email(), "bob@example.org");
  get.set_customer_id(3);
  EXPECT_THAT(Call(&CustomersLogic::GetCustomer, {}, get), IsError(StatusCode::kNotFound, "CUSTOMER_NOT_FOUND"));
  request.set_customer_id(2);
  EXPECT_THAT(Call(&CustomersLogic::CreateCustomer, {}, request),
              IsError(StatusCode::kAlreadyExists, "CUSTOMER_EXISTS"));
  request.set_name("");
  EXPECT_THAT(Call(&CustomersLogic::CreateCustomer, {}, request), HasCode(StatusCode::kInvalidArgument));
  request.set_name(std::string(201, 'x'));
  EXPECT_THAT(Call(&CustomersLogic::CreateCustomer, {}, request), HasCode(StatusCode::kInvalidArgument));
}

TEST_P(CatalogueTest, ProductsAreListedInPagesThatInsertsDoNotDisturb) {
  for (const char* sku : {"c", "d", "e"}) ASSERT_OK(Create(sku, 1));
  pb::ListProductsRequest request;
  request.set_page_size(2);
  std::vector<std::string> seen;
  for (int page = 0; page < 3; page++) {
    const auto response = Call(&CustomersLogic::ListProducts, {}, request);
    ASSERT_OK(response);
    for (const pb::Product& product : response->products()) seen.push_back(product.sku());
    request.set_page_token(response->next_page_token());
    EXPECT_EQ(response->next_page_token().empty(), page == 2);
    if (page == 0) {
      ASSERT_OK(Create("Z before all", 1));
    }
  }
  EXPECT_THAT(seen, ElementsAre("a", "b", "c", "d", "e"));
}

TEST_P(CatalogueTest, PagesHaveLimitsAndTokensAreOurs) {
  pb::ListProductsRequest request;
  for (const int size : {-1, 501}) {
    request.set_page_size(size);
    const auto refused = Call(&CustomersLogic::ListProducts, {}, request);
    EXPECT_THAT(refused, HasCode(StatusCode::kInvalidArgument));
    EXPECT_THAT(std::string(refused.status().message()), StartsWith("page_size"));
  }
  pb::ListCustomersRequest customers;
  for (const char* token : {"!", "abc", "////"}) {
    customers.set_page_token(token);
    const auto refused = Call(&CustomersLogic::ListCustomers, {}, customers);
    EXPECT_THAT(refused, HasCode(StatusCode::kInvalidArgument)) << token;
    EXPECT_THAT(std::string(refused.status().message()), StartsWith("page_token"));
  }
  request.set_page_size(1);
  customers.set_page_token(Call(&CustomersLogic::ListProducts, {}, request)->next_page_token());
  EXPECT_THAT(Call(&CustomersLogic::ListCustomers, {}, customers), HasCode(StatusCode::kInvalidArgument))
      << "a token of another list";
}

TEST_P(CatalogueTest, DemoDataIsAddedOnceAndChangesNothing) {
  SeedDemo(*logic_);
  EXPECT_EQ(Counts("prod-123"), (Counted{100, 0, 0}));
  ASSERT_OK(Reserve("o", {{"prod-123", 3}}));
  const int commits = database_.commits();
  SeedDemo(*logic_);
  EXPECT_EQ(Counts("prod-123"), (Counted{97, 3, 0}));
  EXPECT_EQ(database_.commits(), commits) << "a second seed writes nothing";
  pb::GetCustomerRequest get;
  get.set_customer_id(1);
  EXPECT_EQ(Call(&CustomersLogic::GetCustomer, {}, get)->customer().name(), "Ada") << "it was there already";
}

INSTANTIATE_TEST_SUITE_P(Engines, CatalogueTest, ::testing::Values(testing::SqliteEngine()), testing::EngineName);
INSTANTIATE_TEST_SUITE_P(Servers, CatalogueTest, ::testing::ValuesIn(testing::ServerEngines()), testing::EngineName);

}  // namespace
}  // namespace sagamesh::customers
