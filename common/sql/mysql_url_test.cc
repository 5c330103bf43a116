#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/sql/mysql.h"

namespace sagamesh::sql {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

MATCHER_P2(IsHost, name, port, "") { return arg.name == name && arg.port == port; }

TEST(ParseMysqlUrlTest, AWholeUrl) {
  const auto options = ParseMysqlUrl("mysql://shop@db.example:3307/orders");
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->user, "shop");
  EXPECT_THAT(options->hosts, ElementsAre(IsHost("db.example", 3307)));
  EXPECT_EQ(options->database, "orders");
  EXPECT_EQ(options->tls.mode, TlsMode::kDisabled);
}

TEST(ParseMysqlUrlTest, SeveralHosts) {
  const auto options = ParseMysqlUrl("mysql://shop@a:3307,b,[::1]:3308,[::1]/orders");
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_THAT(options->hosts,
              ElementsAre(IsHost("a", 3307), IsHost("b", 3306), IsHost("[::1]", 3308), IsHost("[::1]", 3306)));
}

TEST(ParseMysqlUrlTest, Tls) {
  const auto options = ParseMysqlUrl(
      "mysql://shop@db/orders?ssl-mode=verify-identity&ssl-ca=/etc/ca.pem&ssl-cert=/etc/shop.pem&ssl-key=/etc/"
      "shop.key");
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->database, "orders");
  EXPECT_EQ(options->tls.mode, TlsMode::kVerifyIdentity);
  EXPECT_EQ(options->tls.ca, "/etc/ca.pem");
  EXPECT_EQ(options->tls.certificate, "/etc/shop.pem");
  EXPECT_EQ(options->tls.key, "/etc/shop.key");
}

TEST(ParseMysqlUrlTest, ThePortIs3306IfThereIsNone) {
  const auto options = ParseMysqlUrl("mysql://shop@db/orders");
  ASSERT_TRUE(options.ok());
  EXPECT_THAT(options->hosts, ElementsAre(IsHost("db", 3306)));
}

struct BadUrl {
  const char* url;
  const char* complaint;
};

class BadMysqlUrlTest : public ::testing::TestWithParam<BadUrl> {};

TEST_P(BadMysqlUrlTest, IsRefusedAndSaysWhy) {
  const auto options = ParseMysqlUrl(GetParam().url);
  ASSERT_EQ(options.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(options.status().message()), HasSubstr(GetParam().complaint));
}

INSTANTIATE_TEST_SUITE_P(
    , BadMysqlUrlTest,
    ::testing::Values(BadUrl{"sqlite:x.db", "not a mysql:// URL"}, BadUrl{"mysql://db/orders", "there is no user"},
                      BadUrl{"mysql://@db/orders", "there is no user"},
                      BadUrl{"mysql://shop:secret@db/orders", "SAGAMESH_DB_PASSWORD"},
                      BadUrl{"mysql://shop@/orders", "there is no host"},
                      BadUrl{"mysql://shop@db", "there is no database"},
                      BadUrl{"mysql://shop@db/", "there is no database"},
                      BadUrl{"mysql://shop@a,,b/orders", "there is no host"},
                      BadUrl{"mysql://shop@a,b:3306,a:3306/orders", "a:3306 is there twice"},
                      BadUrl{"mysql://shop@a,b,c,d,e,f,g,h,i/orders", "more than 8 hosts"},
                      BadUrl{"mysql://shop@[::1/orders", "IPv6"}, BadUrl{"mysql://shop@a:1:2/orders", "port"},
                      BadUrl{"mysql://shop@db/orders?ssl-mode=on", "ssl-mode"},
                      BadUrl{"mysql://shop@db/orders?ssl-mode=preferred", "ssl-mode"},
                      BadUrl{"mysql://shop@db/orders?ssl-mode=verify-ca", "ssl-mode"},
                      BadUrl{"mysql://shop@db/orders?ssl-mod=required", "no parameter ssl-mod"},
                      BadUrl{"mysql://shop@db/orders?password=x", "no parameter password"},
                      BadUrl{"mysql://shop@db/orders?ssl-mode=required&ssl-ca=x", "ssl-ca"},
                      BadUrl{"mysql://shop@db/orders?ssl-mode=required&ssl-cert=x", "together"},
                      BadUrl{"mysql://shop@db/orders?ssl-cert=x&ssl-key=x", "need an ssl-mode"},
                      BadUrl{"mysql://shop@db:0/orders", "port"}, BadUrl{"mysql://shop@db:x/orders", "port"}));

}  // namespace
}  // namespace sagamesh::sql
