#include "common/rpc/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/status_matchers.h"

namespace sagamesh::rpc {
namespace {

using ::sagamesh::testing::HasCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

std::string Target(absl::string_view text) {
  const absl::StatusOr<std::string> target = ParseTarget("customers", text);
  return target.ok() ? *target : target.status().ToString();
}

TEST(ParseTargetTest, AnAddressANameAndGrpcsOwnTargetsStayWhatTheyAre) {
  for (const char* text : {"127.0.0.1:50052", "[::1]:50052", "orders:50052", "orders.shop.example:1",
                           "dns:///orders:50052", "unix:/run/orders", "dns://8.8.8.8/orders:50052"}) {
    EXPECT_EQ(Target(text), text);
  }
}

TEST(ParseTargetTest, SeveralAddressesAreOneTarget) {
  EXPECT_EQ(Target("127.0.0.1:50052, 127.0.0.1:50152"), "ipv4:127.0.0.1:50052,127.0.0.1:50152");
  EXPECT_EQ(Target("[::1]:1,[::2]:2"), "ipv6:%5B::1%5D:1,%5B::2%5D:2");
}

TEST(ParseTargetTest, WhatIsNoTargetIsRefusedAndNamedWithItsFlag) {
  for (const char* text : {"", "orders", "127.0.0.1", "127.0.0.1:", ":50052", "orders:0", "orders:65536", "orders:http",
                           "::1:50052", "[::1:50052", "[orders]:1", "a b:1", "x=orders:1"}) {
    const auto target = ParseTarget("customers", text);
    EXPECT_THAT(target, HasCode(absl::StatusCode::kInvalidArgument)) << text;
    EXPECT_EQ(target.status().message(), absl::StrCat("--customers: \"", text, "\" is not HOST:PORT"));
  }
}

TEST(ParseTargetTest, AListWithSomethingElseInItIsRefused) {
  EXPECT_THAT(Target("127.0.0.1:1,orders:2"), HasSubstr("\"orders:2\" in a list"));
  EXPECT_THAT(Target("orders-1:1,orders-2:1"), HasSubstr("Use one name that resolves to all of them"));
  EXPECT_THAT(Target("127.0.0.1:1,[::1]:1"), HasSubstr("all IPv4 or all IPv6"));
  EXPECT_THAT(Target("127.0.0.1:1,"), HasSubstr("\"\" is not HOST:PORT"));
  EXPECT_THAT(Target("127.0.0.1:1,127.0.0.1"), HasSubstr("\"127.0.0.1\" is not HOST:PORT"));
  EXPECT_THAT(Target("127.0.0.1:1,dns:///orders:1"), HasSubstr("\"dns:///orders:1\" is not HOST:PORT"));
}

TEST(ParseTargetsTest, AnEntryWithoutAServiceContinuesTheListBeforeIt) {
  const auto targets =
      ParseTargets("participants", "orders.v1.OrdersService=127.0.0.1:1,127.0.0.1:2,shop.v1.Carts=carts:3");
  ASSERT_OK(targets);
  EXPECT_THAT(*targets, ElementsAre(Pair("orders.v1.OrdersService", "ipv4:127.0.0.1:1,127.0.0.1:2"),
                                    Pair("shop.v1.Carts", "carts:3")));
}

TEST(ParseTargetsTest, WhatIsNoListOfServicesIsRefusedAndNamedWithItsFlag) {
  for (const char* text : {"", "127.0.0.1:1", "=127.0.0.1:1", "a=", "a=127.0.0.1:1,", "a=b:1,c:2", "a=b:1,a=c:1"}) {
    const auto targets = ParseTargets("participants", text);
    EXPECT_THAT(targets, HasCode(absl::StatusCode::kInvalidArgument)) << text;
    EXPECT_THAT(std::string(targets.status().message()), HasSubstr("--participants: \"")) << text;
  }
}

TEST(IsAddressTest, OnlyOneLiteralAddressIs) {
  EXPECT_TRUE(IsAddress("127.0.0.1:1"));
  EXPECT_TRUE(IsAddress("[::1]:1"));
  EXPECT_FALSE(IsAddress("localhost:1"));
  EXPECT_FALSE(IsAddress("ipv4:127.0.0.1:1,127.0.0.1:2"));
}

}  // namespace
}  // namespace sagamesh::rpc
