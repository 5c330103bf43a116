#include "tests/simulation/temp_dir.h"

#include <cstdlib>
#include <string>
#include <system_error>

#include "tests/simulation/check.h"

namespace sagamesh::simulation {

TempDir::TempDir() {
  std::error_code error;
  const std::filesystem::path memory = "/dev/shm";
  const bool in_memory = std::filesystem::is_directory(memory, error);
  std::string pattern = (in_memory ? memory : std::filesystem::temp_directory_path()) / "sagamesh-simulation-XXXXXX";
  Check(mkdtemp(pattern.data()) != nullptr, "no temporary directory");
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace sagamesh::simulation
