#ifndef SAGAMESH_TESTS_SIMULATION_FIBRE_H_
#define SAGAMESH_TESTS_SIMULATION_FIBRE_H_

#include <ucontext.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "common/exec/executor.h"

namespace sagamesh::simulation {

// Stacks with a guard page below, kept for the next fibre.
class StackPool {
 public:
  struct Stack {
    void* base;  // above the guard page
    size_t bytes;
  };

  StackPool() = default;
  ~StackPool();
  StackPool(const StackPool&) = delete;
  StackPool& operator=(const StackPool&) = delete;

  Stack Take();
  void Return(Stack stack) { free_.push_back(stack); }

 private:
  std::vector<Stack> free_;
};

// A cooperative thread: a stack of its own, on which a task may stop in the middle and go on later.
class Fibre {
 public:
  // `pool` outlives the fibre. The body starts with the first Resume.
  Fibre(StackPool& pool, Task body);
  // The body must have ended or never begun: what lives on a stack in the middle is never destroyed.
  ~Fibre();
  Fibre(const Fibre&) = delete;
  Fibre& operator=(const Fibre&) = delete;

  // Not from a fibre. Returns when the body suspends or ends.
  void Resume();
  // From the body only.
  void Suspend();
  bool done() const { return done_; }

 private:
  static void Entry(unsigned int high, unsigned int low);
  void Run();

  StackPool& pool_;
  StackPool::Stack stack_;
  Task body_;
  bool started_ = false;
  bool done_ = false;
  ucontext_t context_;
  ucontext_t caller_;
  // For AddressSanitizer: which stack is in use.
  void* fake_stack_ = nullptr;
  const void* caller_base_ = nullptr;
  size_t caller_bytes_ = 0;
};

}  // namespace sagamesh::simulation

#endif  // SAGAMESH_TESTS_SIMULATION_FIBRE_H_
