// What ThreadSanitizer is told of fibers, where a program was built with it; else nothing is done.
// Every CUDA thread is a thread to it, and a barrier orders the threads of its block. Operations of a
// warp that are no barriers order nothing.
#pragma once

#include <cstddef>
#include <cstdint>

namespace execution::race {

extern "C" {
__attribute__((weak)) void* __tsan_get_current_fiber();
__attribute__((weak)) void* __tsan_create_fiber(unsigned flags);
__attribute__((weak)) void __tsan_switch_to_fiber(void* fiber, unsigned flags);
__attribute__((weak)) void __tsan_acquire(void* object);
__attribute__((weak)) void __tsan_release(void* object);
}

using Thread = void*;

// Blocks of a launch whose threads it tells apart: of any two that run within so many. (It knows 8,000
// threads, and takes a millisecond and half a megabyte for each.)
constexpr size_t BLOCKS_APART = 8;

inline bool watched() { return __tsan_create_fiber != nullptr; }

inline Thread self() { return watched() ? __tsan_get_current_fiber() : nullptr; }

inline Thread create() { return watched() ? __tsan_create_fiber(0) : nullptr; }

// The next thing on this processor is another thread's; that orders nothing.
inline void goOnAs(Thread thread) {
  constexpr unsigned NO_SYNC = 1;
  if (watched()) {
    __tsan_switch_to_fiber(thread, NO_SYNC);
  }
}

// What was before a release of an object is before what is after an acquisition of it.
struct Object {
  uint64_t place = 0;

  void release() {
    if (watched()) {
      __tsan_release(&place);
    }
  }
  void acquire() {
    if (watched()) {
      __tsan_acquire(&place);
    }
  }
};

}  // namespace execution::race
