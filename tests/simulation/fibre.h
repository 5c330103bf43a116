#ifndef SAGAMESH_TESTS_SIMULATION_FIBRE_H_
#define SAGAMESH_TESTS_SIMULATION_FIBRE_H_

#include <setjmp.h>
#include <ucontext.h>

#include <cstddef>

#include "common/exec/executor.h"

namespace sagamesh::simulation {

// A cooperative thread: a stack of its own with a guard page below, on which a task may stop in the middle and go on
// later. Once its task has ended it takes another.
class Fibre {
 public:
  Fibre();
  // What lives on a stack in the middle of a task is never destroyed.
  ~Fibre();
  Fibre(const Fibre&) = delete;
  Fibre& operator=(const Fibre&) = delete;

  // The body starts with the next Resume. Only where none is under way.
  void Begin(Task body);
  // Not from a fibre. Returns when the body suspends or ends.
  void Resume();
  // From the body only.
  void Suspend();
  bool done() const { return done_; }

 private:
  static void Entry(unsigned int high, unsigned int low);
  void Run();

  char* stack_;  // above the guard page
  Task body_;
  bool done_ = true;
  ucontext_t context_;
#if defined(__SANITIZE_ADDRESS__)
  ucontext_t caller_;
  void* fake_stack_ = nullptr;
  const void* caller_base_ = nullptr;
  size_t caller_bytes_ = 0;
#else
  // swapcontext asks the kernel for the signal mask, twice a switch; these do not.
  bool entered_ = false;  // its stack is in use
  jmp_buf here_;
  jmp_buf caller_;
#endif
};

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_FIBRE_H_
