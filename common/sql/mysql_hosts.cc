#include "common/sql/mysql_hosts.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace sagamesh::sql {
namespace {

bool IsWritable(const HostAnswer& answer) { return answer.role == HostAnswer::Role::kWritable; }

std::string Describe(const HostAnswer& answer) {
  switch (answer.role) {
    case HostAnswer::Role::kWritable:
      return "writable";
    case HostAnswer::Role::kReadOnly:
      return "read-only";
    case HostAnswer::Role::kAway:
      return answer.why;
  }
  return answer.why;
}

}  // namespace

absl::StatusOr<size_t> ChooseHost(absl::Span<const std::string> names, absl::Span<const HostAnswer> answers) {
  absl::optional<size_t> chosen;
  int writable = 0;
  std::vector<std::string> said;
  for (size_t i = 0; i < names.size(); i++) {
    said.push_back(absl::StrCat(names[i], ": ", Describe(answers[i])));
    if (!IsWritable(answers[i])) continue;
    writable++;
    chosen = i;
  }
  if (writable == 1) return *chosen;
  return absl::UnavailableError(absl::StrCat(writable == 0 ? "no host is writable" : "more than one host is writable",
                                             " (", absl::StrJoin(said, "; "), ")"));
}

HostChoice::HostChoice(std::vector<std::string> names) : names_(std::move(names)) {}

absl::optional<HostChoice::Place> HostChoice::Known(absl::Time now) const {
  if (alone()) return Place{};
  MutexLock lock(mutex_);
  if (!current_.has_value() || learned_.doubts != doubts_ || now - learned_.at > kFresh) return absl::nullopt;
  return Place{*current_, term_};
}

void HostChoice::Doubt() {
  MutexLock lock(mutex_);
  doubts_++;
  wrote_ = absl::InfinitePast();
}

void HostChoice::Wrote(int64_t term, absl::Time at) {
  if (alone()) return;
  MutexLock lock(mutex_);
  if (term == term_) wrote_ = std::max(wrote_, at);
}

absl::optional<size_t> HostChoice::Written(absl::Time now) const {
  MutexLock lock(mutex_);
  return now - wrote_ <= kFresh ? current_ : absl::nullopt;
}

HostChoice::Ticket HostChoice::StartAsking(absl::Time now) {
  MutexLock lock(mutex_);
  return {++asked_, doubts_, now};
}

absl::StatusOr<HostChoice::Place> HostChoice::Learn(const Ticket& ticket, absl::Span<const HostAnswer> answers) {
  const absl::StatusOr<size_t> chosen = ChooseHost(names_, answers);
  MutexLock lock(mutex_);
  if (ticket.number > learned_.number) {
    learned_ = ticket;
    const bool none_writable = std::none_of(answers.begin(), answers.end(), IsWritable);
    const bool only_away = none_writable && current_.has_value() && answers[*current_].role == HostAnswer::Role::kAway;
    const absl::optional<size_t> next = chosen.ok() ? absl::optional<size_t>(*chosen) : absl::nullopt;
    if (next != current_ && !only_away) {
      current_ = next;
      wrote_ = absl::InfinitePast();
      term_++;
    }
  }
  if (!chosen.ok()) return chosen.status();
  if (current_ != *chosen) return absl::UnavailableError("the writable host is changing");
  return Place{*current_, term_};
}

}  // namespace sagamesh::sql
