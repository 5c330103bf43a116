#include "tests/chaos/vfs/disk.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace sagamesh::faulty_vfs {
namespace {

std::string Environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : value;
}

// A counter of its own if the file cannot be mapped: the test then reads zero, and says so.
std::atomic<int64_t>* MapCounter(const std::filesystem::path& path) {
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor < 0 || ftruncate(descriptor, sizeof(std::atomic<int64_t>)) != 0) return new std::atomic<int64_t>;
  void* mapped = mmap(nullptr, sizeof(std::atomic<int64_t>), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  close(descriptor);
  return mapped == MAP_FAILED ? new std::atomic<int64_t> : new (mapped) std::atomic<int64_t>;
}

int CodeOf(std::string_view operation, std::string_view error) {
  if (error == "full") return SQLITE_FULL;
  if (error == "cantopen") return SQLITE_CANTOPEN;
  return operation == "sync" ? SQLITE_IOERR_FSYNC : SQLITE_IOERR_WRITE;
}

}  // namespace

Disk::Disk()
    : directory_(Environment("SAGAMESH_VFS_DIR", ".")),
      early_(std::stod(Environment("SAGAMESH_VFS_EARLY", "0"))),
      unsynced_(MapCounter(directory_ / "unsynced")),
      random_(std::stoull(Environment("SAGAMESH_VFS_SEED", "1"))) {}

bool Disk::Chance(double probability) {
  if (probability <= 0) return false;
  std::lock_guard lock(mutex_);
  return std::uniform_real_distribution<double>(0, 1)(random_) < probability;
}

int64_t Disk::Below(int64_t limit) {
  std::lock_guard lock(mutex_);
  return std::uniform_int_distribution<int64_t>(0, limit - 1)(random_);
}

int Disk::Fault(std::string_view operation, std::string_view kind) {
  std::ifstream faults(directory_ / "faults");
  std::string of, error;
  double probability;
  while (faults >> of >> error >> probability) {
    if (of != operation || !Chance(probability)) continue;
    std::lock_guard lock(mutex_);
    std::ofstream(directory_ / "injected", std::ios::app) << operation << ' ' << error << ' ' << kind << '\n';
    return CodeOf(operation, error);
  }
  return SQLITE_OK;
}

}  // namespace sagamesh::faulty_vfs
