#include "coordinator/definitions/process_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/status_matchers.h"
#include "coordinator/v1/coordinator.pb.h"
#include "orders/v1/orders.pb.h"

namespace sagamesh::definitions {
namespace {

using ::coordinator::v1::ProcessOrderRequest;
using ::coordinator::v1::ProcessOrderResponse;
using ::testing::HasSubstr;

class ProcessOrderTest : public ::testing::Test {
 protected:
  ProcessOrderTest() : definition_(*MakeProcessOrder()) {}

  static ProcessOrderRequest Request(std::vector<std::pair<std::string, int>> items) {
    ProcessOrderRequest request;
    request.set_customer_id(1);
    for (const auto& [sku, quantity] : items) {
      auto* item = request.add_items();
      item->set_sku(sku);
      item->set_quantity(quantity);
    }
    return request;
  }
  absl::StatusOr<std::string> Canonical(const ProcessOrderRequest& request) {
    return definition_.canonicalize(request.SerializeAsString());
  }

  engine::Definition definition_;
};

TEST_F(ProcessOrderTest, BothStepsAreUndoneByTheCancelThatTheContractNames) {
  ASSERT_EQ(definition_.steps.size(), 2u);
  for (const engine::Step& step : definition_.steps) {
    EXPECT_EQ(step.compensation_method, "orders.v1.OrdersService/CancelOrder");
  }
  EXPECT_EQ(definition_.steps[0].method, "orders.v1.OrdersService/CreateOrder");
  EXPECT_EQ(definition_.steps[1].method, "orders.v1.OrdersService/ConfirmOrder");
}

TEST_F(ProcessOrderTest, EqualBasketsAreEqualInAnyOrderAndSplit) {
  const auto canonical = Canonical(Request({{"a", 3}, {"b", 1}}));
  ASSERT_OK(canonical);
  EXPECT_EQ(*Canonical(Request({{"b", 1}, {"a", 3}})), *canonical);
  EXPECT_EQ(*Canonical(Request({{"a", 1}, {"b", 1}, {"a", 2}})), *canonical);
  EXPECT_NE(*Canonical(Request({{"a", 4}, {"b", 1}})), *canonical);
}

TEST_F(ProcessOrderTest, BadInputIsRefusedWithItsFieldsName) {
  ProcessOrderRequest nobody = Request({{"a", 1}});
  nobody.set_customer_id(0);
  EXPECT_THAT(Canonical(nobody).status().message(), HasSubstr("customer_id"));
  EXPECT_THAT(Canonical(Request({})).status().message(), HasSubstr("items"));
  EXPECT_THAT(Canonical(Request({{"a", 0}})).status().message(), HasSubstr("items[0].quantity"));
}

TEST_F(ProcessOrderTest, TheOrderIsNamedAfterTheSaga) {
  const std::string input = *Canonical(Request({{"a", 3}}));
  const std::vector<std::string> none;
  const std::string saga_id = "01a20dd7-785a-7a69-8e09-450f03c120ba";
  const std::string later_id = "01a20dd7-785b-7000-8000-000000000000";
  const auto order_of = [&](const std::string& saga_id, uint32_t version) {
    ::orders::v1::CreateOrderRequest create;
    EXPECT_TRUE(create.ParseFromString(*definition_.steps[0].request({saga_id, input, none, version})));
    ::orders::v1::ConfirmOrderRequest confirm;
    EXPECT_TRUE(confirm.ParseFromString(*definition_.steps[1].request({saga_id, input, none, version})));
    ::orders::v1::CancelOrderRequest cancel;
    EXPECT_TRUE(cancel.ParseFromString(*definition_.steps[1].compensation_request({saga_id, input, none, version})));
    EXPECT_EQ(confirm.order_id(), create.order_id());
    EXPECT_EQ(cancel.order_id(), create.order_id());
    return create.order_id();
  };
  // Sagas of both may be under way: these never change.
  EXPECT_EQ(order_of(saga_id, 1), "d71d403b-7f05-8f67-ba69-e77260c34daf");
  EXPECT_EQ(order_of(saga_id, 2), "01a20dd7-785a-8f67-ba69-e77260c34daf");
  EXPECT_EQ(definition_.version, 2u);
  EXPECT_LT(order_of(saga_id, 2), order_of(later_id, 2));
}

TEST_F(ProcessOrderTest, TheOutputIsTheConfirmedOrder) {
  ::orders::v1::ConfirmOrderResponse confirmed;
  confirmed.mutable_order()->set_order_id("o");
  confirmed.mutable_order()->set_customer_id(1);
  confirmed.mutable_order()->set_status(::orders::v1::Order::CONFIRMED);
  confirmed.mutable_order()->set_total_cents(42);
  const std::string input;
  const std::vector<std::string> responses = {"", confirmed.SerializeAsString()};
  ProcessOrderResponse response;
  ASSERT_TRUE(response.ParseFromString(*definition_.output({"saga-1", input, responses})));
  EXPECT_EQ(response.status(), ProcessOrderResponse::CONFIRMED);
  EXPECT_EQ(response.saga_id(), "saga-1");
  EXPECT_EQ(response.total_cents(), 42);
}

}  // namespace
}  // namespace sagamesh::definitions
