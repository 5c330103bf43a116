#include "common/flags/flags.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/flags/usage_config.h"
#include "absl/strings/match.h"

namespace sagamesh {
namespace {

std::string Normalized(std::string argument) {
  if (argument.rfind("--", 0) != 0 || argument.size() == 2) return argument;
  const auto end = std::find(argument.begin(), argument.end(), '=');
  std::replace(argument.begin() + 2, end, '-', '_');
  return argument;
}

// By default --help shows only the flags of files named like the program, and ours are all in a main.cc.
bool IsOurs(absl::string_view file) { return !absl::StrContains(file, "absl/"); }

}  // namespace

void ParseFlags(int argc, char** argv, const char* usage) {
  absl::SetProgramUsageMessage(usage);
  absl::FlagsUsageConfig config;
  config.contains_help_flags = IsOurs;
  config.contains_helpshort_flags = IsOurs;
  absl::SetFlagsUsageConfig(config);
  std::vector<std::string> arguments;
  for (int i = 0; i < argc; i++) arguments.push_back(i == 0 ? argv[i] : Normalized(argv[i]));
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  const std::vector<char*> rest = absl::ParseCommandLine(static_cast<int>(pointers.size()), pointers.data());
  if (rest.size() > 1) {
    std::fprintf(stderr, "%s: unexpected argument: %s\n", argv[0], rest[1]);
    std::exit(1);
  }
}

}  // namespace sagamesh
