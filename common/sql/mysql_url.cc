#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/sql/mysql.h"

namespace sagamesh::sql {
namespace {

absl::Status Bad(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("db: ", what, "; want mysql://USER@HOST:PORT/DATABASE"));
}

}  // namespace

absl::StatusOr<MysqlOptions> ParseMysqlUrl(const std::string& url) {
  absl::string_view rest = url;
  if (!absl::ConsumePrefix(&rest, "mysql://")) return Bad("not a mysql:// URL");
  const std::pair<absl::string_view, absl::string_view> login = absl::StrSplit(rest, absl::MaxSplits('@', 1));
  if (login.second.empty()) return Bad("there is no user");
  if (absl::StrContains(login.first, ':')) {
    return Bad("a password in the URL shows in the process list; set SAGAMESH_DB_PASSWORD");
  }
  const std::pair<absl::string_view, absl::string_view> place = absl::StrSplit(login.second, absl::MaxSplits('/', 1));
  if (absl::StrContains(place.first, ',')) return Bad("more than one host");
  const std::pair<absl::string_view, absl::string_view> address = absl::StrSplit(place.first, absl::MaxSplits(':', 1));
  MysqlOptions options;
  options.user = std::string(login.first);
  options.host = std::string(address.first);
  options.database = std::string(place.second);
  if (options.user.empty()) return Bad("there is no user");
  if (options.host.empty()) return Bad("there is no host");
  if (options.database.empty()) return Bad("there is no database");
  int port = options.port;
  if (absl::StrContains(place.first, ':') && (!absl::SimpleAtoi(address.second, &port) || port < 1 || port > 65'535)) {
    return Bad("the port is no number from 1 to 65535");
  }
  options.port = static_cast<uint16_t>(port);
  return options;
}

}  // namespace sagamesh::sql
