#include "tests/simulation/network.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/status/error.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "tests/simulation/check.h"

namespace sagamesh::simulation {
namespace {

// A caller without a deadline notices a lost message by keepalive.
constexpr absl::Duration kKeepalive = absl::Seconds(20);

// How often a balancer has noticed which replicas are down.
constexpr double kNoticed = 0.9;

// A request's or a response's bytes, for people.
std::string Text(const std::string& method, bool request, const std::string& bytes) {
  const auto* descriptor =
      google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(absl::StrReplaceAll(method, {{"/", "."}}));
  if (descriptor == nullptr) return absl::StrCat(bytes.size(), " bytes");
  const auto* type = request ? descriptor->input_type() : descriptor->output_type();
  const std::unique_ptr<google::protobuf::Message> message(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
  message->ParseFromString(bytes);
  return absl::StrCat("{", message->ShortDebugString(), "}");
}

// The same in every process: Status::ToString shuffles the details.
std::string Text(const absl::Status& status) {
  return absl::StrCat(absl::StatusCodeToString(status.code()), " ", GetReason(status), ": ", status.message());
}

std::string Text(const CallContext& context) {
  std::string text;
  if (context.saga.has_value()) {
    const bool action = context.saga->op == SagaOp::kAction;
    absl::StrAppend(&text, " saga ", context.saga->saga_id, "/", context.saga->step, action ? "" : "/compensation",
                    " epoch ", context.saga->epoch);
  } else if (context.idempotency_key.has_value()) {
    absl::StrAppend(&text, " key ", *context.idempotency_key);
  }
  if (context.fault.has_value()) absl::StrAppend(&text, " with a fault in ", context.fault->method);
  return text;
}

absl::string_view NameOf(const Life* caller) {
  return caller == nullptr ? absl::string_view("client") : absl::string_view(caller->name());
}

}  // namespace

void Network::AddReplica(const std::string& replica) { replicas_[Life::ServiceOf(replica)].push_back(replica); }

std::string Network::Choose(const std::string& service, const std::string& other_than) {
  const auto found = replicas_.find(service);
  if (found == replicas_.end()) return service;
  std::vector<std::string> replicas = found->second;
  if (replicas.size() > 1) std::erase(replicas, other_than);
  std::vector<std::string> up = replicas;
  std::erase_if(up, [this](const std::string& replica) { return !listeners_.contains(replica); });
  if (!up.empty() && up.size() < replicas.size()) {
    if (rng_.Chance(kNoticed)) return up[rng_.Below(up.size())];
    const std::string& chosen = replicas[rng_.Below(replicas.size())];
    if (!listeners_.contains(chosen)) counts_.to_the_dead++;
    return chosen;
  }
  return replicas[rng_.Below(replicas.size())];
}

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
  scheduler_.Trace("network", a.empty() ? "clients" : a, " and ", b.empty() ? "clients" : b,
                   " are cut off from each other for ", absl::ToInt64Milliseconds(duration), " ms");
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
  const std::string callee = replicas_.contains(to) ? Choose(to) : to;
  pending_.emplace(id, Pending{from, callee, method, std::move(done)});
  const std::string caller = from == nullptr ? "" : from->name();
  scheduler_.Trace(NameOf(from), "call ", id, " to ", callee, ": ", method, Compared{request},
                   Shown{[&] { return absl::StrCat(Text(context), " ", Text(method, true, request)); }});
  scheduler_.After(limit, [this, id, by_deadline = timeout <= kKeepalive] {
    if (!pending_.contains(id)) return;
    counts_.timed_out++;
    Finish(id,
           by_deadline ? absl::DeadlineExceededError("simulated: Deadline Exceeded")
                       : absl::UnavailableError("simulated: keepalive"),
           {});
  });
  int copies = 1;
  if (IsCut(caller, callee)) {
    Trace(id, "its request is cut off");
    counts_.cut++;
    copies = 0;
  } else if (rng_.Chance(faults.lose_request)) {
    Trace(id, "its request is lost");
    counts_.lost_requests++;
    copies = 0;
  } else if (rng_.Chance(faults.duplicate)) {
    Trace(id, "its request is doubled");
    counts_.duplicates++;
    copies = 2;
  }
  Exchange exchange{.from = Life::ServiceOf(caller),
                    .to = Life::ServiceOf(to),
                    .method = method,
                    .request = std::move(request),
                    .context = std::move(context),
                    .sent = scheduler_.now()};
  exchange.caller = from == nullptr ? "" : from->id();
  exchange.callee = callee;
  for (int i = 0; i < copies; i++) {
    scheduler_.After(Delay(), [this, id, exchange, timeout] { Deliver(id, exchange, timeout); });
  }
}

void Network::Deliver(uint64_t id, Exchange exchange, absl::Duration timeout) {
  const auto listener = listeners_.find(exchange.callee);
  if (listener == listeners_.end()) {
    counts_.unavailable++;
    return SendReply(id, exchange, absl::UnavailableError("simulated: connection refused"), {});
  }
  Life* life = listener->second.life;
  if (life->frozen()) {
    counts_.frozen++;
    return life->WhenAwake([this, id, exchange = std::move(exchange), timeout] { Deliver(id, exchange, timeout); });
  }
  if (!pending_.contains(id)) counts_.after_timeout++;
  scheduler_.Trace(life->name(), "handles ", id, ": ", exchange.method);
  exchange.context.deadline = life->clock().Now() + timeout;
  exchange.arrived = scheduler_.now();
  exchanges_.push_back(std::move(exchange));
  Exchange& kept = exchanges_.back();
  // The handler may outlive its listener's entry, not its life.
  const std::shared_ptr<Handler> handler = listener->second.handler;
  (*handler)(kept, [this, id, life, &kept](absl::StatusOr<std::string> reply, ReplyInfo info) {
    if (!life->alive()) return;
    kept.reply = reply;
    kept.info = info;
    kept.answered = scheduler_.now();
    SendReply(id, kept, std::move(reply), info);
  });
}

Exchange& Network::Unpack(const Exchange& carrier, std::string method, std::string request, CallContext context) {
  Exchange& call = exchanges_.emplace_back(carrier);
  call.is_batch = false;
  call.method = std::move(method);
  call.request = std::move(request);
  call.context = std::move(context);
  return call;
}

void Network::SendReply(uint64_t id, const Exchange& exchange, absl::StatusOr<std::string> reply, ReplyInfo info) {
  if (IsCut(exchange.caller.substr(0, exchange.caller.find('#')), exchange.callee)) {
    Trace(id, "its reply is cut off");
    counts_.cut++;
    return;
  }
  if (rng_.Chance(faults.lose_reply)) {
    Trace(id, "its reply is lost");
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
  Life* from = found->second.from;
  if (from != nullptr && from->frozen()) {
    counts_.frozen++;
    return from->WhenAwake(
        [this, id, reply = std::move(reply), info]() mutable { Finish(id, std::move(reply), info); });
  }
  scheduler_.Trace(
      NameOf(from), "reply to ", id,
      reply.ok() ? ": " : " is an error: ", Compared{reply.ok() ? *reply : reply.status().message()}, Shown{[&] {
        return absl::StrCat(reply.ok() ? Text(found->second.method, false, *reply) : Text(reply.status()),
                            info.replayed ? " (replayed)" : "", info.compensating ? " (compensating)" : "");
      }});
  Reply done = std::move(found->second.done);
  pending_.erase(found);
  done(std::move(reply), info);
}

void Network::Trace(uint64_t id, absl::string_view what) { scheduler_.Trace("network", "call ", id, ": ", what); }

}  // namespace sagamesh::simulation
