#include "common/flags/flags.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/time/time.h"

ABSL_FLAG(std::string, test_text, "", "A flag whose name has two words.");
ABSL_FLAG(absl::Duration, test_wait, absl::Seconds(10), "A duration.");
ABSL_FLAG(sagamesh::Positive<absl::Duration>, test_retention, absl::Hours(1), "A duration above zero.");
ABSL_FLAG(sagamesh::NotNegative<int>, test_count, 3, "A count.");

namespace sagamesh {
namespace {

// Flags are the process's own, so each case parses in a child and tells what it saw by its exit.
void Parse(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "program");
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  ParseFlags(static_cast<int>(pointers.size()), pointers.data(), "A test.");
}

void ParseAndPrint(std::vector<std::string> arguments) {
  Parse(std::move(arguments));
  std::fprintf(stderr, "text=%s wait=%s retention=%s count=%d\n", absl::GetFlag(FLAGS_test_text).c_str(),
               absl::FormatDuration(absl::GetFlag(FLAGS_test_wait)).c_str(),
               absl::FormatDuration(absl::GetFlag(FLAGS_test_retention)).c_str(), int{absl::GetFlag(FLAGS_test_count)});
  std::exit(0);
}

TEST(FlagsDeathTest, DashesInANameAreUnderscores) {
  EXPECT_EXIT(ParseAndPrint({"--test-text=a-b", "--test_wait=5s"}), ::testing::ExitedWithCode(0), "text=a-b wait=5s");
}

TEST(FlagsDeathTest, AValueMayBeAnArgumentOfItsOwn) {
  EXPECT_EXIT(ParseAndPrint({"--test-text", "a-b"}), ::testing::ExitedWithCode(0), "text=a-b wait=10s");
}

TEST(FlagsDeathTest, AnUnknownFlagEndsTheProcessAndIsNamed) {
  EXPECT_EXIT(Parse({"--no-such-flag=1"}), ::testing::ExitedWithCode(1), "no_such_flag");
}

TEST(FlagsDeathTest, ABadValueEndsTheProcessAndIsNamed) {
  EXPECT_EXIT(Parse({"--test-wait=soon"}), ::testing::ExitedWithCode(1), "soon");
}

TEST(FlagsDeathTest, AValueBelowWhatItsTypeAllowsIsABadOne) {
  EXPECT_EXIT(Parse({"--test-retention=0"}), ::testing::ExitedWithCode(1), "test_retention.*must be positive");
  EXPECT_EXIT(Parse({"--test-retention=-1ns"}), ::testing::ExitedWithCode(1), "test_retention.*must be positive");
  EXPECT_EXIT(Parse({"--test-retention=soon"}), ::testing::ExitedWithCode(1),
              "test_retention.*soon|soon.*test_retention");
  EXPECT_EXIT(Parse({"--test-count=-1"}), ::testing::ExitedWithCode(1), "test_count.*must not be negative");
  EXPECT_EXIT(ParseAndPrint({}), ::testing::ExitedWithCode(0), "retention=1h count=3");
  EXPECT_EXIT(ParseAndPrint({"--test-retention=1ns", "--test-count=0"}), ::testing::ExitedWithCode(0),
              "retention=1ns count=0");
}

TEST(FlagsDeathTest, APositionalArgumentEndsTheProcessAndIsNamed) {
  EXPECT_EXIT(Parse({"stray"}), ::testing::ExitedWithCode(1), "unexpected argument: stray");
}

}  // namespace
}  // namespace sagamesh
