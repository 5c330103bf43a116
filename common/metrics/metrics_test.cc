#include "common/metrics/metrics.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace sagamesh::metrics {
namespace {

// A port that something listens on as long as this lives.
class TakenPort {
 public:
  TakenPort() : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = Loopback(0);
    EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(socket_, 1), 0);
    socklen_t size = sizeof address;
    getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  ~TakenPort() { close(socket_); }

  int port() const { return port_; }

  static sockaddr_in Loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(port));
    return address;
  }

 private:
  int socket_;
  int port_ = 0;
};

std::string Get(int port) {
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = TakenPort::Loopback(port);
  EXPECT_EQ(connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const std::string request = "GET /metrics HTTP/1.0\r\n\r\n";
  EXPECT_EQ(write(client, request.data(), request.size()), static_cast<ssize_t>(request.size()));
  std::string reply;
  char buffer[4096];
  for (ssize_t n; (n = read(client, buffer, sizeof buffer)) > 0;) reply.append(buffer, n);
  close(client);
  return reply;
}

TEST(MetricsTest, TheSameNameAndLabelsAreTheSameMetric) {
  Registry registry;
  registry.Counter("sagamesh_a_total", "A.", {{"queue", "x"}}).Increment();
  registry.Counter("sagamesh_a_total", "A.", {{"queue", "x"}}).Increment();
  registry.Counter("sagamesh_a_total", "A.", {{"queue", "y"}}).Increment();
  EXPECT_EQ(registry.Counter("sagamesh_a_total", "A.", {{"queue", "x"}}).Value(), 2);
  EXPECT_EQ(&registry.Gauge("sagamesh_b", "B."), &registry.Gauge("sagamesh_b", "B."));
  EXPECT_EQ(&registry.Histogram("sagamesh_c_seconds", "C.", {1, 2}),
            &registry.Histogram("sagamesh_c_seconds", "C.", {1, 2}));
}

TEST(MetricsTest, ServesWhatWasCounted) {
  int port = 0;
  {
    port = TakenPort().port();
  }
  Registry registry;
  ASSERT_TRUE(registry.Serve(absl::StrCat("127.0.0.1:", port)).ok());
  registry.Counter("sagamesh_a_total", "A.", {{"queue", "x"}}).Increment();
  const std::string reply = Get(port);
  EXPECT_TRUE(absl::StrContains(reply, "sagamesh_a_total{queue=\"x\"} 1")) << reply;
}

TEST(MetricsTest, ATakenPortIsUnavailableAndNamed) {
  TakenPort taken;
  const std::string address = absl::StrCat("127.0.0.1:", taken.port());
  const absl::Status status = Registry().Serve(address);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(absl::StrContains(status.message(), address)) << status;
}

}  // namespace
}  // namespace sagamesh::metrics
