#ifndef SAGAMESH_COMMON_TEXT_TEXT_H_
#define SAGAMESH_COMMON_TEXT_TEXT_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace sagamesh {

// OK if `value` is 1 to `characters_max` printable characters of valid UTF-8, none of them a control character; else
// INVALID_ARGUMENT with the field's name.
absl::Status CheckText(absl::string_view domain, absl::string_view field, absl::string_view value, int characters_max);

// The same for a text that may be empty.
absl::Status CheckOptionalText(absl::string_view domain, absl::string_view field, absl::string_view value,
                               int characters_max);

}  // namespace sagamesh

#endif  // SAGAMESH_COMMON_TEXT_TEXT_H_
