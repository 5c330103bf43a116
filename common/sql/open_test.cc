#include "common/sql/open.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"

namespace sagamesh::sql {
namespace {

using ::absl::StatusCode;
using ::sagamesh::testing::HasCode;
using ::sagamesh::testing::TempDir;

TEST(OpenDatabaseTest, OnlySqliteAndMysqlUrlsAreKnown) {
  EXPECT_THAT(OpenDatabase("postgres://x"), HasCode(StatusCode::kInvalidArgument));
  EXPECT_THAT(OpenDatabase("sqlite:"), HasCode(StatusCode::kInvalidArgument));
  EXPECT_THAT(OpenDatabase("mysql://no-user/db"), HasCode(StatusCode::kInvalidArgument));
  EXPECT_OK(OpenDatabase("mysql://shop@127.0.0.1:1/db"));  // it may come later
}

TEST(OpenDatabaseTest, MakesTheDirectory) {
  TempDir directory;
  const auto database = OpenDatabase("sqlite:" + directory.Path("a/b/t.db"));
  ASSERT_OK(database);
  EXPECT_OK((*database)->Connect(Access::kWrite));
}

TEST(OpenDatabaseTest, ASecondOpenerIsRefusedAndToldWhoHoldsIt) {
  TempDir directory;
  const std::string url = "sqlite:" + directory.Path("t.db");
  auto first = OpenDatabase(url);
  ASSERT_OK(first);
  const auto second = OpenDatabase(url);
  EXPECT_THAT(second, HasCode(StatusCode::kFailedPrecondition));
  EXPECT_TRUE(absl::StrContains(second.status().message(), absl::StrCat("process ", getpid()))) << second.status();
  first->reset();
  EXPECT_OK(OpenDatabase(url));
}

TEST(OpenDatabaseTest, ANumberOfWritersThatCannotBeIsRefused) {
  for (const int writers : {0, -1, kWritersMax + 1}) {
    const auto refused = OpenDatabase("mysql://u@h/d", {.max_writers = writers});
    EXPECT_THAT(refused, HasCode(StatusCode::kInvalidArgument));
    EXPECT_TRUE(absl::StrContains(refused.status().message(), "db-writers")) << refused.status();
  }
  const auto database = OpenDatabase("mysql://u@h/d", {.max_writers = 7});
  ASSERT_OK(database);
  EXPECT_EQ((*database)->max_writers(), 7);
}

TEST(OpenDatabaseTest, TheSameFileByAnotherNameIsRefusedToo) {
  TempDir directory;
  const auto first = OpenDatabase("sqlite:" + directory.Path("t.db"));
  ASSERT_OK(first);
  ASSERT_OK((*first)->Connect(Access::kWrite));
  std::filesystem::create_symlink(directory.Path("t.db"), directory.Path("alias.db"));
  EXPECT_THAT(OpenDatabase("sqlite:" + directory.Path("alias.db")), HasCode(StatusCode::kFailedPrecondition));
}

TEST(OpenDatabaseTest, AFileThatCannotBeOpenedYetIsTakenOnceItCan) {
  TempDir directory;
  // Where the directory should be there is a file.
  std::ofstream(directory.Path("var")) << "x";
  const std::string url = "sqlite:" + directory.Path("var/t.db");
  const auto database = OpenDatabase(url);
  ASSERT_OK(database);
  EXPECT_THAT((*database)->Connect(Access::kWrite), HasCode(StatusCode::kUnavailable));

  std::filesystem::remove(directory.Path("var"));
  std::filesystem::create_directory(directory.Path("var"));
  EXPECT_OK((*database)->Connect(Access::kWrite));
  EXPECT_THAT(OpenDatabase(url), HasCode(StatusCode::kFailedPrecondition)) << "the lock was not taken";
}

}  // namespace
}  // namespace sagamesh::sql
