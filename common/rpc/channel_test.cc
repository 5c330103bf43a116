#include "common/rpc/channel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <future>
#include <map>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/rpc/target.h"
#include "common/rpc/test_server.h"
#include "common/testing/status_matchers.h"
#include "common/testing/tcp_gate.h"

namespace sagamesh::rpc {
namespace {

using ::sagamesh::testing::HasCode;
using ::sagamesh::testing::TcpGate;
using ::testing::Each;

// So many calls in a row say that the channel has settled on something.
constexpr int kSettled = 20;
// What a process gives its clients (common/service/process.cc); with AddressSanitizer all is slower.
#ifdef __SANITIZE_ADDRESS__
constexpr absl::Duration kLeaveTime = absl::Seconds(1);
#else
constexpr absl::Duration kLeaveTime = absl::Milliseconds(200);
#endif

std::string Loopback(int port) { return absl::StrCat("127.0.0.1:", port); }

// A client of several servers.
class Client {
 public:
  explicit Client(const std::vector<std::string>& addresses, const ChannelOptions& options = {})
      : stub_(::customers::v1::CustomersService::NewStub(
            MakeChannel(*ParseTarget("replicas", absl::StrJoin(addresses, ",")), options))) {}

  absl::Status Call(absl::Duration deadline = absl::Seconds(10)) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + deadline));
    ::customers::v1::GetCustomerRequest request;
    request.set_customer_id(7);
    ::customers::v1::GetCustomerResponse response;
    return FromGrpc(stub_->GetCustomer(&context, request, &response));
  }

  // Calls again and again until so many calls in a row were as wanted; false if that takes more than 10 s.
  bool Settles(const std::function<bool(const absl::Status&)>& wanted, absl::Duration deadline = absl::Seconds(10)) {
    const absl::Time until = absl::Now() + absl::Seconds(10);
    for (int in_a_row = 0; in_a_row < kSettled;) {
      if (absl::Now() > until) return false;
      in_a_row = wanted(Call(deadline)) ? in_a_row + 1 : 0;
      SystemClock().SleepFor(absl::Milliseconds(5));
    }
    return true;
  }

 private:
  std::unique_ptr<::customers::v1::CustomersService::Stub> stub_;
};

class ChannelTest : public ::testing::Test {
 protected:
  static std::unique_ptr<TestServer> StartServer(TestServer::Logic logic = AnswerCustomer,
                                                 const std::string& address = "127.0.0.1:0") {
    auto server = std::make_unique<TestServer>(std::move(logic), nullptr, address);
    server->server().SetServing(true);
    return server;
  }

  void StartServers(int count) {
    while (count-- > 0) servers_.push_back(StartServer());
  }

  std::vector<std::string> Addresses() const {
    std::vector<std::string> addresses;
    for (const auto& server : servers_) addresses.push_back(Loopback(server->server().port()));
    return addresses;
  }

  // How many calls each server has answered.
  std::vector<int> Answered() const {
    std::vector<int> answered;
    for (const auto& server : servers_) answered.push_back(server->Handled("OK"));
    return answered;
  }

  // Whether the calls come to go to these servers and no others, each well.
  bool SettlesOn(Client& client, const std::vector<int>& wanted) {
    std::vector<int> before = Answered();
    std::map<int, int> since;  // how often each was chosen since the last call that went elsewhere
    return client.Settles([&](const absl::Status& status) {
      const std::vector<int> after = Answered();
      const auto chosen = std::mismatch(before.begin(), before.end(), after.begin()).first - before.begin();
      before = after;
      EXPECT_OK(status);
      if (std::find(wanted.begin(), wanted.end(), chosen) == wanted.end()) since.clear();
      since[static_cast<int>(chosen)]++;
      return std::all_of(wanted.begin(), wanted.end(), [&](int server) { return since[server] > 0; });
    });
  }

  std::vector<std::unique_ptr<TestServer>> servers_;
};

TEST_F(ChannelTest, ReplicasGetEquallyManyCalls) {
  StartServers(3);
  Client client(Addresses());
  ASSERT_TRUE(SettlesOn(client, {0, 1, 2}));
  const std::vector<int> before = Answered();
  for (int i = 0; i < 300; i++) EXPECT_OK(client.Call());
  std::vector<int> gained = Answered();
  for (size_t i = 0; i < gained.size(); i++) gained[i] -= before[i];
  EXPECT_THAT(gained, Each(100));
}

TEST_F(ChannelTest, AReplicaThatDoesNotServeIsLeftWithoutAFailedCallAndTakenAgainWhenItServes) {
  StartServers(2);
  Client client(Addresses());
  ASSERT_TRUE(SettlesOn(client, {0, 1}));
  servers_[0]->server().SetServing(false);
  EXPECT_TRUE(SettlesOn(client, {1}));
  servers_[0]->server().SetServing(true);
  EXPECT_TRUE(SettlesOn(client, {0, 1}));
}

