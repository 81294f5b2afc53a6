// What platform.cuh needs from a C++ compiler: one fiber per CUDA thread, run in a chosen order.
// Everything that a GPU would do in parallel happens between two of a fiber's waits, so a missing
// barrier shows as a value that isn't there yet.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#define DEVICE inline __attribute__((always_inline))
#define __launch_bounds__(...)

struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) uint4 {
  uint32_t x, y, z, w;
};

namespace execution {

struct Index {
  unsigned x, y, z;
};

extern Index threadIndex;
extern Index blockIndex;
extern Index blockExtent;
extern Index gridExtent;
extern float* sharedMemory;

// Where in the source a thread waits; compared by its text.
struct Site {
  const char* file;
  int line;
};

// Ends the launch with an error if lanes that a GPU serves at once need different places of the same
// bank for an access to shared memory; looks at no other memory.
void requireBanks(Site site, const void* p, size_t bytes);

// Ends the launch with an error; does not return.
[[noreturn]] void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

void blockBarrier(Site site);
void clusterBarrier(Site site);
void warpBarrier(Site site);
float shuffleXor(Site site, float value, int mask);
void multiplyTile(Site site, float* c, const uint32_t* a, const uint32_t* b);

// Where a place in this block's shared memory is in that of another block of the cluster.
const float* ofBlock(const float* own, unsigned rank);

// A copy that a thread has begun, and has not yet waited for.
struct Copy {
  void* to;
  const void* from;
  size_t bytes;
};

void beginCopy(Copy copy);
void commitCopies();

// Hands out a copy of this thread's oldest groups, but not of the last `later`; false: none is left.
bool nextCopy(int later, Copy& copy);

// Whether the next launch is a programmatic one, whose threads have to wait for the one before it.
void setProgrammatic(bool programmatic);

void waitForLastLaunch();

inline void requireAligned(const void* p, size_t bytes, const char* what) {
  if (reinterpret_cast<uintptr_t>(p) % bytes != 0) {
    fail("misaligned %s of %zu bytes at %p by thread %u of block (%u, %u, %u)", what, bytes, p,
        threadIndex.x, blockIndex.x, blockIndex.y, blockIndex.z);
  }
}

template <class Vector>
inline Vector load(const void* p) {
  requireAligned(p, sizeof(Vector), "read");
  Vector v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

template <class Vector>
inline void store(void* p, const Vector& v) {
  requireAligned(p, sizeof(Vector), "write");
  std::memcpy(p, &v, sizeof v);
}

// A kernel as the host knows it.
struct Kernel {
  const char* name;
  size_t parameterBytes;
  int maxThreads;
  void (*body)(const void* arguments);
  const Kernel* next;

  Kernel(const char* name, size_t bytes, int threads, void (*body)(const void*));
};

}  // namespace execution

#define threadIdx (execution::threadIndex)
#define blockIdx (execution::blockIndex)
#define blockDim (execution::blockExtent)
#define gridDim (execution::gridExtent)

#define __syncthreads() execution::blockBarrier({__FILE__, __LINE__})
#define __syncwarp() execution::warpBarrier({__FILE__, __LINE__})
#define __shfl_xor_sync(lanes, value, mask) \
  execution::shuffleXor({__FILE__, __LINE__}, value, mask)

#define SHARED_MEMORY(name) float* const name = execution::sharedMemory

#define KERNEL(name, Arguments, maxThreads, minBlocks)                                  \
  static void name(const Arguments& p);                                                 \
  static void name##_body(const void* p) { name(*static_cast<const Arguments*>(p)); }   \
  static const execution::Kernel name##_kernel(                                         \
      #name, sizeof(Arguments), maxThreads, name##_body);                               \
  static void name(const Arguments& p)

inline uint32_t __float_as_uint(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float __uint_as_float(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }

namespace borealis {

inline float fromHalf(uint16_t bits) {
  _Float16 value;
  std::memcpy(&value, &bits, sizeof value);
  // A device makes every NaN this one.
  return value != value ? __uint_as_float(0x7fffffffu) : static_cast<float>(value);
}

inline uint16_t toHalf(float value) {
  _Float16 half = static_cast<_Float16>(value);
  uint16_t bits;
  std::memcpy(&bits, &half, sizeof bits);
  return bits;
}

inline uint16_t toBFloat16(float value) {
  uint32_t bits = __float_as_uint(value);
  if (value != value) {
    return static_cast<uint16_t>(bits >> 16 | 0x40);
  }
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// Shared memory, and global memory where it has to serve as well.
#define LOAD(name, Vector, Element)                                                 \
  inline Vector name(const Element* p, const char* file = __builtin_FILE(),         \
      int line = __builtin_LINE()) {                                                \
    execution::requireBanks({file, line}, p, sizeof(Vector));                       \
    return execution::load<Vector>(p);                                              \
  }
#define STORE(name, Vector, Element)                                                \
  inline void name(Element* p, Vector v, const char* file = __builtin_FILE(),       \
      int line = __builtin_LINE()) {                                                \
    execution::requireBanks({file, line}, p, sizeof(Vector));                       \
    execution::store(p, v);                                                         \
  }
LOAD(load16, float4, float)
LOAD(load8, float2, float)
LOAD(load4, float, float)
LOAD(load8, double, double)
STORE(store16, float4, float)
STORE(store8, float2, float)
STORE(store8, double, double)
#undef LOAD
#undef STORE

inline float4 global16(const float* p) { return execution::load<float4>(p); }
inline uint4 global16(const uint16_t* p) { return execution::load<uint4>(p); }
inline void storeGlobal16(float* p, float4 v) { execution::store(p, v); }
inline void storeGlobal16(uint16_t* p, uint4 v) { execution::store(p, v); }

// They land when they are waited for, and not before.
inline void copyAsync16(float* to, const void* from) {
  execution::requireAligned(to, 16, "copy to");
  execution::requireAligned(from, 16, "copy from");
  execution::beginCopy({to, from, 16});
}
inline void copyAsync8(float* to, const void* from) {
  execution::requireAligned(to, 8, "copy to");
  execution::requireAligned(from, 8, "copy from");
  execution::beginCopy({to, from, 8});
}
inline void commitCopies() { execution::commitCopies(); }
template <int LATER>
inline void waitForCopies() {
  execution::Copy copy;
  while (execution::nextCopy(LATER, copy)) {
    std::memcpy(copy.to, copy.from, copy.bytes);
  }
}

inline void mma(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
    const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  execution::multiplyTile({file, line}, c, a, b);
}

inline void clusterBarrier(
    const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  execution::clusterBarrier({file, line});
}
inline float loadOfBlock(const float* own, unsigned rank) {
  return *execution::ofBlock(own, rank);
}

inline void letNextLaunchBegin() {}
inline void waitForLastLaunch() { execution::waitForLastLaunch(); }

// As the hardware's: 0 above 2^126, NaN for NaN.
inline float reciprocal(float x) { return x > 0x1p126f ? 0.0f : 1.0f / x; }

}  // namespace borealis
