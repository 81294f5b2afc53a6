// Small kernels with a mistake each, which the stand-in has to catch, and the same without one.
#include "../../main/cuda/platform.cuh"

struct Planted {
  float* out;
  const float* in;
  int32_t n;
  int32_t bug;
};

enum Bug : int32_t {
  NONE,
  MISSING_BARRIER,
  STORE_BEHIND,
  MISALIGNED,
  DIVERGENT,
  EARLY_EXIT,
  SHARED_STORE_BEHIND,
  READ_BEHIND,
  BANK_CONFLICT
};

// out[i] = in[i + 1], by way of shared memory.
KERNEL(planted, Planted, 256, 1) {
  SHARED_MEMORY(shared);
  int i = static_cast<int>(threadIdx.x);
  shared[p.bug == SHARED_STORE_BEHIND && i == 3 ? p.n : i] = p.in[p.bug == READ_BEHIND && i == 3 ? p.n : i];
  if (p.bug == EARLY_EXIT && i == 5) {
    return;
  }
  if (p.bug == DIVERGENT && i < 16) {
    __syncthreads();
  } else if (p.bug != MISSING_BARRIER) {
    __syncthreads();
  }
  if (p.bug == MISALIGNED && i == 7) {
    shared[0] = borealis::load16(p.in + 1).x;
  }
  if (p.bug == BANK_CONFLICT) {
    borealis::load8(shared + 32 * (i & 1));
  }
  p.out[p.bug == STORE_BEHIND && i == p.n - 1 ? p.n : i] = shared[(i + 1) % p.n];
}

// Each block's numbers by way of its neighbour's shared memory.
KERNEL(planted_cluster, Planted, 256, 1) {
  SHARED_MEMORY(shared);
  int i = static_cast<int>(threadIdx.x);
  shared[i] = p.in[i] + static_cast<float>(blockIdx.x);
  if (p.bug != MISSING_BARRIER) {
    borealis::clusterBarrier();
  }
  float value = borealis::loadOfBlock(shared + i, (blockIdx.x + 1) % gridDim.x);
  if (p.bug != EARLY_EXIT) {
    borealis::clusterBarrier();
  }
  p.out[blockIdx.x * blockDim.x + threadIdx.x] = value;
}
