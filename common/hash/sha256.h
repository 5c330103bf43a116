#ifndef SAGAMESH_COMMON_HASH_SHA256_H_
#define SAGAMESH_COMMON_HASH_SHA256_H_

#include <string>

#include "absl/strings/string_view.h"

namespace sagamesh {

// The 32 bytes of SHA-256 (FIPS 180-4), by OpenSSL.
std::string Sha256(absl::string_view data);

// The same as 64 lower-case hexadecimal digits.
std::string Sha256Hex(absl::string_view data);

}  // namespace sagamesh

#endif  // SAGAMESH_COMMON_HASH_SHA256_H_
