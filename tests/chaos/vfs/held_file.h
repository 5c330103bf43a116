#ifndef SAGAMESH_TESTS_CHAOS_VFS_HELD_FILE_H_
#define SAGAMESH_TESTS_CHAOS_VFS_HELD_FILE_H_

#include <sqlite3.h>

#include <array>
#include <cstdint>
#include <map>
#include <mutex>

#include "tests/chaos/vfs/disk.h"

namespace sagamesh::faulty_vfs {

// One file as its process sees it: the real one, and over it what was written since the last sync, which dies with the
// process. All handles of the file in the process share it. `real` is any open handle of the file; results are SQLite's
// codes. Thread-safe.
class HeldFile {
 public:
  HeldFile(Disk& disk, int64_t size) : disk_(disk), size_(size), counted_(size) {}
  ~HeldFile() { disk_.AddUnsynced(-static_cast<int64_t>(sectors_.size())); }

  int64_t size();
  int Read(sqlite3_file* real, char* out, int64_t amount, int64_t offset);
  int Write(sqlite3_file* real, const char* bytes, int64_t amount, int64_t offset);
  void Truncate(int64_t size);
  // Everything is in the real file then; whoever calls it still has to sync that.
  int Flush(sqlite3_file* real);
  // What a sync that fails leaves: some sectors are in the real file, in no order; the others are still held.
  void FlushSome(sqlite3_file* real);

 private:
  // What disks write whole. SQLite takes it for granted that bytes it does not write stay ("powersafe overwrite"),
  // which holds here too.
  static constexpr int64_t kSectorBytes = 512;
  using Sector = std::array<char, kSectorBytes>;

  int Load(sqlite3_file* real, int64_t number, Sector& sector);
  int Store(sqlite3_file* real, int64_t number, const Sector& sector);

  Disk& disk_;
  std::mutex mutex_;
  int64_t size_;
  int64_t counted_;         // how much of the real file is still part of this one
  bool truncated_ = false;  // the real file has more than that
  std::map<int64_t, Sector> sectors_;
};

}  // namespace sagamesh::faulty_vfs

#endif  // SAGAMESH_TESTS_CHAOS_VFS_HELD_FILE_H_
