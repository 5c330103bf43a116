#include "common/fault/crash_at.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

namespace sagamesh {
namespace {

using ::testing::HasSubstr;

const std::vector<std::string> kKnown = {"reserved", "step-replied/create", "step-replied/confirm"};

TEST(CrashAtTest, NoPointLetsTheProcessLive) { CrashAt().Reached("reserved"); }

TEST(CrashAtTest, AnEmptyFlagIsNoPoint) { EXPECT_TRUE(CrashAt::FromFlag("", kKnown, /*enabled=*/false).ok()); }

TEST(CrashAtTest, APointIsRefusedWhereFaultsAreNotEnabled) {
  EXPECT_EQ(CrashAt::FromFlag("reserved", kKnown, /*enabled=*/false).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(CrashAtTest, AnotherPointLetsTheProcessLive) {
  const auto crash_at = CrashAt::FromFlag("step-replied/create", kKnown, /*enabled=*/true);
  ASSERT_TRUE(crash_at.ok());
  crash_at->Reached("reserved");
  crash_at->Reached("step-replied");
  crash_at->Reached("step-replied", "confirm");
}

TEST(CrashAtDeathTest, ItsPointKillsTheProcess) {
  const auto crash_at = CrashAt::FromFlag("reserved", kKnown, /*enabled=*/true);
  ASSERT_TRUE(crash_at.ok());
  EXPECT_EXIT(crash_at->Reached("reserved"), ::testing::KilledBySignal(SIGKILL), "");
}

TEST(CrashAtDeathTest, ItsPointOfOneStepKillsTheProcess) {
  const auto crash_at = CrashAt::FromFlag("step-replied/confirm", kKnown, /*enabled=*/true);
  ASSERT_TRUE(crash_at.ok());
  EXPECT_EXIT(crash_at->Reached("step-replied", "confirm"), ::testing::KilledBySignal(SIGKILL), "");
}

TEST(CrashAtTest, AnUnknownPointIsRefusedWithTheListOfThoseThereAre) {
  const absl::Status status = CrashAt::FromFlag("reserve", kKnown, /*enabled=*/true).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("there is no point \"reserve\"; there are reserved, step-replied/create"));
}

}  // namespace
}  // namespace sagamesh
