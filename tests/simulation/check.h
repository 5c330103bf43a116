#ifndef SAGAMESH_TESTS_SIMULATION_CHECK_H_
#define SAGAMESH_TESTS_SIMULATION_CHECK_H_

#include <cstdio>
#include <cstdlib>
#include <string>

namespace sagamesh::simulation {

// Ends the program: the code under simulation broke a rule of its seams (for example, it blocked on an event loop), so
// that going on would mean nothing.
[[noreturn]] inline void Die(const std::string& why) {
  std::fprintf(stderr, "simulation: %s\n", why.c_str());
  std::abort();
}

inline void Check(bool condition, const char* what) {
  if (!condition) Die(what);
}

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_CHECK_H_
