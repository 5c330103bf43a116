#include "tests/simulation/fibre.h"

#include <sys/mman.h>

#include <cstdint>
#include <utility>

#include "tests/simulation/check.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace sagamesh::simulation {
namespace {

constexpr size_t kGuardBytes = 4096;
// Memory is taken as it is touched, so that room to spare costs nothing.
constexpr size_t kStackBytes = 1024 * 1024;

void StartSwitch([[maybe_unused]] void** fake, [[maybe_unused]] const void* base, [[maybe_unused]] size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(fake, base, bytes);
#endif
}

void FinishSwitch([[maybe_unused]] void* fake, [[maybe_unused]] const void** base, [[maybe_unused]] size_t* bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake, base, bytes);
#endif
}

}  // namespace

StackPool::~StackPool() {
  for (const Stack& stack : free_) munmap(static_cast<char*>(stack.base) - kGuardBytes, stack.bytes + kGuardBytes);
}

StackPool::Stack StackPool::Take() {
  if (!free_.empty()) {
    const Stack stack = free_.back();
    free_.pop_back();
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(stack.base, stack.bytes);
#endif
    return stack;
  }
  void* memory = mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  Check(memory != MAP_FAILED, "no memory for a fibre's stack");
  Check(mprotect(memory, kGuardBytes, PROT_NONE) == 0, "no guard page for a fibre's stack");
  return {static_cast<char*>(memory) + kGuardBytes, kStackBytes};
}

Fibre::Fibre(StackPool& pool, Task body) : pool_(pool), stack_(pool.Take()), body_(std::move(body)) {
  getcontext(&context_);
  context_.uc_stack.ss_sp = stack_.base;
  context_.uc_stack.ss_size = stack_.bytes;
  context_.uc_link = nullptr;
  // makecontext passes ints only.
  const auto self = reinterpret_cast<uintptr_t>(this);
  makecontext(&context_, reinterpret_cast<void (*)()>(&Fibre::Entry), 2, static_cast<unsigned int>(self >> 32),
              static_cast<unsigned int>(self));
}

Fibre::~Fibre() {
  Check(done_ || !started_, "a fibre is destroyed in the middle of its task");
  pool_.Return(stack_);
}

void Fibre::Entry(unsigned int high, unsigned int low) {
  reinterpret_cast<Fibre*>((static_cast<uintptr_t>(high) << 32) | low)->Run();
}

void Fibre::Run() {
  FinishSwitch(nullptr, &caller_base_, &caller_bytes_);
  std::move(body_)();
  body_ = nullptr;
  done_ = true;
  StartSwitch(nullptr, caller_base_, caller_bytes_);  // nullptr: this stack is left for good
  setcontext(&caller_);
}

void Fibre::Resume() {
  started_ = true;
  void* fake_stack = nullptr;
  StartSwitch(&fake_stack, stack_.base, stack_.bytes);
  swapcontext(&caller_, &context_);
  FinishSwitch(fake_stack, nullptr, nullptr);
}

void Fibre::Suspend() {
  StartSwitch(&fake_stack_, caller_base_, caller_bytes_);
  swapcontext(&context_, &caller_);
  FinishSwitch(fake_stack_, &caller_base_, &caller_bytes_);
}

}  // namespace sagamesh::simulation
