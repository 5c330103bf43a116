#ifndef SAGAMESH_COORDINATOR_JOURNAL_SHA256_H_
#define SAGAMESH_COORDINATOR_JOURNAL_SHA256_H_

#include <initializer_list>
#include <string>

#include "absl/strings/string_view.h"

namespace sagamesh::journal {

// SHA-256, as 64 lower-case hex digits, of `parts`, each preceded by its length, so that no two lists of parts are the
// same bytes.
std::string Sha256Hex(std::initializer_list<absl::string_view> parts);

}  // namespace sagamesh::journal

#endif  // SAGAMESH_COORDINATOR_JOURNAL_SHA256_H_
