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
      catching_up_(resume_from.has_value()) {
  if (!resume_from.has_value()) return;
  place_ = {Before(resume_from->updated_ms), ""};
  untold_since_ms_ = source_.oldest_untold_ms();
}

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
  Place from;
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
      from = place_;
    }
  }
  if (done != nullptr) return done(std::move(result));
  source_.read(
      from.updated_ms, from.saga_id, limits_.page_sagas,
      [self = shared_from_this()](absl::StatusOr<std::vector<SagaRecord>> page) { self->PageRead(std::move(page)); });
}

std::optional<WatchedChange> Watcher::TakeChange() {
  if (!page_.empty()) {
    SagaRecord record = std::move(page_.front());
    page_.pop_front();
    const int64_t updated_ms = absl::ToUnixMillis(record.updated);
    return WatchedChange{std::move(record), {std::min(updated_ms, untold_since_ms_)}};
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
      told_[record.saga_id] = {record.version, place_.updated_ms};
      page_.push_back(std::move(record));
    }
    // What was told before this cannot be read or offered again.
    ForgetTold(Before(std::min(place_.updated_ms, untold_since_ms_)) - kOverlapMs);
    const bool last = page->size() < static_cast<size_t>(limits_.page_sagas);
    if (last && missed_) {
      missed_ = false;
      place_ = {Before(std::min(place_.updated_ms, untold_since_ms_)), ""};
      untold_since_ms_ = source_.oldest_untold_ms();
    } else if (last) {
      catching_up_ = false;
    }
  }
  Advance();
}

void WatchHub::Publish(absl::Span<const SagaRecord> changed, int64_t oldest_untold_ms) {
  std::vector<std::shared_ptr<Watcher>> watchers;
  {
    MutexLock lock(mutex_);
    if (watchers_.empty()) return;
    watchers.assign(watchers_.begin(), watchers_.end());
  }
  std::vector<Watcher::Change> changes;
  changes.reserve(changed.size());
  for (const SagaRecord& record : changed) {
    const WatchPosition position{std::min(absl::ToUnixMillis(record.updated), oldest_untold_ms)};
    changes.push_back(std::make_shared<const WatchedChange>(WatchedChange{record, position}));
  }
  for (const std::shared_ptr<Watcher>& watcher : watchers) watcher->Offer(changes);
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
