#include "bench/http_reply.h"

#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace sagamesh::bench {
namespace {

constexpr absl::string_view kStatusLine = "HTTP/1.1 ";
constexpr absl::string_view kEndOfHead = "\r\n\r\n";
constexpr absl::string_view kLength = "content-length:";

std::optional<uint64_t> ContentLength(absl::string_view head) {
  for (const absl::string_view line : absl::StrSplit(head, "\r\n")) {
    uint64_t length = 0;
    if (absl::StartsWithIgnoreCase(line, kLength) &&
        absl::SimpleAtoi(absl::StripAsciiWhitespace(line.substr(kLength.size())), &length)) {
      return length;
    }
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<std::optional<HttpReply>> ParseHttpReply(absl::string_view bytes) {
  const size_t end_of_head = bytes.find(kEndOfHead);
  if (end_of_head == absl::string_view::npos) return std::nullopt;
  const absl::string_view head = bytes.substr(0, end_of_head);
  const absl::string_view body = bytes.substr(end_of_head + kEndOfHead.size());
  HttpReply reply;
  const std::optional<uint64_t> length = ContentLength(head);
  if (!absl::StartsWith(head, kStatusLine) || !absl::SimpleAtoi(head.substr(kStatusLine.size(), 3), &reply.status) ||
      !length.has_value() || body.size() > *length) {
    return absl::InvalidArgumentError(absl::StrCat("not an HTTP reply: ", head));
  }
  if (body.size() < *length) return std::nullopt;
  reply.body = std::string(body);
  return reply;
}

}  // namespace sagamesh::bench
