#ifndef SAGAMESH_COMMON_UUID_UUID_H_
#define SAGAMESH_COMMON_UUID_UUID_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/random/random.h"

namespace sagamesh {

// A UUIDv7 (RFC 9562) in its canonical lower-case form of 36 characters: ids made later sort later, to the millisecond.
std::string MakeUuidV7(absl::Time now, Random& random);

// The time in a canonical UUIDv7; nullopt for anything else.
std::optional<absl::Time> UuidV7Time(absl::string_view uuid);

// A UUIDv8 of our own (RFC 9562) that is always the same for the same name in the same space: the first 122 bits of
// SHA-256("<space>\0<name>").
std::string MakeNameUuid(absl::string_view space, absl::string_view name);

// The same for a name that is a UUIDv7, beginning with its time: they sort as their names do, to the millisecond. 74
// bits of the hash are left.
std::string MakeTimedNameUuid(absl::string_view space, absl::string_view uuid_v7);

}  // namespace sagamesh

#endif  // SAGAMESH_COMMON_UUID_UUID_H_
