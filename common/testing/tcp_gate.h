#ifndef SAGAMESH_COMMON_TESTING_TCP_GATE_H_
#define SAGAMESH_COMMON_TESTING_TCP_GATE_H_

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

namespace sagamesh::testing {

// Stands between a client and a server on loopback. Loses replies on demand, or everything, or lets nobody in. (The
// idea is that of userver's chaos tests.)
class TcpGate {
 public:
  explicit TcpGate(uint16_t server_port) : server_port_(server_port) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = Loopback(0);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(listener_, 16), 0);
    socklen_t size = sizeof(address);
    EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }
  ~TcpGate() {
    stopped_ = true;
    thread_.join();
    Drop();
    close(listener_);
  }
  TcpGate(const TcpGate&) = delete;
  TcpGate& operator=(const TcpGate&) = delete;

  uint16_t port() const { return port_; }

  // The client is cut off at the next reply; the server is not told.
  void LoseNextReply() { lose_reply_ = true; }
  // Every client is cut off now; the server is not told. New ones may come.
  void CutClients() { cut_clients_ = true; }
  // From now on nothing passes, and nobody is told: the server keeps the connection.
  void GoSilent() { silent_ = true; }
  // Whether all clients are cut off, and new ones turned away at once.
  void TurnAway(bool away) { turns_away_ = away; }

 private:
  static sockaddr_in Loopback(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
  }

  void Serve() {
    while (!stopped_) {
      if (turns_away_) CutOff();
      std::vector<pollfd> watched = {{listener_, POLLIN, 0}};
      for (const auto& [client, server] : pairs_) {
        watched.push_back({client, POLLIN, 0});
        watched.push_back({server, POLLIN, 0});
      }
      const bool events = poll(watched.data(), watched.size(), /*timeout_ms=*/10) > 0;
      if (cut_clients_.exchange(false)) {
        for (const auto& [client, server] : std::exchange(pairs_, {})) {
          close(client);
          orphans_.push_back(server);
        }
        continue;
      }
      if (!events || silent_) continue;
      for (size_t i = pairs_.size(); i-- > 0;) {
        const auto [client, server] = pairs_[i];
        const bool reply = watched[2 * i + 2].revents != 0;
        if (reply && lose_reply_.exchange(false)) {
          close(client);
          orphans_.push_back(server);
          pairs_.erase(pairs_.begin() + static_cast<std::ptrdiff_t>(i));
        } else if ((watched[2 * i + 1].revents != 0 && !Pass(client, server)) || (reply && !Pass(server, client))) {
          close(client);
          close(server);
          pairs_.erase(pairs_.begin() + static_cast<std::ptrdiff_t>(i));
        }
      }
      if (watched[0].revents != 0) Accept();
    }
  }

  void Accept() {
    const int client = accept(listener_, nullptr, nullptr);
    if (turns_away_) {
      close(client);
      return;
    }
    const int server = socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in address = Loopback(server_port_);
    if (connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
      pairs_.emplace_back(client, server);
    } else {
      close(client);
      close(server);
    }
  }

  // False at the end of the stream.
  static bool Pass(int from, int to) {
    char buffer[16'384];
    const ssize_t size = read(from, buffer, sizeof(buffer));
    return size > 0 && write(to, buffer, static_cast<size_t>(size)) == size;
  }

  void CutOff() {
    for (const auto& [client, server] : pairs_) {
      close(client);
      close(server);
    }
    pairs_.clear();
  }

  void Drop() {
    CutOff();
    for (const int server : orphans_) close(server);
  }

  const uint16_t server_port_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<bool> stopped_{false};
  std::atomic<bool> lose_reply_{false};
  std::atomic<bool> silent_{false};
  std::atomic<bool> cut_clients_{false};
  std::atomic<bool> turns_away_{false};
  std::vector<std::pair<int, int>> pairs_;  // client, server
  std::vector<int> orphans_;                // servers whose client was cut off
  std::thread thread_;
};

}  // namespace sagamesh::testing

#endif  // SAGAMESH_COMMON_TESTING_TCP_GATE_H_
