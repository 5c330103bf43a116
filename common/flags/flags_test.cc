#include "common/flags/flags.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/time/time.h"

ABSL_FLAG(std::string, test_text, "", "A flag whose name has two words.");
ABSL_FLAG(absl::Duration, test_wait, absl::Seconds(10), "A duration.");

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
  std::fprintf(stderr, "text=%s wait=%s\n", absl::GetFlag(FLAGS_test_text).c_str(),
               absl::FormatDuration(absl::GetFlag(FLAGS_test_wait)).c_str());
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

TEST(FlagsDeathTest, APositionalArgumentEndsTheProcessAndIsNamed) {
  EXPECT_EXIT(Parse({"stray"}), ::testing::ExitedWithCode(1), "unexpected argument: stray");
}

}  // namespace
}  // namespace sagamesh
