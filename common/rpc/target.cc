#include "common/rpc/target.h"

#include <arpa/inet.h>

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/status/error.h"

namespace sagamesh::rpc {
namespace {

enum class Host { kName, kIpv4, kIpv6, kNone };

bool IsLiteral(int family, absl::string_view host) {
  unsigned char parsed[sizeof(in6_addr)];
  return inet_pton(family, std::string(host).c_str(), parsed) == 1;
}

// What stands before the port; kNone if it is not HOST:PORT.
Host HostOf(absl::string_view entry) {
  const size_t colon = entry.rfind(':');
  int port = 0;
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(entry.substr(colon + 1), &port)) return Host::kNone;
  if (port < 1 || port > 65535) return Host::kNone;
  absl::string_view host = entry.substr(0, colon);
  if (IsLiteral(AF_INET, host)) return Host::kIpv4;
  if (absl::ConsumePrefix(&host, "[")) {
    return absl::ConsumeSuffix(&host, "]") && IsLiteral(AF_INET6, host) ? Host::kIpv6 : Host::kNone;
  }
  return host.empty() || host.find_first_of(":/= \t") != absl::string_view::npos ? Host::kNone : Host::kName;
}

absl::Status Refused(absl::string_view flag, absl::string_view entry, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("--", flag, ": \"", entry, "\" ", why));
}

absl::StatusOr<std::string> ParseEntries(absl::string_view flag, const std::vector<absl::string_view>& entries) {
  if (entries.size() == 1 && absl::StrContains(entries[0], ":/")) return std::string(entries[0]);
  const Host first = HostOf(entries[0]);
  for (absl::string_view entry : entries) {
    const Host host = HostOf(entry);
    if (host == Host::kNone) return Refused(flag, entry, "is not HOST:PORT");
    if (entries.size() == 1) return std::string(entry);
    if (host == Host::kName) {
      return Refused(flag, entry, "in a list: it takes addresses only. Use one name that resolves to all of them");
    }
    if (host != first) return Refused(flag, entry, "in a list: its addresses must be all IPv4 or all IPv6");
  }
  // Brackets may not stand in a URI as they are.
  return absl::StrCat(first == Host::kIpv4 ? "ipv4:" : "ipv6:",
                      absl::StrReplaceAll(absl::StrJoin(entries, ","), {{"[", "%5B"}, {"]", "%5D"}}));
}

std::vector<absl::string_view> Split(absl::string_view text) {
  std::vector<absl::string_view> entries = absl::StrSplit(text, ',');
  for (absl::string_view& entry : entries) entry = absl::StripAsciiWhitespace(entry);
  return entries;
}

}  // namespace

absl::StatusOr<std::string> ParseTarget(absl::string_view flag, absl::string_view text) {
  return ParseEntries(flag, Split(text));
}

absl::StatusOr<std::map<std::string, std::string>> ParseTargets(absl::string_view flag, absl::string_view text) {
  std::map<std::string, std::vector<absl::string_view>> lists;
  std::vector<absl::string_view>* last = nullptr;
  for (absl::string_view entry : Split(text)) {
    const size_t equals = entry.find('=');
    if (equals != absl::string_view::npos) {
      if (equals == 0) return Refused(flag, entry, "is not SERVICE=TARGET");
      const auto [list, added] = lists.try_emplace(std::string(entry.substr(0, equals)));
      if (!added) return Refused(flag, entry, "is the second target of this service");
      last = &list->second;
      entry.remove_prefix(equals + 1);
    }
    if (last == nullptr) return Refused(flag, entry, "is not SERVICE=TARGET");
    last->push_back(entry);
  }
  std::map<std::string, std::string> targets;
  for (const auto& [service, entries] : lists) {
    SAGAMESH_ASSIGN_OR_RETURN(targets[service], ParseEntries(flag, entries));
  }
  return targets;
}

bool IsAddress(absl::string_view target) {
  const Host host = HostOf(target);
  return host == Host::kIpv4 || host == Host::kIpv6;
}

}  // namespace sagamesh::rpc
