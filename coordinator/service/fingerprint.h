#ifndef SAGAMESH_COORDINATOR_SERVICE_FINGERPRINT_H_
#define SAGAMESH_COORDINATOR_SERVICE_FINGERPRINT_H_

#include <optional>
#include <string>

#include "common/rpc/call_context.h"

namespace sagamesh::coordinator {

// What a request was, and its key where the caller sends none: SHA-256 over a version tag, the definition, the
// canonical input and the fault that is to be injected (so that a request with a fault is not answered from one
// without).
std::string Fingerprint(const std::string& definition, const std::string& canonical_input,
                        const std::optional<Fault>& fault);

}  // namespace sagamesh::coordinator

#endif  // SAGAMESH_COORDINATOR_SERVICE_FINGERPRINT_H_
