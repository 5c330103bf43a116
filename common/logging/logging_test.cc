#include "common/logging/logging.h"

#include <gtest/gtest.h>

namespace sagamesh {
namespace {

TEST(LoggingTest, ALevelThatDoesNotExistIsRefusedByName) {
  EXPECT_EQ(SetUpLogging("test", "loud").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(SetUpLogging("test", "loud").message().find("loud"), absl::string_view::npos);
  EXPECT_TRUE(SetUpLogging("test", "off").ok());
  EXPECT_TRUE(SetUpLogging("test", "warn").ok());
}

}  // namespace
}  // namespace sagamesh
