#ifndef SAGAMESH_TESTS_SIMULATION_TEMP_DIR_H_
#define SAGAMESH_TESTS_SIMULATION_TEMP_DIR_H_

#include <filesystem>

namespace sagamesh::simulation {

// A new directory that is removed at the end; in memory where the system has such a place, since nothing that is
// simulated depends on the disk.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_TEMP_DIR_H_
