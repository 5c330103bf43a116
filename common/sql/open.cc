#include "common/sql/open.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/exec/mutex.h"
#include "common/sql/mysql.h"
#include "common/sql/sqlite.h"
#include "common/status/error.h"

namespace sagamesh::sql {
namespace {

// An advisory lock of the whole file that dies with its process, so that whoever holds it knows every earlier holder to
// be dead. The holder's pid is written into it.
class FileLock {
 public:
  // FAILED_PRECONDITION, naming the holder's pid, if it is held; UNAVAILABLE if the file cannot be opened.
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
  if (descriptor < 0) return absl::UnavailableError(absl::StrCat("cannot open ", path, ": ", strerror(errno)));
  FileLock lock(descriptor);
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return absl::UnavailableError(absl::StrCat("cannot lock ", path, ": ", strerror(errno)));
    char holder[32] = {};
    const ssize_t size = pread(descriptor, holder, sizeof(holder) - 1, 0);
    return absl::FailedPreconditionError(absl::StrCat(absl::StripSuffix(path, ".lock"), " is in use by process ",
                                                      size > 0 ? absl::string_view(holder, size) : "unknown"));
  }
  // For people and messages only: the lock holds without it, also on a full disk.
  const std::string pid = absl::StrCat(getpid());
  [[maybe_unused]] const bool told =
      ftruncate(descriptor, 0) == 0 && pwrite(descriptor, pid.data(), pid.size(), 0) >= 0;
  return lock;
}

// While the lock's file cannot be opened, each Connect tries again: no connection is made without the lock.
class LockedDatabase final : public Database {
 public:
  explicit LockedDatabase(const std::string& path)
      : lock_path_(absl::StrCat(path, ".lock")), database_(MakeSqliteDatabase(path, clock_)) {}

  absl::Status Lock() {
    MutexLock guard(mutex_);
    if (lock_.has_value()) return absl::OkStatus();
    SAGAMESH_ASSIGN_OR_RETURN(FileLock lock, FileLock::Take(lock_path_));
    lock_.emplace(std::move(lock));
    return absl::OkStatus();
  }

  Dialect dialect() const override { return database_->dialect(); }
  int max_writers() const override { return database_->max_writers(); }
  bool exclusive() const override { return database_->exclusive(); }
  absl::StatusOr<std::unique_ptr<Connection>> Connect(Access access) override {
    if (absl::Status status = Lock(); !status.ok()) return absl::UnavailableError(status.message());
    return database_->Connect(access);
  }

 private:
  const std::string lock_path_;
  Mutex mutex_;
  std::optional<FileLock> lock_ ABSL_GUARDED_BY(mutex_);
  SystemClock clock_;
  std::unique_ptr<Database> database_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Database>> OpenDatabase(const std::string& url, const ServerLogin& login) {
  if (login.max_writers < 1 || login.max_writers > kWritersMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("db-writers: must be between 1 and ", kWritersMax, ", not ", login.max_writers));
  }
  if (absl::StartsWith(url, "mysql:")) {
    SAGAMESH_ASSIGN_OR_RETURN(MysqlOptions options, ParseMysqlUrl(url));
    options.password = login.password;
    options.allow_relaxed_durability = login.allow_relaxed_durability;
    options.max_writers = login.max_writers;
    return MakeMysqlDatabase(std::move(options));
  }
  absl::string_view rest = url;
  if (!absl::ConsumePrefix(&rest, "sqlite:") || rest.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("db: must be sqlite:PATH or mysql://USER@HOST:PORT/DATABASE, not ", url));
  }
  std::error_code error;
  std::filesystem::path path = std::string(rest);
  std::filesystem::create_directories(path.parent_path(), error);  // opening says why not
  // One file has one lock, by whatever links it is reached.
  if (std::filesystem::path canonical = std::filesystem::weakly_canonical(path, error); !error) path = canonical;
  auto database = std::make_unique<LockedDatabase>(path.string());
  if (absl::Status status = database->Lock(); absl::IsFailedPrecondition(status)) return status;
  return database;
}

}  // namespace sagamesh::sql
