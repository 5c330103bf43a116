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

// The same in every process: Status::ToString shuffles the details.
std::string Text(const absl::Status& status) {
  return absl::StrCat(absl::StatusCodeToString(status.code()), " ", GetReason(status), ": ", status.message());
}

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

void Network::CutFor(const std::string& a, const std::string& b, absl::Duration duration) {
  scheduler_.Trace("network", absl::StrCat(a, " and ", b, " are cut off from each other"));
  cut_until_[std::minmax(a, b)] = scheduler_.now() + duration;
}

bool Network::IsCut(const std::string& a, const std::string& b) const {
  const auto cut = cut_until_.find(std::minmax(a, b));
  return cut != cut_until_.end() && scheduler_.now() < cut->second;
}

void Network::Call(Life* from, const std::string& to, const std::string& method, std::string request,
                   CallContext context, Reply done) {
  if (from != nullptr && !from->alive()) return;
  const uint64_t id = next_call_++;
  counts_.calls++;
  // The caller's clock may be wrong; what crosses the wire is the time that is left.
  const absl::Duration timeout = context.deadline - (from == nullptr ? scheduler_.now() : from->clock().Now());
  const absl::Duration limit = std::min(timeout, kKeepalive);
  pending_.emplace(id, Pending{from, to, method, std::move(done)});
  const std::string caller = from == nullptr ? "" : from->name();
  scheduler_.Trace(from == nullptr ? "client" : caller,
                   absl::StrCat("calls ", id, " ", to, " ", method, " ", absl::BytesToHexString(request)));
  scheduler_.After(limit, [this, id, by_deadline = timeout <= kKeepalive] {
    if (!pending_.contains(id)) return;
    counts_.timed_out++;
    Finish(id,
           by_deadline ? absl::DeadlineExceededError("simulated: Deadline Exceeded")
                       : absl::UnavailableError("simulated: keepalive"),
           {});
  });
  int copies = 1;
  if (IsCut(caller, to)) {
    counts_.cut++;
    copies = 0;
  } else if (rng_.Chance(faults.lose_request)) {
    counts_.lost_requests++;
    copies = 0;
  } else if (rng_.Chance(faults.duplicate)) {
    counts_.duplicates++;
    copies = 2;
  }
  const Exchange exchange{caller, to, method, std::move(request), std::move(context), {}, std::nullopt, {}};
  for (int i = 0; i < copies; i++) {
    scheduler_.After(Delay(), [this, id, exchange, timeout] { Deliver(id, exchange, timeout); });
  }
}

void Network::Deliver(uint64_t id, Exchange exchange, absl::Duration timeout) {
  const auto listener = listeners_.find(exchange.to);
  if (listener == listeners_.end()) {
    counts_.unavailable++;
    return SendReply(id, exchange, absl::UnavailableError("simulated: connection refused"), {});
  }
  if (!pending_.contains(id)) counts_.after_timeout++;
  scheduler_.Trace(exchange.to, absl::StrCat("handles ", id, " ", exchange.method));
  Life* life = listener->second.life;
  exchange.context.deadline = life->clock().Now() + timeout;
  exchange.arrived = scheduler_.now();
  exchanges_.push_back(std::move(exchange));
  Exchange& kept = exchanges_.back();
  // The handler may outlive its listener's entry, not its life.
  const std::shared_ptr<Handler> handler = listener->second.handler;
  (*handler)(kept.method, kept.request, kept.context,
             [this, id, life, &kept](absl::StatusOr<std::string> reply, ReplyInfo info) {
               if (!life->alive()) return;
               kept.reply = reply;
               kept.info = info;
               kept.answered = scheduler_.now();
               SendReply(id, kept, std::move(reply), info);
             });
}

void Network::SendReply(uint64_t id, const Exchange& exchange, absl::StatusOr<std::string> reply, ReplyInfo info) {
  if (IsCut(exchange.from, exchange.to)) {
    counts_.cut++;
    return;
  }
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
      absl::StrCat("reply to ", id, ": ", reply.ok() ? absl::BytesToHexString(*reply) : Text(reply.status())));
  Reply done = std::move(found->second.done);
  pending_.erase(found);
  done(std::move(reply), info);
}

}  // namespace sagamesh::simulation
