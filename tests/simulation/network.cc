#include "tests/simulation/network.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/status/error.h"
#include "tests/simulation/check.h"

namespace sagamesh::simulation {
namespace {

// A caller without a deadline notices a lost message by keepalive.
constexpr absl::Duration kKeepalive = absl::Seconds(20);

}  // namespace

void Network::Listen(Life& life, Handler handler) {
  listeners_[life.name()] = {&life, std::make_shared<Handler>(std::move(handler))};
  life.OnCrash([this, &life] { Crashed(life); });
}

void Network::Crashed(Life& life) {
  const auto listener = listeners_.find(life.name());
  if (listener != listeners_.end() && listener->second.life == &life) listeners_.erase(listener);
  // What the dead wait for is nobody's; the callbacks go with its objects.
  auto dropped = std::make_shared<std::vector<Reply>>();
  std::vector<uint64_t> orphans;
  for (auto it = pending_.begin(); it != pending_.end();) {
    if (it->second.to == life.name()) orphans.push_back(it->first);
    if (it->second.from == &life) {
      dropped->push_back(std::move(it->second.done));
      it = pending_.erase(it);
    } else {
      ++it;
    }
  }
  life.Own(std::move(dropped));
  for (const uint64_t id : orphans) {
    scheduler_.After(Delay(), [this, id] {
      counts_.unavailable++;
      Finish(id, absl::UnavailableError("simulated: the connection broke"), {});
    });
  }
}

absl::Duration Network::Delay() {
  if (rng_.Chance(faults.slow)) {
    counts_.slow++;
    return rng_.Between(absl::ZeroDuration(), faults.slow_max);
  }
  return rng_.Between(absl::Microseconds(50), faults.delay_max);
}

void Network::Call(Life* from, const std::string& to, const std::string& method, std::string request,
                   CallContext context, Reply done) {
  if (from != nullptr && !from->alive()) return;
  const uint64_t id = next_call_++;
  counts_.calls++;
  const absl::Time deadline = std::min(context.deadline, scheduler_.now() + kKeepalive);
  const absl::Duration timeout = context.deadline - scheduler_.now();
  pending_.emplace(id, Pending{from, to, method, std::move(done), deadline});
  scheduler_.Trace(from == nullptr ? "client" : from->name(),
                   absl::StrCat("calls ", id, " ", to, " ", method, " ", absl::BytesToHexString(request)));
  const bool by_deadline = context.deadline <= deadline;
  scheduler_.After(deadline - scheduler_.now(), [this, id, by_deadline] {
    if (!pending_.contains(id)) return;
    counts_.timed_out++;
    Finish(id,
           by_deadline ? absl::DeadlineExceededError("simulated: Deadline Exceeded")
                       : absl::UnavailableError("simulated: keepalive"),
           {});
  });
  int copies = 1;
  if (rng_.Chance(faults.lose_request)) {
    counts_.lost_requests++;
    copies = 0;
  } else if (rng_.Chance(faults.duplicate)) {
    counts_.duplicates++;
    copies = 2;
  }
  for (int i = 0; i < copies; i++) {
    scheduler_.After(Delay(), [this, id, to, method, request, context, timeout] {
      Deliver(id, to, method, request, context, timeout);
    });
  }
}

void Network::Deliver(uint64_t id, const std::string& to, const std::string& method, const std::string& request,
                      CallContext context, absl::Duration timeout) {
  const auto listener = listeners_.find(to);
  if (listener == listeners_.end()) {
    counts_.unavailable++;
    return SendReply(id, absl::UnavailableError("simulated: connection refused"), {});
  }
  if (!pending_.contains(id)) counts_.after_timeout++;
  scheduler_.Trace(to, absl::StrCat("handles ", id, " ", method));
  context.deadline = scheduler_.now() + timeout;
  Life* life = listener->second.life;
  // The handler may outlive its listener's entry, not its life.
  const std::shared_ptr<Handler> handler = listener->second.handler;
  (*handler)(method, request, std::move(context), [this, id, life](absl::StatusOr<std::string> reply, ReplyInfo info) {
    if (life->alive()) SendReply(id, std::move(reply), info);
  });
}

void Network::SendReply(uint64_t id, absl::StatusOr<std::string> reply, ReplyInfo info) {
  if (rng_.Chance(faults.lose_reply)) {
    counts_.lost_replies++;
    return;
  }
  // A status crosses the wire as a google.rpc.Status.
  if (!reply.ok()) reply = FromProto(ToProto(reply.status()));
  scheduler_.After(Delay(),
                   [this, id, reply = std::move(reply), info]() mutable { Finish(id, std::move(reply), info); });
}

void Network::Finish(uint64_t id, absl::StatusOr<std::string> reply, ReplyInfo info) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return;
  scheduler_.Trace(
      found->second.from == nullptr ? "client" : found->second.from->name(),
      absl::StrCat("reply to ", id, ": ", reply.ok() ? absl::BytesToHexString(*reply) : reply.status().ToString()));
  Reply done = std::move(found->second.done);
  pending_.erase(found);
  done(std::move(reply), info);
}

}  // namespace sagamesh::simulation
