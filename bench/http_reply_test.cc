#include "bench/http_reply.h"

#include <gtest/gtest.h>

#include "common/testing/status_matchers.h"

namespace sagamesh::bench {
namespace {

constexpr char kReply[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDate: today\r\n\r\nhello";

TEST(HttpReply, HasAStatusAndABody) {
  const auto reply = ParseHttpReply(kReply);
  ASSERT_OK(reply.status());
  ASSERT_TRUE(reply->has_value());
  EXPECT_EQ((*reply)->status, 200);
  EXPECT_EQ((*reply)->body, "hello");
}

TEST(HttpReply, MayComeInAnyPieces) {
  const absl::string_view whole = kReply;
  for (size_t size = 0; size < whole.size(); size++) {
    const auto reply = ParseHttpReply(whole.substr(0, size));
    ASSERT_OK(reply.status()) << size;
    EXPECT_FALSE(reply->has_value()) << size;
  }
}

TEST(HttpReply, IsNothingElse) {
  EXPECT_FALSE(ParseHttpReply("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").ok());
  EXPECT_FALSE(ParseHttpReply("HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n").ok());
  EXPECT_FALSE(ParseHttpReply("220 smtp\r\nContent-Length: 0\r\n\r\n").ok());
  EXPECT_FALSE(ParseHttpReply("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab").ok());
}

}  // namespace
}  // namespace sagamesh::bench
