#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/sql/mysql.h"

namespace sagamesh::sql {
namespace {

using ::testing::HasSubstr;

TEST(ParseMysqlUrlTest, AWholeUrl) {
  const auto options = ParseMysqlUrl("mysql://shop@db.example:3307/orders");
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->user, "shop");
  EXPECT_EQ(options->host, "db.example");
  EXPECT_EQ(options->port, 3307);
  EXPECT_EQ(options->database, "orders");
}

TEST(ParseMysqlUrlTest, ThePortIs3306IfThereIsNone) {
  const auto options = ParseMysqlUrl("mysql://shop@db/orders");
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->port, 3306);
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

INSTANTIATE_TEST_SUITE_P(, BadMysqlUrlTest,
                         ::testing::Values(BadUrl{"sqlite:x.db", "not a mysql:// URL"},
                                           BadUrl{"mysql://db/orders", "there is no user"},
                                           BadUrl{"mysql://@db/orders", "there is no user"},
                                           BadUrl{"mysql://shop:secret@db/orders", "SAGAMESH_DB_PASSWORD"},
                                           BadUrl{"mysql://shop@/orders", "there is no host"},
                                           BadUrl{"mysql://shop@db", "there is no database"},
                                           BadUrl{"mysql://shop@db/", "there is no database"},
                                           BadUrl{"mysql://shop@a,b/orders", "more than one host"},
                                           BadUrl{"mysql://shop@db:0/orders", "port"},
                                           BadUrl{"mysql://shop@db:x/orders", "port"}));

}  // namespace
}  // namespace sagamesh::sql
