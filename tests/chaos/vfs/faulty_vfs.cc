// A disk that loses and fails writes, put under a program that uses SQLite by LD_PRELOAD: it becomes SQLite's default
// VFS, over "unix". The program itself does not know of it.
//
// Loss. What is written to a database, a WAL or a rollback journal stays in the process's memory until that file is
// synced, so that kill -9 is what a loss of power is: it drops exactly what was not synced (or, in part and in any
// order, not even that, as disks do). Names are durable at once, and so is the -shm file, which is mapped memory and
// no part of the database: whoever opens the database first makes it anew from the WAL. A process that ends in good
// order closes its files, which writes everything.
//
// Faults. SQLITE_FULL and SQLITE_IOERR of writes and syncs, SQLITE_CANTOPEN of opens. A write that fails may have been
// done in part. What a failed sync did not write stays unsynced, and the next sync writes it. (A kernel may forget it
// instead. SQLite does not survive that in a checkpoint, and nothing above SQLite could mend it.)
//
// The environment:
//   SAGAMESH_VFS_DIR          a directory of this process's own, with the files
//     faults    read at each operation, may change at any time: lines "OPERATION ERROR PROBABILITY", which are
//               open cantopen, write full, write ioerr, sync full, sync ioerr; no file, no faults
//     injected  written: a line "OPERATION ERROR KIND" for each fault, where KIND is db, wal or journal
//     unsynced  written: how many sectors a loss of power would lose now, or lost (int64, native)
//   SAGAMESH_VFS_EARLY        the probability that an unsynced sector is written nevertheless when it changes (0)
//   SAGAMESH_VFS_SEED         of all chance (1)
//   SAGAMESH_VFS_SYNCHRONOUS  plants a defect: what "PRAGMA synchronous=FULL" is turned into, for example OFF

#include <dlfcn.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "tests/chaos/vfs/disk.h"
#include "tests/chaos/vfs/held_file.h"

namespace sagamesh::faulty_vfs {
namespace {

struct Vfs : sqlite3_vfs {
  explicit Vfs(sqlite3_vfs* real);

  sqlite3_vfs* const real;
  Disk disk;
  std::mutex mutex;
  // By device and inode, since a database may be moved away and another one take its name.
  std::map<std::pair<dev_t, ino_t>, std::weak_ptr<HeldFile>> held;
};

// A handle. SQLite allocates it; the real VFS's handle follows it in memory.
struct File : sqlite3_file {
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }

  Vfs* vfs;
  const char* kind;  // for Disk::Fault
  std::shared_ptr<HeldFile> held;
};

File& Of(sqlite3_file* file) { return *static_cast<File*>(file); }
Vfs& Of(sqlite3_vfs* vfs) { return *static_cast<Vfs*>(vfs); }

int Close(sqlite3_file* handle) {
  File& file = Of(handle);
  Vfs& vfs = *file.vfs;
  std::lock_guard lock(vfs.mutex);
  int code = file.held.use_count() == 1 ? file.held->Flush(file.real()) : SQLITE_OK;
  if (const int closed = file.real()->pMethods->xClose(file.real()); code == SQLITE_OK) code = closed;
  file.~File();
  return code;
}

int Read(sqlite3_file* file, void* out, int amount, sqlite3_int64 offset) {
  return Of(file).held->Read(Of(file).real(), static_cast<char*>(out), amount, offset);
}

int Write(sqlite3_file* handle, const void* bytes, int amount, sqlite3_int64 offset) {
  File& file = Of(handle);
  const int fault = file.vfs->disk.Fault("write", file.kind);
  const int64_t done = fault == SQLITE_OK ? amount : file.vfs->disk.Below(amount);
  const int code = file.held->Write(file.real(), static_cast<const char*>(bytes), done, offset);
  return fault == SQLITE_OK ? code : fault;
}

int Truncate(sqlite3_file* handle, sqlite3_int64 size) {
  File& file = Of(handle);
  if (const int fault = file.vfs->disk.Fault("write", file.kind); fault != SQLITE_OK) return fault;
  file.held->Truncate(size);
  return SQLITE_OK;
}

int Sync(sqlite3_file* handle, int flags) {
  File& file = Of(handle);
  if (const int fault = file.vfs->disk.Fault("sync", file.kind); fault != SQLITE_OK) {
    file.held->FlushSome(file.real());
    return fault;
  }
  if (const int code = file.held->Flush(file.real()); code != SQLITE_OK) return code;
  return file.real()->pMethods->xSync(file.real(), flags);
}

int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  *size = Of(file).held->size();
  return SQLITE_OK;
}

// Calls the same method of the real file.
template <auto kMethod>
struct Real;
template <typename Result, typename... Arguments, Result (*sqlite3_io_methods::*kMethod)(sqlite3_file*, Arguments...)>
struct Real<kMethod> {
  static Result Call(sqlite3_file* file, Arguments... arguments) {
    return (Of(file).real()->pMethods->*kMethod)(Of(file).real(), arguments...);
  }
};

