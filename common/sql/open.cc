#include "common/sql/open.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/sql/sqlite.h"
#include "common/status/error.h"

namespace sagamesh::sql {
namespace {

// An advisory lock of the whole file that dies with its process, so that whoever holds it knows every earlier holder to
// be dead. The holder's pid is written into it.
class FileLock {
 public:
  static absl::StatusOr<FileLock> Take(const std::string& path);
  FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  ~FileLock() {
    if (descriptor_ >= 0) close(descriptor_);
  }

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

absl::StatusOr<FileLock> FileLock::Take(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) return absl::FailedPreconditionError(absl::StrCat("cannot open ", path, ": ", strerror(errno)));
  FileLock lock(descriptor);
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    char holder[32] = {};
    const ssize_t size = pread(descriptor, holder, sizeof(holder) - 1, 0);
    return absl::FailedPreconditionError(absl::StrCat(absl::StripSuffix(path, ".lock"), " is in use by process ",
                                                      size > 0 ? absl::string_view(holder, size) : "unknown"));
  }
  const std::string pid = absl::StrCat(getpid());
  if (ftruncate(descriptor, 0) != 0 || pwrite(descriptor, pid.data(), pid.size(), 0) < 0) {
    return absl::FailedPreconditionError(absl::StrCat("cannot write ", path, ": ", strerror(errno)));
  }
  return lock;
}

class LockedDatabase final : public Database {
 public:
  LockedDatabase(const std::string& path, FileLock lock)
      : lock_(std::move(lock)), database_(MakeSqliteDatabase(path, clock_)) {}

  Dialect dialect() const override { return database_->dialect(); }
  int max_writers() const override { return database_->max_writers(); }
  absl::StatusOr<std::unique_ptr<Connection>> Connect(Access access) override { return database_->Connect(access); }

 private:
  FileLock lock_;
  SystemClock clock_;
  std::unique_ptr<Database> database_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Database>> OpenDatabase(const std::string& url) {
  absl::string_view rest = url;
  if (!absl::ConsumePrefix(&rest, "sqlite:") || rest.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("db: must be sqlite:PATH, not ", url));
  }
  const std::string path(rest);
  std::error_code ignored;  // the lock file's error says more
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  SAGAMESH_ASSIGN_OR_RETURN(FileLock lock, FileLock::Take(absl::StrCat(path, ".lock")));
  return std::make_unique<LockedDatabase>(path, std::move(lock));
}

}  // namespace sagamesh::sql
