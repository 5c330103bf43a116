#include "common/text/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/testing/status_matchers.h"

namespace sagamesh {
namespace {

using ::sagamesh::testing::IsError;

absl::Status Check(const std::string& text) { return CheckText("orders", "name", text, 4); }

TEST(TextTest, ItsLengthIsCountedInCharactersNotBytes) {
  EXPECT_OK(Check("a"));
  EXPECT_OK(Check("\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9"));
  EXPECT_OK(Check("\xF0\x9F\x98\x80 \xE2\x82\xAC!"));
  EXPECT_FALSE(Check("abcde").ok());
  EXPECT_FALSE(Check("\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9!").ok());
  EXPECT_FALSE(Check("").ok());
}

TEST(TextTest, ARefusalNamesTheField) {
  EXPECT_THAT(Check(""), IsError(absl::StatusCode::kInvalidArgument, "INVALID_FIELD"));
  EXPECT_EQ(Check("").message(), "name: must be 1 to 4 printable characters");
}

TEST(TextTest, AnOptionalOneMayBeEmptyAndNoLonger) {
  EXPECT_OK(CheckOptionalText("orders", "name", "", 4));
  EXPECT_OK(CheckOptionalText("orders", "name", "abcd", 4));
  EXPECT_EQ(CheckOptionalText("orders", "name", "abcde", 4).message(), "name: must be at most 4 printable characters");
  EXPECT_FALSE(CheckOptionalText("orders", "name", "\t", 4).ok());
}

class NotATextTest : public ::testing::TestWithParam<std::string> {};

TEST_P(NotATextTest, IsRefused) { EXPECT_FALSE(Check(GetParam()).ok()); }

INSTANTIATE_TEST_SUITE_P(All, NotATextTest,
                         ::testing::Values(std::string("a\0b", 3),      // NUL
                                           "a\t", "\x7F", "\xC2\x85",   // control characters
                                           "\xC3\x28", "\xC3", "\x80",  // broken sequences
                                           "\xC0\x80", "\xE0\x80\x80",  // longer than they need to be
                                           "\xED\xA0\x80",              // a surrogate
                                           "\xF4\x90\x80\x80"));        // past the last code point

}  // namespace
}  // namespace sagamesh
