#include "coordinator/service/fingerprint.h"

#include "absl/strings/str_cat.h"
#include "common/hash/sha256.h"

namespace sagamesh::coordinator {

std::string Fingerprint(const std::string& definition, const std::string& canonical_input,
                        const std::optional<Fault>& fault) {
  std::string fault_spec;
  if (fault.has_value()) {
    fault_spec = absl::StrCat(fault->method, " ", fault->abort_code, " ", absl::ToInt64Microseconds(fault->delay), " ",
                              fault->after ? "after" : "before");
  }
  // Lengths keep the parts apart.
  std::string bytes = "sagamesh/1";
  for (absl::string_view part :
       {absl::string_view(definition), absl::string_view(canonical_input), absl::string_view(fault_spec)}) {
    absl::StrAppend(&bytes, " ", part.size(), ":", part);
  }
  return Sha256Hex(bytes);
}

}  // namespace sagamesh::coordinator
