#include "tests/chaos/vfs/held_file.h"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace sagamesh::faulty_vfs {

int64_t HeldFile::size() {
  std::lock_guard lock(mutex_);
  return size_;
}

int HeldFile::Read(sqlite3_file* real, char* out, int64_t amount, int64_t offset) {
  std::lock_guard lock(mutex_);
  std::memset(out, 0, amount);
  const int64_t end = offset + amount;
  if (const int64_t kept = std::min(end, counted_) - offset; kept > 0) {
    const int code = real->pMethods->xRead(real, out, static_cast<int>(kept), offset);
    if (code != SQLITE_OK && code != SQLITE_IOERR_SHORT_READ) return code;
  }
  for (auto it = sectors_.lower_bound(offset / kSectorBytes); it != sectors_.end(); ++it) {
    const int64_t first = it->first * kSectorBytes;
    if (first >= end) break;
    const int64_t from = std::max(first, offset);
    std::memcpy(out + (from - offset), it->second.data() + (from - first), std::min(first + kSectorBytes, end) - from);
  }
  return end > size_ ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
}

int HeldFile::Write(sqlite3_file* real, const char* bytes, int64_t amount, int64_t offset) {
  std::lock_guard lock(mutex_);
  const int64_t end = offset + amount;
  size_ = std::max(size_, end);
  for (int64_t from = offset; from < end;) {
    const int64_t number = from / kSectorBytes;
    const int64_t first = number * kSectorBytes;
    const int64_t count = std::min(first + kSectorBytes, end) - from;
    const auto [it, is_new] = sectors_.try_emplace(number);
    if (is_new) {
      disk_.AddUnsynced(1);
      if (const int code = Load(real, number, it->second); code != SQLITE_OK) return code;
    }
    std::memcpy(it->second.data() + (from - first), bytes + (from - offset), count);
    from += count;
    if (truncated_ || !disk_.Chance(disk_.early())) continue;
    if (const int code = Store(real, number, it->second); code != SQLITE_OK) return code;
  }
  return SQLITE_OK;
}

void HeldFile::Truncate(int64_t size) {
  std::lock_guard lock(mutex_);
  if (size >= size_) return;
  size_ = size;
  truncated_ |= counted_ > size;
  counted_ = std::min(counted_, size);
  const auto beyond = sectors_.lower_bound((size + kSectorBytes - 1) / kSectorBytes);
  disk_.AddUnsynced(-std::distance(beyond, sectors_.end()));
  sectors_.erase(beyond, sectors_.end());
  if (const auto last = sectors_.find(size / kSectorBytes); last != sectors_.end()) {
    std::fill(last->second.begin() + size % kSectorBytes, last->second.end(), 0);
  }
}

int HeldFile::Flush(sqlite3_file* real) {
  std::lock_guard lock(mutex_);
  int code = truncated_ ? real->pMethods->xTruncate(real, counted_) : SQLITE_OK;
  for (auto it = sectors_.begin(); code == SQLITE_OK && it != sectors_.end(); ++it) {
    code = Store(real, it->first, it->second);
  }
  if (code != SQLITE_OK) return code;
  disk_.AddUnsynced(-static_cast<int64_t>(sectors_.size()));
  sectors_.clear();
  counted_ = size_;
  truncated_ = false;
  return SQLITE_OK;
}

void HeldFile::FlushSome(sqlite3_file* real) {
  std::lock_guard lock(mutex_);
  if (truncated_) return;
  for (const auto& [number, sector] : sectors_) {
    if (disk_.Chance(0.5)) Store(real, number, sector);
  }
}

int HeldFile::Load(sqlite3_file* real, int64_t number, Sector& sector) {
  sector.fill(0);
  const int64_t kept = std::min(kSectorBytes, counted_ - number * kSectorBytes);
  if (kept <= 0) return SQLITE_OK;
  const int code = real->pMethods->xRead(real, sector.data(), static_cast<int>(kept), number * kSectorBytes);
  return code == SQLITE_IOERR_SHORT_READ ? SQLITE_OK : code;
}

int HeldFile::Store(sqlite3_file* real, int64_t number, const Sector& sector) {
  const int64_t first = number * kSectorBytes;
  const int64_t count = std::min(kSectorBytes, size_ - first);
  return real->pMethods->xWrite(real, sector.data(), static_cast<int>(count), first);
}

}  // namespace sagamesh::faulty_vfs