TEST_F(ChannelTest, WhereNoReplicaServesCallsFailAtOnceAsUnavailable) {
  StartServers(2);
  Client client(Addresses());
  for (const auto& server : servers_) server->server().SetServing(false);
  const auto fails = [](const absl::Status& status) { return absl::IsUnavailable(status); };
  EXPECT_TRUE(client.Settles(fails, absl::Seconds(1)));
  servers_[1]->server().SetServing(true);
  EXPECT_TRUE(client.Settles([](const absl::Status& status) { return status.ok(); }));
}

TEST_F(ChannelTest, AReplicaThatStartsAgainIsTakenAgain) {
  StartServers(2);
  const int port = servers_[0]->server().port();
  Client client(Addresses());
  ASSERT_TRUE(SettlesOn(client, {0, 1}));
  servers_[0].reset();
  EXPECT_TRUE(client.Settles([](const absl::Status& status) { return status.ok(); }));
  servers_[0] = StartServer(AnswerCustomer, Loopback(port));
  EXPECT_TRUE(SettlesOn(client, {0, 1}));
}

TEST_F(ChannelTest, AReplicaThatFallsSilentIsLeftAndItsCallUnderWayIsUnavailable) {
  StartServers(1);
  std::vector<TestServer::Reply> kept;
  std::promise<void> called;
  const auto silent = StartServer([&](const CallContext&, const auto&, TestServer::Reply done) {
    kept.push_back(std::move(done));
    called.set_value();
  });
  TcpGate gate(static_cast<uint16_t>(silent->server().port()));
  Client client({Addresses()[0], Loopback(gate.port())}, {absl::Seconds(1), absl::Seconds(1)});
  absl::Status status;
  std::thread caller([&] {
    while (status.ok()) status = client.Call(absl::Minutes(1));
  });
  called.get_future().wait();
  gate.GoSilent();
  const absl::Time since = absl::Now();
  caller.join();
  EXPECT_LT(absl::Now() - since, absl::Seconds(10));
  EXPECT_THAT(status, HasCode(absl::StatusCode::kUnavailable));
  EXPECT_TRUE(client.Settles([](const absl::Status& later) { return later.ok(); }, absl::Seconds(1)));
  kept.clear();
}

TEST_F(ChannelTest, AtAReplicaThatShutsDownACallUnderWayEndsWellAndLaterOnesGoElsewhere) {
  StartServers(1);
  std::atomic<bool> called{false};
  std::promise<TestServer::Reply> waiting;
  const auto leaving = StartServer([&](const CallContext&, const auto&, TestServer::Reply done) {
    called = true;
    waiting.set_value(std::move(done));
  });
  Client client({Addresses()[0], Loopback(leaving->server().port())});
  std::thread caller([&] {
    while (!called) EXPECT_OK(client.Call(absl::Minutes(1)));
  });
  TestServer::Reply done = waiting.get_future().get();
  leaving->server().StopServing();
  SystemClock().SleepFor(kLeaveTime);
  std::thread stopping([&] { leaving->server().Shutdown(absl::Minutes(1)); });
  EXPECT_TRUE(SettlesOn(client, {0}));
  ::customers::v1::GetCustomerRequest request;
  AnswerCustomer({}, request, std::move(done));
  caller.join();
  stopping.join();
}

// Without the wait some end as CANCELLED.
TEST_F(ChannelTest, NoCallFailsAtAReplicaThatStopsServingAMomentBeforeItShutsDown) {
  StartServers(2);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 4; i++) clients.push_back(std::make_unique<Client>(Addresses()));
  for (const auto& client : clients) ASSERT_TRUE(SettlesOn(*client, {0, 1}));
  std::atomic<bool> stopped{false};
  std::vector<std::thread> callers;
  for (int i = 0; i < 12; i++) {
    callers.emplace_back([&, i] {
      while (!stopped) EXPECT_OK(clients[i % 4]->Call());
    });
  }
  servers_[0]->server().StopServing();
  SystemClock().SleepFor(kLeaveTime);
  servers_[0]->server().Shutdown(absl::Minutes(1));
  SystemClock().SleepFor(absl::Milliseconds(200));
  stopped = true;
  for (std::thread& caller : callers) caller.join();
}

TEST_F(ChannelTest, ALoneAddressIsCalledWhateverItsHealthAndANameIsNot) {
  StartServers(1);
  const int port = servers_[0]->server().port();
  servers_[0]->server().SetServing(false);
  EXPECT_OK(Client({Loopback(port)}).Call());
  Client by_name({absl::StrCat("localhost:", port)});
  EXPECT_THAT(by_name.Call(), HasCode(absl::StatusCode::kUnavailable));
  servers_[0]->server().SetServing(true);
  EXPECT_TRUE(by_name.Settles([](const absl::Status& status) { return status.ok(); }));
}

TEST_F(ChannelTest, AddressesMayBeIpv6) {
  if (!Server::Start({.address = "[::1]:0"}).ok()) GTEST_SKIP() << "this machine has no IPv6 loopback";
  std::vector<std::string> addresses;
  for (int i = 0; i < 2; i++) {
    servers_.push_back(StartServer(AnswerCustomer, "[::1]:0"));
    addresses.push_back(absl::StrCat("[::1]:", servers_.back()->server().port()));
  }
  Client client(addresses);
  EXPECT_TRUE(SettlesOn(client, {0, 1}));
}

}  // namespace
}  // namespace sagamesh::rpc
