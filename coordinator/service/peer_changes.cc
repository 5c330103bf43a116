#include "coordinator/service/peer_changes.h"

#include <limits>
#include <optional>
#include <utility>

namespace sagamesh::coordinator {
namespace {

constexpr absl::Duration kLookInterval = absl::Milliseconds(500);
constexpr int kPageSagas = 256;

}  // namespace

void PeerChanges::Begin() {
  if (source_.peers) LookLater();
}

void PeerChanges::LookLater() {
  timers_.PostAfter(kLookInterval, [this] { LookNow(); });
}

void PeerChanges::LookNow() {
  const std::optional<int64_t> from_ms = hub_.floor_ms();
  if (!from_ms.has_value()) return LookLater();
  source_.find_oldest_untold_ms([this, from_ms = *from_ms](absl::StatusOr<int64_t> to_ms) {
    if (!to_ms.ok()) return LookLater();
    ReadPage({from_ms, *to_ms}, from_ms, "");
  });
}

void PeerChanges::ReadPage(Look look, int64_t updated_ms, std::string saga_id) {
  source_.read(updated_ms, std::move(saga_id), kPageSagas,
               [this, look](absl::StatusOr<std::vector<engine::SagaRecord>> page) { PageRead(look, std::move(page)); });
}

void PeerChanges::PageRead(Look look, absl::StatusOr<std::vector<engine::SagaRecord>> page) {
  if (!page.ok()) return LookLater();
  hub_.Publish(*page, std::numeric_limits<int64_t>::max());
  if (page->size() == kPageSagas) {
    const engine::SagaRecord& last = page->back();
    return ReadPage(look, absl::ToUnixMillis(last.updated), last.saga_id);
  }
  hub_.RaiseFloor(look.from_ms, look.to_ms);
  LookLater();
}

}  // namespace sagamesh::coordinator
