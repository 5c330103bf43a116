#include "tests/simulation/fibre.h"

#include <sys/mman.h>

#include <cstdint>
#include <utility>

#include "tests/simulation/check.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace sagamesh::simulation {
namespace {

constexpr size_t kGuardBytes = 4096;
// Memory is taken as it is touched, so that room to spare costs nothing.
constexpr size_t kStackBytes = 1024 * 1024;

}  // namespace

Fibre::Fibre() {
  void* memory = mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  Check(memory != MAP_FAILED, "no memory for a fibre's stack");
  Check(mprotect(memory, kGuardBytes, PROT_NONE) == 0, "no guard page for a fibre's stack");
  stack_ = static_cast<char*>(memory) + kGuardBytes;
  getcontext(&context_);
  context_.uc_stack.ss_sp = stack_;
  context_.uc_stack.ss_size = kStackBytes;
  context_.uc_link = nullptr;
  // makecontext passes ints only.
  const auto self = reinterpret_cast<uintptr_t>(this);
  makecontext(&context_, reinterpret_cast<void (*)()>(&Fibre::Entry), 2, static_cast<unsigned int>(self >> 32),
              static_cast<unsigned int>(self));
}

Fibre::~Fibre() {
  Check(done_ || body_ != nullptr, "a fibre is destroyed in the middle of its task");
  munmap(stack_ - kGuardBytes, kGuardBytes + kStackBytes);
}

void Fibre::Begin(Task body) {
  Check(done_, "a fibre is given a task in the middle of another");
  body_ = std::move(body);
  done_ = false;
}

void Fibre::Entry(unsigned int high, unsigned int low) {
  reinterpret_cast<Fibre*>((static_cast<uintptr_t>(high) << 32) | low)->Run();
}

void Fibre::Run() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &caller_base_, &caller_bytes_);
#endif
  while (true) {
    std::exchange(body_, nullptr)();
    done_ = true;
    Suspend();
  }
}

#if defined(__SANITIZE_ADDRESS__)

void Fibre::Resume() {
  void* fake_stack = nullptr;
  __sanitizer_start_switch_fiber(&fake_stack, stack_, kStackBytes);
  swapcontext(&caller_, &context_);
  __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
}

void Fibre::Suspend() {
  __sanitizer_start_switch_fiber(&fake_stack_, caller_base_, caller_bytes_);
  swapcontext(&context_, &caller_);
  __sanitizer_finish_switch_fiber(fake_stack_, &caller_base_, &caller_bytes_);
}

#else

void Fibre::Resume() {
  if (_setjmp(caller_) != 0) return;
  if (entered_) _longjmp(here_, 1);
  entered_ = true;
  setcontext(&context_);
}

void Fibre::Suspend() {
  if (_setjmp(here_) == 0) _longjmp(caller_, 1);
}

#endif

}  // namespace sagamesh::simulation
