#ifndef SAGAMESH_COMMON_FLAGS_FLAGS_H_
#define SAGAMESH_COMMON_FLAGS_FLAGS_H_

namespace sagamesh {

// Parses the command line by absl flags, taking --some-flag for --some_flag. Ends the process with a message and code 1
// on an unknown flag, a bad value or a positional argument.
void ParseFlags(int argc, char** argv, const char* usage);

}  // namespace sagamesh

#endif  // SAGAMESH_COMMON_FLAGS_FLAGS_H_
