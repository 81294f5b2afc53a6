// NVIDIA's occupancy calculator for kernels of one size of block: reads lines of
//
//   capability registers dynamicSharedBytes
//
// and answers each with the blocks that a multiprocessor holds, of 256 threads, and what limits them.

#include <cstdio>

#include <cuda_occupancy.h>

namespace {

constexpr int THREADS = 256;

struct Architecture {
  int capability;
  int threads;  // of a multiprocessor
  int sharedKiB;
};

// The data-centre devices of each; sm_120 is the smallest of all.
constexpr Architecture ARCHITECTURES[] = {
    {80, 2048, 164}, {90, 2048, 228}, {100, 2048, 228}, {120, 1536, 100}};

int blocks(const Architecture& a, int registers, size_t shared, unsigned& limits) {
  cudaOccDeviceProp device;
  device.computeMajor = a.capability / 10;
  device.computeMinor = a.capability % 10;
  device.maxThreadsPerBlock = 1024;
  device.maxThreadsPerMultiprocessor = a.threads;
  device.regsPerBlock = 65536;
  device.regsPerMultiprocessor = 65536;
  device.warpSize = 32;
  device.sharedMemPerBlock = 48 * 1024;
  device.sharedMemPerMultiprocessor = static_cast<size_t>(a.sharedKiB) * 1024;
  device.sharedMemPerBlockOptin = static_cast<size_t>(a.sharedKiB - 1) * 1024;
  device.reservedSharedMemPerBlock = 1024;
  device.numSms = 1;
  cudaOccFuncAttributes kernel;
  kernel.maxThreadsPerBlock = THREADS;
  kernel.numRegs = registers;
  kernel.shmemLimitConfig = FUNC_SHMEM_LIMIT_OPTIN;
  kernel.maxDynamicSharedSizeBytes = device.sharedMemPerBlockOptin;
  kernel.numBlockBarriers = 1;
  cudaOccDeviceState state;
  cudaOccResult result;
  cudaOccError error = cudaOccMaxActiveBlocksPerMultiprocessor(
      &result, &device, &kernel, &state, THREADS, shared);
  limits = result.limitingFactors;
  return error == CUDA_OCC_SUCCESS ? result.activeBlocksPerMultiprocessor : -1;
}

}  // namespace

int main() {
  int capability;
  int registers;
  size_t shared;
  while (std::scanf("%d %d %zu", &capability, &registers, &shared) == 3) {
    for (const Architecture& a : ARCHITECTURES) {
      if (a.capability == capability) {
        unsigned limits = 0;
        int count = blocks(a, registers, shared, limits);
        std::printf("%d %d %s\n", count, a.threads / THREADS,
            limits & OCC_LIMIT_REGISTERS ? "registers"
                : limits & OCC_LIMIT_SHARED_MEMORY ? "shared memory" : "threads");
      }
    }
  }
  return 0;
}
