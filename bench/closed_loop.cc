#include "bench/closed_loop.h"

#include "absl/strings/str_cat.h"

namespace sagamesh::bench {
namespace {

constexpr absl::Duration kDrainPoll = absl::Milliseconds(5);

}  // namespace

void ClosedLoop::Start(int callers) {
  callers_ += callers;
  for (int caller = 0; caller < callers; caller++) Next(caller);
}

void ClosedLoop::Next(int caller) {
  const absl::Time started = clock_.Now();
  const bool going = !stopped_ && start_call_(caller, next_number_++, [this, caller, started](grpc::Status status) {
    Answered(caller, started, status);
  });
  if (!going) callers_--;
}

void ClosedLoop::Answered(int caller, absl::Time started, const grpc::Status& status) {
  if (Tally* tally = tally_; tally != nullptr) {
    if (status.ok()) {
      tally->latencies.Add(clock_.Now() - started);
    } else {
      tally->failed++;
    }
  }
  if (!status.ok()) {
    MutexLock lock(mutex_);
    if (first_error_.empty()) {
      first_error_ = absl::StrCat("code ", static_cast<int>(status.error_code()), ": ", status.error_message());
    }
  }
  Next(caller);
}

void ClosedLoop::Drain() {
  while (callers_ > 0) clock_.SleepFor(kDrainPoll);
}

std::string ClosedLoop::first_error() const {
  MutexLock lock(mutex_);
  return first_error_;
}

}  // namespace sagamesh::bench
