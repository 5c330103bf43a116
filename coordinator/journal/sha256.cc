#include "coordinator/journal/sha256.h"

#include <openssl/sha.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace sagamesh::journal {

std::string Sha256Hex(std::initializer_list<absl::string_view> parts) {
  std::string bytes;
  for (absl::string_view part : parts) absl::StrAppend(&bytes, part.size(), ":", part);
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest)));
}

}  // namespace sagamesh::journal
