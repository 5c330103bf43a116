#include "bench/open_loop.h"

#include <cmath>

#include "absl/strings/str_cat.h"

namespace sagamesh::bench {
namespace {

constexpr absl::Duration kPoll = absl::Microseconds(200);
constexpr absl::Duration kLagMax = absl::Seconds(30);

}  // namespace

OpenLoop::OpenLoop(Clock& clock, Random& random, OpenLoopOptions options, StartCall start_call)
    : clock_(clock),
      random_(random),
      options_(options),
      start_call_(std::move(start_call)),
      due_(clock.Now() + Gap()) {}

absl::Duration OpenLoop::Gap() {
  const absl::Duration mean = absl::Seconds(1 / options_.calls_per_second);
  return options_.poisson ? -std::log1p(-random_.NextDouble()) * mean : mean;
}

absl::Status OpenLoop::Send(absl::Time end, Tally* tally) {
  for (; due_ < end; due_ += Gap()) {
    if (const absl::Duration early = due_ - clock_.Now(); early > absl::ZeroDuration()) clock_.SleepFor(early);
    while (in_flight_ >= options_.in_flight_max) clock_.SleepFor(kPoll);
    if (clock_.Now() - due_ > kLagMax) {
      return absl::DeadlineExceededError(absl::StrCat("calls are sent ", absl::FormatDuration(kLagMax),
                                                      " after they were due: the rate is beyond what can be answered"));
    }
    SendOne(tally);
  }
  if (const absl::Duration left = end - clock_.Now(); left > absl::ZeroDuration()) clock_.SleepFor(left);
  return absl::OkStatus();
}

void OpenLoop::SendOne(Tally* tally) {
  in_flight_++;
  start_call_(next_number_++, [this, tally, due = due_](const absl::Status& status) {
    if (tally != nullptr) tally->Count(clock_.Now() - due, status);
    if (status.ok()) succeeded_++;
    error_.Note(status);
    in_flight_--;
  });
}

absl::Status OpenLoop::Drain() {
  while (in_flight_ > 0) clock_.SleepFor(kPoll);
  return error_.status();
}

}  // namespace sagamesh::bench
