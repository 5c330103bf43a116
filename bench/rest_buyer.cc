#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "bench/buyer.h"
#include "bench/http_reply.h"
#include "common/exec/mutex.h"
#include "common/exec/threads.h"

namespace sagamesh::bench {
namespace {

constexpr int kPollMilliseconds = 100;  // how long a destructor may wait for the thread
constexpr int kEventsMax = 64;

absl::Status LastError(absl::string_view what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", std::strerror(errno)));
}

std::string RequestOf(const Purchase& purchase, const std::string& host) {
  const std::string body = absl::StrCat(R"({"customer_id":1,"items":[{"sku":")", purchase.sku, R"(","quantity":1}]})");
  return absl::StrCat("POST /dev/orders/process HTTP/1.1\r\nHost: ", host,
                      "\r\nContent-Type: application/json\r\nIdempotency-Key: ", purchase.idempotency_key,
                      "\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
}

absl::Status StatusOf(const HttpReply& reply) {
  if (reply.status == 200) return absl::OkStatus();
  return absl::UnknownError(absl::StrCat("HTTP ", reply.status, ": ", reply.body));
}

// Replies come to one thread, which starts the next purchases too.
class RestBuyer final : public Buyer {
 public:
  // `poll` is an epoll instance, its own from now on.
  RestBuyer(std::string host, const sockaddr_in& address, int poll)
      : host_(std::move(host)), address_(address), poll_(poll) {
    pool_->Post([this] { Run(); });
  }

  ~RestBuyer() override {
    stopped_ = true;
    pool_->Shutdown();
    close(poll_);
  }

  void Buy(const Purchase& purchase, Done done) override {
    absl::StatusOr<Connection*> connection = Take();
    if (!connection.ok()) return done(connection.status());
    {
      MutexLock lock(mutex_);
      (*connection)->done = std::move(done);
    }
    // Nothing else is under way on it, so that there is room for all of it.
    const std::string request = RequestOf(purchase, host_);
    const ssize_t sent = send((*connection)->socket, request.data(), request.size(), MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(request.size())) shutdown((*connection)->socket, SHUT_RDWR);  // Run sees its end
  }

 private:
  struct Connection {
    explicit Connection(int fd) : socket(fd) {}
    ~Connection() { close(socket); }

    const int socket;
    std::string received;  // of the reply that is coming; the thread's
    Done done;             // guarded by mutex_
  };

  // One that is free, or a new one.
  absl::StatusOr<Connection*> Take() {
    {
      MutexLock lock(mutex_);
      if (!free_.empty()) {
        Connection* connection = free_.back();
        free_.pop_back();
        return connection;
      }
    }
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return LastError("socket");
    auto connection = std::make_unique<Connection>(fd);
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    epoll_event event{.events = EPOLLIN, .data = {.ptr = connection.get()}};
    if (connect(fd, reinterpret_cast<const sockaddr*>(&address_), sizeof(address_)) != 0 ||
        epoll_ctl(poll_, EPOLL_CTL_ADD, fd, &event) != 0) {
      return LastError("cannot connect to the gateway");
    }
    MutexLock lock(mutex_);
    connections_.push_back(std::move(connection));
    return connections_.back().get();
  }

  void Run() {
    std::array<epoll_event, kEventsMax> events;
    while (!stopped_) {
      const int ready = epoll_wait(poll_, events.data(), kEventsMax, kPollMilliseconds);
      for (int i = 0; i < ready; i++) Receive(*static_cast<Connection*>(events[i].data.ptr));
    }
  }

  void Receive(Connection& connection) {
    std::array<char, 4096> buffer;
    const ssize_t size = recv(connection.socket, buffer.data(), buffer.size(), 0);
    if (size <= 0) {
      epoll_ctl(poll_, EPOLL_CTL_DEL, connection.socket, nullptr);  // it is used no more
      return Finish(connection, absl::UnavailableError("the gateway closed a connection"), /*usable=*/false);
    }
    connection.received.append(buffer.data(), size);
    const auto reply = ParseHttpReply(connection.received);
    if (!reply.ok()) {
      epoll_ctl(poll_, EPOLL_CTL_DEL, connection.socket, nullptr);
      return Finish(connection, reply.status(), /*usable=*/false);
    }
    if (!reply->has_value()) return;
    connection.received.clear();
    Finish(connection, StatusOf(**reply), /*usable=*/true);
  }

  void Finish(Connection& connection, absl::Status status, bool usable) {
    Done done;
    {
      MutexLock lock(mutex_);
      done.swap(connection.done);
      if (usable) free_.push_back(&connection);
    }
    if (done != nullptr) done(std::move(status));
  }

  const std::string host_;
  const sockaddr_in address_;
  const int poll_;
  std::atomic<bool> stopped_{false};
  Mutex mutex_;
  std::vector<std::unique_ptr<Connection>> connections_ ABSL_GUARDED_BY(mutex_);
  std::vector<Connection*> free_ ABSL_GUARDED_BY(mutex_);
  const std::unique_ptr<WorkerPool> pool_ = MakeThreadPool("rest", 1);
};

}  // namespace

absl::StatusOr<std::unique_ptr<Buyer>> MakeRestBuyer(const std::string& gateway) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(gateway, ':');
  sockaddr_in address{.sin_family = AF_INET};
  uint32_t port = 0;
  if (!absl::SimpleAtoi(parts.second, &port) || inet_pton(AF_INET, parts.first.c_str(), &address.sin_addr) != 1) {
    return absl::InvalidArgumentError(absl::StrCat("not an IPv4 address with a port: ", gateway));
  }
  address.sin_port = htons(static_cast<uint16_t>(port));
  const int poll = epoll_create1(EPOLL_CLOEXEC);
  if (poll < 0) return LastError("epoll_create1");
  return std::make_unique<RestBuyer>(gateway, address, poll);
}

}  // namespace sagamesh::bench
