#ifndef SAGAMESH_TESTS_CHAOS_VFS_DISK_H_
#define SAGAMESH_TESTS_CHAOS_VFS_DISK_H_

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <random>
#include <string_view>

namespace sagamesh::faulty_vfs {

// What the test wants of the process's disk: when it fails, how much it writes early. faulty_vfs.cc documents the
// environment and the files that say so. Thread-safe.
class Disk {
 public:
  // From the environment.
  Disk();

  bool Chance(double probability);
  int64_t Below(int64_t limit);

  // SQLite's code of the error that this operation ("open", "write", "sync") on a file of this kind ("db", "wal",
  // "journal") must fail with now, and logs it; else SQLITE_OK.
  int Fault(std::string_view operation, std::string_view kind);

  // Of an unsynced sector, to be written nevertheless when it is changed.
  double early() const { return early_; }

  // Adds to the number of sectors that a loss of power would lose now.
  void AddUnsynced(int64_t sectors) { *unsynced_ += sectors; }

 private:
  const std::filesystem::path directory_;
  const double early_;
  std::atomic<int64_t>* unsynced_;  // in a mapped file, which outlives the process
  std::mutex mutex_;
  std::mt19937_64 random_;
};

}  // namespace sagamesh::faulty_vfs

#endif  // SAGAMESH_TESTS_CHAOS_VFS_DISK_H_
