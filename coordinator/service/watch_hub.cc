#include "coordinator/service/watch_hub.h"

#include <algorithm>
#include <utility>

#include "common/status/error.h"
#include "coordinator/service/errors.h"

namespace sagamesh::coordinator {
namespace {

using engine::SagaRecord;

// A watch resumes from a little before its place: the clocks of processes that follow one another differ.
constexpr int64_t kOverlapMs = 2000;

int64_t Before(int64_t updated_ms) { return std::max<int64_t>(0, updated_ms - kOverlapMs); }

}  // namespace

Watcher::Watcher(WatchHub& hub, const WatchLimits& limits, WatchFilter filter, std::optional<WatchPosition> resume_from,
                 ChangeSource source)
    : hub_(hub),
      limits_(limits),
      filter_(std::move(filter)),
      source_(std::move(source)),
      resume_from_(resume_from),
      catching_up_(resume_from.has_value() || source_.peers) {}

void Watcher::Next(NextCallback done) {
  {
    MutexLock lock(mutex_);
    waiting_ = std::move(done);
  }
  Advance();
}

void Watcher::Cancel() { End(error::WatchCancelled()); }

void Watcher::End(absl::Status status) {
  const std::shared_ptr<Watcher> self = shared_from_this();
  {
    MutexLock lock(mutex_);
    if (end_.has_value()) return;
    end_ = std::move(status);
    live_.clear();
    page_.clear();
    told_.clear();
  }
  hub_.Remove(self);
  Advance();
}

bool Watcher::Matches(const SagaRecord& record) const {
  return (filter_.saga_id.empty() || filter_.saga_id == record.saga_id) &&
         (filter_.definition.empty() || filter_.definition == record.definition);
}

void Watcher::Offer(const std::vector<Change>& changes) {
  bool too_slow = false;
  {
    MutexLock lock(mutex_);
    if (end_.has_value()) return;
    for (const Change& change : changes) {
      if (!Matches(change->saga)) continue;
      if (live_.size() < limits_.max_buffered_changes) {
        live_.push_back(change);
      } else if (catching_up_) {
        live_.clear();
        missed_ = true;
      } else {
        too_slow = true;
      }
    }
  }
  if (too_slow) return End(error::WatcherTooSlow(limits_.max_buffered_changes));
  Advance();
}

void Watcher::Advance() {
  NextCallback done;
  absl::StatusOr<WatchedChange> result;
  std::optional<Place> from;
  {
    MutexLock lock(mutex_);
    if (waiting_ == nullptr) return;
    std::optional<WatchedChange> change;
    if (!end_.has_value()) change = TakeChange();
    if (end_.has_value() || change.has_value()) {
      if (end_.has_value()) result = *end_;
      if (change.has_value()) result = *std::move(change);
      done = std::exchange(waiting_, nullptr);
    } else {
      if (!catching_up_ || reading_) return;
      reading_ = true;
      if (untold_since_ms_.has_value()) from = place_;
    }
  }
  if (done != nullptr) return done(std::move(result));
  if (!from.has_value()) {
    return source_.find_oldest_untold_ms(
        [self = shared_from_this()](absl::StatusOr<int64_t> found) { self->UntoldFound(std::move(found)); });
  }
  source_.read(
      from->updated_ms, from->saga_id, limits_.page_sagas,
      [self = shared_from_this()](absl::StatusOr<std::vector<SagaRecord>> page) { self->PageRead(std::move(page)); });
}

void Watcher::UntoldFound(absl::StatusOr<int64_t> oldest_untold_ms) {
  if (!oldest_untold_ms.ok()) return End(oldest_untold_ms.status());
  // From here on what others change is looked for, before the first page is read: nothing falls between.
  if (source_.peers) hub_.LowerFloor(*oldest_untold_ms);
  {
    MutexLock lock(mutex_);
    reading_ = false;
    untold_since_ms_ = *oldest_untold_ms;
    if (!place_.has_value()) {
      place_ = Place{resume_from_.has_value() ? Before(resume_from_->updated_ms) : *oldest_untold_ms, ""};
    }
  }
  Advance();
}

std::optional<WatchedChange> Watcher::TakeChange() {
  if (!page_.empty()) {
    SagaRecord record = std::move(page_.front());
    page_.pop_front();
    const int64_t updated_ms = absl::ToUnixMillis(record.updated);
    return WatchedChange{std::move(record), {std::min(updated_ms, *untold_since_ms_)}};
  }
  while (!catching_up_ && !live_.empty()) {
    const Change change = std::move(live_.front());
    live_.pop_front();
    if (!IsTold(change->saga)) return *change;
  }
  return std::nullopt;
}

bool Watcher::IsTold(const SagaRecord& record) {
  const auto told = told_.find(record.saga_id);
  if (told == told_.end()) return false;
  if (told->second.version >= record.version) return true;
  told->second = {record.version, absl::ToUnixMillis(record.updated)};
  return false;
}

void Watcher::ForgetTold(int64_t before_ms) {
  for (auto told = told_.begin(); told != told_.end();) {
    told = told->second.updated_ms < before_ms ? told_.erase(told) : std::next(told);
  }
}

void Watcher::PageRead(absl::StatusOr<std::vector<SagaRecord>> page) {
  if (!page.ok()) return End(page.status());
  {
    MutexLock lock(mutex_);
    reading_ = false;
    if (end_.has_value()) return;
    for (SagaRecord& record : *page) {
      place_ = {absl::ToUnixMillis(record.updated), record.saga_id};
      if (!Matches(record) || IsTold(record)) continue;
      told_[record.saga_id] = {record.version, place_->updated_ms};
      page_.push_back(std::move(record));
    }
    // What was told before this cannot be read or offered again.
    const int64_t reached_ms = Before(std::min(place_->updated_ms, *untold_since_ms_));
    ForgetTold(reached_ms - kOverlapMs);
    const bool last = page->size() < static_cast<size_t>(limits_.page_sagas);
    if (last && missed_) {
      missed_ = false;
      place_ = {reached_ms, ""};
      untold_since_ms_.reset();
    } else if (last) {
      catching_up_ = false;
    }
  }
  Advance();
}

void WatchHub::Publish(absl::Span<const SagaRecord> changed, int64_t oldest_untold_ms) {
  std::vector<std::shared_ptr<Watcher>> watchers;
  std::vector<Watcher::Change> changes;
  {
    MutexLock lock(mutex_);
    if (watchers_.empty()) return;
    watchers.assign(watchers_.begin(), watchers_.end());
    const int64_t untold_ms = std::min(oldest_untold_ms, floor_ms_.value_or(oldest_untold_ms));
    for (const SagaRecord& record : changed) {
      if (!IsNews(record)) continue;
      const WatchPosition position{std::min(absl::ToUnixMillis(record.updated), untold_ms)};
      changes.push_back(std::make_shared<const WatchedChange>(WatchedChange{record, position}));
    }
  }
  for (const std::shared_ptr<Watcher>& watcher : watchers) watcher->Offer(changes);
}

// A change of ours is found among the peers' again, or was found there before it was told.
bool WatchHub::IsNews(const SagaRecord& record) {
  if (!floor_ms_.has_value()) return true;
  const auto [told, first] = told_.try_emplace(record.saga_id);
  if (!first && told->second.version >= record.version) return false;
  told->second = {record.version, absl::ToUnixMillis(record.updated)};
  return true;
}

std::optional<int64_t> WatchHub::floor_ms() {
  MutexLock lock(mutex_);
  return floor_ms_;
}

void WatchHub::LowerFloor(int64_t ms) {
  MutexLock lock(mutex_);
  if (!watchers_.empty()) floor_ms_ = std::min(ms, floor_ms_.value_or(ms));
}

void WatchHub::RaiseFloor(int64_t from_ms, int64_t to_ms) {
  MutexLock lock(mutex_);
  if (floor_ms_ != from_ms || to_ms <= from_ms) return;
  floor_ms_ = to_ms;
  std::erase_if(told_, [to_ms](const auto& told) { return told.second.updated_ms < to_ms; });
}

absl::StatusOr<std::shared_ptr<Watcher>> WatchHub::Watch(WatchFilter filter, std::optional<WatchPosition> resume_from,
                                                         ChangeSource source) {
  auto watcher =
      std::make_shared<Watcher>(*this, limits_, std::move(filter), std::move(resume_from), std::move(source));
  MutexLock lock(mutex_);
  if (closed_) return ShuttingDown(kDomain);
  if (watchers_.size() >= static_cast<size_t>(limits_.max_watchers)) {
    return error::TooManyWatchers(limits_.max_watchers);
  }
  watchers_.insert(watcher);
  return watcher;
}

void WatchHub::Remove(const std::shared_ptr<Watcher>& watcher) {
  MutexLock lock(mutex_);
  watchers_.erase(watcher);
  if (!watchers_.empty()) return;
  floor_ms_.reset();
  told_.clear();
}

void WatchHub::Close() {
  std::set<std::shared_ptr<Watcher>> watchers;
  {
    MutexLock lock(mutex_);
    closed_ = true;
    watchers = watchers_;
  }
  for (const std::shared_ptr<Watcher>& watcher : watchers) watcher->End(ShuttingDown(kDomain));
}

}  // namespace sagamesh::coordinator
