// The few things that a CUDA compiler and a C++ compiler say differently. A C++ compiler gets its
// half from execution.h, a test-scope stand-in that runs one fiber per CUDA thread.
#pragma once

#include <stdint.h>

#ifdef __CUDACC__

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#define DEVICE __device__ __forceinline__

// One struct by value: the host checks one size, and the driver copies one block.
#define KERNEL(name, Arguments, maxThreads, minBlocks) \
  extern "C" __global__ void __launch_bounds__(maxThreads, minBlocks) \
      name(const __grid_constant__ Arguments p)

// All shared memory is dynamic, so that its size is known to whoever launches.
#define SHARED_MEMORY(name) extern __shared__ __align__(16) float name[]

namespace borealis {

DEVICE float fromHalf(uint16_t bits) { return __half2float(__ushort_as_half(bits)); }
DEVICE uint16_t toHalf(float value) { return __half_as_ushort(__float2half_rn(value)); }
DEVICE uint16_t toBFloat16(float value) {
  return __bfloat16_as_ushort(__float2bfloat16_rn(value));
}

DEVICE float4 load16(const float* p) { return *reinterpret_cast<const float4*>(p); }
DEVICE float2 load8(const float* p) { return *reinterpret_cast<const float2*>(p); }
DEVICE float load4(const float* p) { return *p; }
DEVICE double load8(const double* p) { return *p; }
DEVICE void store16(float* p, float4 v) { *reinterpret_cast<float4*>(p) = v; }
DEVICE void store8(float* p, float2 v) { *reinterpret_cast<float2*>(p) = v; }
DEVICE void store8(double* p, double v) { *p = v; }

// Of global memory, also where the compiler can't see it because the pointer was read from memory.
DEVICE float4 global16(const float* p) { return __ldca(reinterpret_cast<const float4*>(p)); }
DEVICE uint4 global16(const uint16_t* p) { return __ldca(reinterpret_cast<const uint4*>(p)); }
DEVICE void storeGlobal16(float* p, float4 v) { __stwb(reinterpret_cast<float4*>(p), v); }
DEVICE void storeGlobal16(uint16_t* p, uint4 v) { __stwb(reinterpret_cast<uint4*>(p), v); }

// Copies that go on by themselves, from global to shared memory at multiples of their size. They come
// in groups: what was copied up to a commitCopies(). waitForCopies<N>() waits until all of this
// thread's groups but the last N are there, for this thread; a barrier shows them to others.
DEVICE void copyAsync16(float* to, const void* from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(
                   static_cast<uint32_t>(__cvta_generic_to_shared(to))),
      "l"(__cvta_generic_to_global(from))
      : "memory");
}

DEVICE void copyAsync8(float* to, const void* from) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 8;" ::"r"(
                   static_cast<uint32_t>(__cvta_generic_to_shared(to))),
      "l"(__cvta_generic_to_global(from))
      : "memory");
}

DEVICE void commitCopies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

template <int LATER>
DEVICE void waitForCopies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(LATER) : "memory");
}

// c += a b with a [16, 8] by rows, b [8, 8] by columns; a warp's work. Low 13 bits are ignored.
// Volatile: the compiler must not move it to where only some lanes need the result.
DEVICE void mma(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Programmatic dependent launch, from sm_90 on: a kernel launched so may begin while the one before
// it in the stream still runs. That one says when; this one waits, and then sees what all before it
// have written. Without the attribute of such a launch, and on sm_80, neither does anything.
DEVICE void letNextLaunchBegin() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;");
#endif
}

DEVICE void waitForLastLaunch() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// Blocks of a cluster, from sm_90 on: all threads of all of them wait here, and see what was written
// before to shared memory. Without clusters nothing that has this is launched.
DEVICE void clusterBarrier() {
#if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.arrive.aligned;\n\tbarrier.cluster.wait.aligned;" ::: "memory");
#endif
}

// What lies in another block's shared memory at the place that has this address in one's own.
DEVICE float loadOfBlock(const float* own, unsigned rank) {
#if __CUDA_ARCH__ >= 900
  float value;
  asm volatile(
      "{\n\t.reg .u32 at;\n\tmapa.shared::cluster.u32 at, %1, %2;\n\t"
      "ld.shared::cluster.f32 %0, [at];\n\t}"
      : "=f"(value)
      : "r"(static_cast<uint32_t>(__cvta_generic_to_shared(own))), "r"(rank)
      : "memory");
  return value;
#else
  return *own;
#endif
}

// 1/x to 1 ulp; 0 for x above 2^126, where the exact value is no normal number.
DEVICE float reciprocal(float x) { return __fdividef(1.0f, x); }

}  // namespace borealis

#else
#include "execution.h"
#endif
