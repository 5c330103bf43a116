#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/sql/mysql.h"
#include "common/status/error.h"

namespace sagamesh::sql {
namespace {

absl::Status Bad(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("db: ", what, "; want mysql://USER@HOST:PORT/DATABASE"));
}

// HOST, HOST:PORT, [IPV6] or [IPV6]:PORT
absl::StatusOr<MysqlHost> ParseHost(absl::string_view text) {
  const size_t name_end = text.find(':', absl::StartsWith(text, "[") ? text.find(']') : 0);
  MysqlHost host;
  host.name = std::string(text.substr(0, name_end));
  if (host.name.empty()) return Bad("there is no host");
  if (absl::StartsWith(text, "[") != absl::EndsWith(host.name, "]")) return Bad("an IPv6 address is [ADDRESS]");
  if (name_end == absl::string_view::npos) return host;
  int port = 0;
  if (!absl::SimpleAtoi(text.substr(name_end + 1), &port) || port < 1 || port > 65'535) {
    return Bad("the port is no number from 1 to 65535");
  }
  host.port = static_cast<uint16_t>(port);
  return host;
}

absl::StatusOr<std::vector<MysqlHost>> ParseHosts(absl::string_view text) {
  std::vector<MysqlHost> hosts;
  for (absl::string_view entry : absl::StrSplit(text, ',')) {
    SAGAMESH_ASSIGN_OR_RETURN(MysqlHost host, ParseHost(entry));
    for (const MysqlHost& other : hosts) {
      if (other.name == host.name && other.port == host.port) return Bad(absl::StrCat(entry, " is there twice"));
    }
    hosts.push_back(std::move(host));
  }
  if (hosts.size() > kMysqlHostsMax) return Bad(absl::StrCat("there are more than ", kMysqlHostsMax, " hosts"));
  return hosts;
}

absl::StatusOr<TlsMode> ParseTlsMode(absl::string_view text) {
  if (text == "disabled") return TlsMode::kDisabled;
  if (text == "required") return TlsMode::kRequired;
  if (text == "verify-identity") return TlsMode::kVerifyIdentity;
  return Bad(absl::StrCat("ssl-mode is disabled, required or verify-identity, not ", text));
}

absl::StatusOr<MysqlTls> ParseTls(absl::string_view parameters) {
  MysqlTls tls;
  for (absl::string_view entry : absl::StrSplit(parameters, '&', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> parameter = absl::StrSplit(entry, absl::MaxSplits('=', 1));
    if (parameter.first == "ssl-mode") {
      SAGAMESH_ASSIGN_OR_RETURN(tls.mode, ParseTlsMode(parameter.second));
    } else if (parameter.first == "ssl-ca") {
      tls.ca = std::string(parameter.second);
    } else if (parameter.first == "ssl-cert") {
      tls.certificate = std::string(parameter.second);
    } else if (parameter.first == "ssl-key") {
      tls.key = std::string(parameter.second);
    } else {
      return Bad(absl::StrCat("there is no parameter ", parameter.first));
    }
  }
  if (!tls.ca.empty() && tls.mode != TlsMode::kVerifyIdentity) return Bad("ssl-ca needs ssl-mode=verify-identity");
  if (tls.certificate.empty() != tls.key.empty()) return Bad("ssl-cert and ssl-key go together");
  if (!tls.key.empty() && tls.mode == TlsMode::kDisabled) return Bad("ssl-cert and ssl-key need an ssl-mode");
  return tls;
}

}  // namespace

absl::StatusOr<MysqlOptions> ParseMysqlUrl(const std::string& url) {
  absl::string_view rest = url;
  if (!absl::ConsumePrefix(&rest, "mysql://")) return Bad("not a mysql:// URL");
  const std::pair<absl::string_view, absl::string_view> ends = absl::StrSplit(rest, absl::MaxSplits('?', 1));
  const std::pair<absl::string_view, absl::string_view> login = absl::StrSplit(ends.first, absl::MaxSplits('@', 1));
  if (login.second.empty()) return Bad("there is no user");
  if (absl::StrContains(login.first, ':')) {
    return Bad("a password in the URL shows in the process list; set SAGAMESH_DB_PASSWORD");
  }
  const std::pair<absl::string_view, absl::string_view> place = absl::StrSplit(login.second, absl::MaxSplits('/', 1));
  MysqlOptions options;
  options.user = std::string(login.first);
  options.database = std::string(place.second);
  if (options.user.empty()) return Bad("there is no user");
  SAGAMESH_ASSIGN_OR_RETURN(options.hosts, ParseHosts(place.first));
  if (options.database.empty()) return Bad("there is no database");
  SAGAMESH_ASSIGN_OR_RETURN(options.tls, ParseTls(ends.second));
  return options;
}

}  // namespace sagamesh::sql
