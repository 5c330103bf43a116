#include "tests/simulation/watch.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/error.h"
#include "coordinator/service/logic.h"

namespace sagamesh::simulation {
namespace {

constexpr absl::Duration kPauseBeforeResuming = absl::Milliseconds(500);

}  // namespace

void CheckWatch(const Snapshot& snapshot, const std::string& replica, const WatchLog& log, Violations& violations) {
  for (const auto& [id, saga] : snapshot.sagas) {
    const auto told = log.versions.find(id);
    const uint64_t version = told == log.versions.end() ? 0 : told->second;
    if (version != saga.version) {
      Add(violations, "watch: version ", saga.version, " of saga ", id, " was never told at ", replica,
          ", the last one was ", version);
    }
  }
}

void SimWatch::Begin() {
  auto watcher = hub_.Watch({}, log_.position, coordinator::JournalChanges(journal_));
  if (!watcher.ok()) return loop_.PostAfter(kPauseBeforeResuming, [this] { Begin(); });
  if (log_.told > 0) log_.resumed++;
  watcher_ = *std::move(watcher);
  Pull();
}

void SimWatch::Pull() {
  watcher_->Next([this](absl::StatusOr<coordinator::WatchedChange> change) {
    loop_.Post([this, change = std::move(change)]() mutable { Told(std::move(change)); });
  });
}

void SimWatch::Told(absl::StatusOr<coordinator::WatchedChange> change) {
  if (!change.ok()) {
    if (GetReason(change.status()) == "WATCHER_TOO_SLOW") log_.too_slow++;
    return loop_.PostAfter(kPauseBeforeResuming, [this] { Begin(); });
  }
  log_.told++;
  log_.position = change->position;
  uint64_t& version = log_.versions[change->saga.saga_id];
  version = std::max(version, change->saga.version);
  loop_.PostAfter(life_.random().Between(absl::ZeroDuration(), log_.pause_max), [this] { Pull(); });
}

}  // namespace sagamesh::simulation
