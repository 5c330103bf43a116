#ifndef SAGAMESH_COMMON_TESTING_TEMP_DIR_H_
#define SAGAMESH_COMMON_TESTING_TEMP_DIR_H_

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

namespace sagamesh::testing {

// A directory of a test's own, gone with it.
class TempDir {
 public:
  TempDir() {
    std::string name = ::testing::TempDir() + "/sagamesh-XXXXXX";
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    path_ = name;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  std::string Path(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace sagamesh::testing

#endif  // SAGAMESH_COMMON_TESTING_TEMP_DIR_H_
