#include "bench/closed_loop.h"

namespace sagamesh::bench {
namespace {

constexpr absl::Duration kDrainPoll = absl::Milliseconds(5);

}  // namespace

void ClosedLoop::Start(int callers) {
  callers_ += callers;
  for (int caller = 0; caller < callers; caller++) Next();
}

void ClosedLoop::Next() {
  const absl::Time started = clock_.Now();
  const bool going = !stopped_ && start_call_(next_number_++, [this, started](const absl::Status& status) {
    Answered(started, status);
  });
  if (!going) callers_--;
}

void ClosedLoop::Answered(absl::Time started, const absl::Status& status) {
  if (Tally* tally = tally_; tally != nullptr) tally->Count(clock_.Now() - started, status);
  if (status.ok()) return Next();
  error_.Note(status);
  callers_--;
}

absl::Status ClosedLoop::Drain() {
  while (callers_ > 0) clock_.SleepFor(kDrainPoll);
  return error_.status();
}

}  // namespace sagamesh::bench
