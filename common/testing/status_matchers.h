#ifndef SAGAMESH_COMMON_TESTING_STATUS_MATCHERS_H_
#define SAGAMESH_COMMON_TESTING_STATUS_MATCHERS_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/status/error.h"

namespace sagamesh::testing {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& status_or) {
  return status_or.status();
}

MATCHER(IsOk, "is OK") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).ok();
}

MATCHER_P(HasCode, code, "") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).code() == code;
}

// Code and ErrorInfo reason.
MATCHER_P2(IsError, code, reason, "") {
  *result_listener << StatusOf(arg).ToString() << " reason " << GetReason(StatusOf(arg));
  return StatusOf(arg).code() == code && GetReason(StatusOf(arg)) == reason;
}

}  // namespace sagamesh::testing

#define ASSERT_OK(expr) ASSERT_THAT((expr), ::sagamesh::testing::IsOk())
#define EXPECT_OK(expr) EXPECT_THAT((expr), ::sagamesh::testing::IsOk())

#endif  // SAGAMESH_COMMON_TESTING_STATUS_MATCHERS_H_
