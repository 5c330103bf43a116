#ifndef SAGAMESH_BENCH_HTTP_REPLY_H_
#define SAGAMESH_BENCH_HTTP_REPLY_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sagamesh::bench {

struct HttpReply {
  int status = 0;
  std::string body;
};

// The HTTP/1.1 reply that these bytes are; nullopt: more are to come. Of what HTTP knows only a body with a
// Content-Length: INVALID_ARGUMENT for anything else, and if there is more than one reply.
absl::StatusOr<std::optional<HttpReply>> ParseHttpReply(absl::string_view bytes);

}  // namespace sagamesh::bench

#endif  // SAGAMESH_BENCH_HTTP_REPLY_H_