// Version 2 has no xFetch: a file that is held must not be mapped.
const sqlite3_io_methods kMethods = {
    .iVersion = 2,
    .xClose = Close,
    .xRead = Read,
    .xWrite = Write,
    .xTruncate = Truncate,
    .xSync = Sync,
    .xFileSize = FileSize,
    .xLock = Real<&sqlite3_io_methods::xLock>::Call,
    .xUnlock = Real<&sqlite3_io_methods::xUnlock>::Call,
    .xCheckReservedLock = Real<&sqlite3_io_methods::xCheckReservedLock>::Call,
    .xFileControl = Real<&sqlite3_io_methods::xFileControl>::Call,
    .xSectorSize = Real<&sqlite3_io_methods::xSectorSize>::Call,
    .xDeviceCharacteristics = Real<&sqlite3_io_methods::xDeviceCharacteristics>::Call,
    .xShmMap = Real<&sqlite3_io_methods::xShmMap>::Call,
    .xShmLock = Real<&sqlite3_io_methods::xShmLock>::Call,
    .xShmBarrier = Real<&sqlite3_io_methods::xShmBarrier>::Call,
    .xShmUnmap = Real<&sqlite3_io_methods::xShmUnmap>::Call,
};

// nullptr for what no loss of power matters to: temporary files.
const char* KindOf(int flags) {
  if (flags & SQLITE_OPEN_MAIN_DB) return "db";
  if (flags & SQLITE_OPEN_WAL) return "wal";
  if (flags & SQLITE_OPEN_MAIN_JOURNAL) return "journal";
  return nullptr;
}

int Open(sqlite3_vfs* base, const char* name, sqlite3_file* handle, int flags, int* out_flags) {
  Vfs& vfs = Of(base);
  const char* kind = KindOf(flags);
  if (kind == nullptr) return vfs.real->xOpen(vfs.real, name, handle, flags, out_flags);
  handle->pMethods = nullptr;
  if (const int fault = vfs.disk.Fault("open", kind); fault != SQLITE_OK) return fault;
  std::lock_guard lock(vfs.mutex);
  auto* file = new (handle) File{{&kMethods}, &vfs, kind, nullptr};
  int code = vfs.real->xOpen(vfs.real, name, file->real(), flags, out_flags);
  struct stat found;
  if (code == SQLITE_OK && stat(name, &found) != 0) {  // moved away just now
    file->real()->pMethods->xClose(file->real());
    code = SQLITE_CANTOPEN;
  }
  if (code != SQLITE_OK) {
    file->~File();
    handle->pMethods = nullptr;
    return code;
  }
  std::weak_ptr<HeldFile>& held = vfs.held[{found.st_dev, found.st_ino}];
  file->held = held.lock();
  if (file->held == nullptr) held = file->held = std::make_shared<HeldFile>(vfs.disk, found.st_size);
  return SQLITE_OK;
}

// All but xOpen stays the real VFS's function: it is given our object, and uses only what both have.
Vfs::Vfs(sqlite3_vfs* unix_vfs) : sqlite3_vfs(*unix_vfs), real(unix_vfs) {
  pNext = nullptr;
  zName = "sagamesh-faulty";
  szOsFile = static_cast<int>(sizeof(File)) + unix_vfs->szOsFile;
  xOpen = Open;
}

// A program that does not know of this library calls nothing in it: only a constructor of the library itself can put
// the VFS in place before the program's first use of SQLite. SQLite keeps it until the process ends.
[[gnu::constructor]] void Register() { sqlite3_vfs_register(new Vfs(sqlite3_vfs_find("unix")), /*makeDflt=*/1); }

}  // namespace
}  // namespace sagamesh::faulty_vfs

// Takes the place of SQLite's own, to plant another durability than the program asks for.
extern "C" int sqlite3_prepare_v3(sqlite3* db, const char* sql, int bytes, unsigned flags, sqlite3_stmt** statement,
                                  const char** tail) {
  static const auto real = reinterpret_cast<decltype(&sqlite3_prepare_v3)>(dlsym(RTLD_NEXT, "sqlite3_prepare_v3"));
  const char* planted = std::getenv("SAGAMESH_VFS_SYNCHRONOUS");
  const std::string_view text = bytes < 0 ? std::string_view(sql) : std::string_view(sql, bytes);
  if (planted == nullptr || text != "PRAGMA synchronous=FULL") return real(db, sql, bytes, flags, statement, tail);
  const std::string other = std::string("PRAGMA synchronous=") + planted;
  const int code = real(db, other.c_str(), -1, flags, statement, nullptr);
  if (tail != nullptr) *tail = sql + text.size();
  return code;
}
