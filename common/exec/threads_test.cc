#include "common/exec/threads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <thread>
#include <vector>

namespace sagamesh {
namespace {

using ::testing::ElementsAre;

// Runs what was posted to a loop before this.
void Drain(EventLoop& loop) {
  std::promise<void> done;
  loop.Post([&done] { done.set_value(); });
  done.get_future().wait();
}

TEST(ThreadEventLoopTest, RunsTasksInTheOrderTheyCame) {
  auto loop = MakeThreadEventLoop("loop");
  std::vector<int> ran;
  for (int i = 0; i < 1000; i++) loop->Post([&ran, i] { ran.push_back(i); });
  Drain(*loop);
  ASSERT_EQ(ran.size(), 1000u);
  for (int i = 0; i < 1000; i++) EXPECT_EQ(ran[i], i);
}

TEST(ThreadEventLoopTest, RunsEveryTaskOfManyPostersOnOneThread) {
  auto loop = MakeThreadEventLoop("loop");
  int count = 0;  // unguarded on purpose: only the loop's thread touches it
  std::vector<std::thread> posters;
  for (int i = 0; i < 4; i++) {
    posters.emplace_back([&] {
      for (int j = 0; j < 1000; j++) loop->Post([&count] { count++; });
    });
  }
  for (std::thread& poster : posters) poster.join();
  Drain(*loop);
  EXPECT_EQ(count, 4000);
}

TEST(ThreadEventLoopTest, RunsTimersInTheOrderTheyAreDueAndNotEarlier) {
  auto loop = MakeThreadEventLoop("loop");
  const auto started = std::chrono::steady_clock::now();
  std::vector<int> ran;
  std::promise<std::chrono::steady_clock::time_point> last;
  loop->PostAfter(absl::Milliseconds(40), [&] {
    ran.push_back(3);
    last.set_value(std::chrono::steady_clock::now());
  });
  loop->PostAfter(absl::Milliseconds(20), [&ran] { ran.push_back(2); });
  loop->PostAfter(absl::ZeroDuration(), [&ran] { ran.push_back(1); });
  EXPECT_GE(last.get_future().get() - started, std::chrono::milliseconds(40));
  EXPECT_THAT(ran, ElementsAre(1, 2, 3));
}

TEST(ThreadEventLoopTest, ALongTimerDoesNotHoldUpAShorterOneThatComesLater) {
  auto loop = MakeThreadEventLoop("loop");
  loop->PostAfter(absl::InfiniteDuration(), [] { FAIL() << "an infinite timer ran"; });
  std::promise<void> ran;
  loop->PostAfter(absl::Milliseconds(1), [&ran] { ran.set_value(); });
  EXPECT_EQ(ran.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

TEST(ThreadEventLoopTest, ShutdownDestroysWaitingTasksUnrun) {
  auto loop = MakeThreadEventLoop("loop");
  auto token = std::make_shared<int>(0);
  loop->PostAfter(absl::Hours(1), [token] { (*token)++; });
  loop->Shutdown();
  EXPECT_EQ(token.use_count(), 1);
  loop->Post([token] { (*token)++; });
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_EQ(*token, 0);
}

TEST(ThreadEventLoopTest, ATaskThatIsDestroyedAtShutdownMayPost) {
  struct PostsWhenDestroyed {
    EventLoop* loop;
    ~PostsWhenDestroyed() {
      loop->Post([] {});
    }
  };
  auto loop = MakeThreadEventLoop("loop");
  loop->PostAfter(absl::Hours(1), [last = std::make_unique<PostsWhenDestroyed>(PostsWhenDestroyed{loop.get()})] {});
  loop->Shutdown();
}

TEST(ThreadPoolTest, RunsAsManyTasksAtOnceAsItHasThreads) {
  auto pool = MakeThreadPool("pool", 3);
  std::atomic<int> arrived{0};
  std::promise<void> all;
  std::shared_future<void> all_arrived = all.get_future().share();
  std::atomic<int> left{0};
  for (int i = 0; i < 3; i++) {
    pool->Post([&, all_arrived] {
      if (++arrived == 3) all.set_value();
      if (all_arrived.wait_for(std::chrono::seconds(10)) == std::future_status::ready) left++;
    });
  }
  all_arrived.wait_for(std::chrono::seconds(10));
  pool->Shutdown();
  EXPECT_EQ(left, 3);
}

TEST(ThreadPoolTest, ShutdownWaitsForTheTaskThatRunsAndDestroysTheOthers) {
  auto pool = MakeThreadPool("pool", 1);
  std::promise<void> running;
  std::atomic<bool> finished{false};
  auto token = std::make_shared<int>(0);
  pool->Post([&] {
    running.set_value();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    finished = true;
  });
  pool->Post([token] { (*token)++; });
  running.get_future().wait();
  pool->Shutdown();
  EXPECT_TRUE(finished);
  EXPECT_EQ(*token, 0);
  EXPECT_EQ(token.use_count(), 1);
}

}  // namespace
}  // namespace sagamesh
