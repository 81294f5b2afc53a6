// The kernels: what a launch does. The arithmetic is in product.cuh and phi.cuh, the contract of
// each kernel in docs/CUDA.md. No kernel uses atomics, and every sum has a fixed order: the same call
// gives the same bits. None allocates or waits for the host.
#include "merge.cuh"

namespace borealis {

constexpr int ROWS = 32;            // of a row tile
constexpr int OUTER_COLUMNS = 64;   // of a warp in the product `outer`
constexpr int DECODE_BLOCKS = 8;    // of a cluster
constexpr int DECODE_FLOATS = 512;  // of shared memory before X: shares, Z, U and phi's scratch
constexpr int FUSED_RANK = 16;      // of one launch from X to Y
constexpr int FUSED_PITCH = 24;     // of U there; 16 and 8: a half-warp's 8-byte loads meet all banks
constexpr int EXPAND_RANKS = 32;    // of U in shared memory at a time
constexpr int EXPAND_PITCH = 40;    // 32 and 8, likewise

DEVICE int least(int a, int b) { return a < b ? a : b; }

// What every kernel but `up` begins with.
DEVICE void afterLastLaunch() {
  waitForLastLaunch();
  letNextLaunchBegin();
}

// The up-projection of a row tile whose U is in shared memory, by all warps in turn.
template <class T, bool LOW, int Y_SLOTS>
DEVICE void fusedUp(const Product& p, const float* u, float* queue, int rows, int row0) {
  // All columns have the same U: its fragments stay in registers.
  SplitPair hidden[2][4];
#pragma unroll
  for (int step = 0; step < FUSED_RANK / 8; step++) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      int row = 8 * i + (laneId() >> 2);
      hidden[step][i] = splitPair(load8(u + row * FUSED_PITCH + 8 * step + 2 * (laneId() & 3)));
    }
  }
  constexpr int SLOTS = Y_SLOTS + 2 * FUSED_RANK / 8;
  float* slots = ownSlots(queue, WARP_SLOTS);
  pipeline<WARP_SLOTS / SLOTS>(
      32 * warpId(), p.k, 32 * WARPS,
      [&](int k0, int stage) {
        float* at = slots + stage * SLOTS * SLOT;
        Output<T, OwnRow, LOW> output(p, rows, row0, k0);
        output.fetchOld(at);
#pragma unroll
        for (int step = 0; step < FUSED_RANK / 8; step++) {
          const float* w = output.weights(8 * step);
          copyAsync16(at + (Y_SLOTS + 2 * step) * SLOT, w);
          copyAsync16(at + (Y_SLOTS + 2 * step + 1) * SLOT, w + p.ldW);
        }
      },
      [&](int k0, int stage) {
        const float* at = slots + stage * SLOTS * SLOT;
        Output<T, OwnRow, LOW> output(p, rows, row0, k0);
#pragma unroll
        for (int step = 0; step < FUSED_RANK / 8; step++) {
          output.add(
              [&](int row, int) { return hidden[step][row >> 3]; }, 8 * step,
              load16(at + (Y_SLOTS + 2 * step) * SLOT),
              load16(at + (Y_SLOTS + 2 * step + 1) * SLOT));
        }
        output.template put<false>(at);
      });
}

// One launch from X to Y for r <= 16: X is read once, Y read and written once, Z and U stay on chip.
// Shared memory is U and the queue, which serves X and A, then Z's sums and phi, then Y and B.
template <class T, int NT>
DEVICE void forward(const Forward& p) {
  SHARED_MEMORY(u);
  float* queue = u + ROWS * FUSED_PITCH;
  constexpr int LDZ = 8 * NT;
  float* z = queue + WARPS * ROWS * (LDZ + 8);
  int row0 = ROWS * static_cast<int>(blockIdx.x);
  float c[2][NT][4] = {};
  contract<T, 2, NT>(p.down, queue, row0, 0, 32 * warpId(), p.down.k, 32 * WARPS, c);
  __syncthreads();
  sumOverWarps(queue, c, [&](int row, int j, float sum) {
    float value = 0.0f;
    if (j < p.phi.ra) {
      value = p.phi.scale * sum + (p.phi.downBias != nullptr ? p.phi.downBias[j] : 0.0f);
      if (p.phi.z != nullptr && row0 + row < p.phi.n) {
        p.phi.z[(row0 + row) * p.phi.ldZ + j] = value;
      }
    }
    z[row * LDZ + j] = value;
  });
  __syncthreads();
  // The warps' shares are summed: their place serves phi.
  PhiTile tile = {z, queue, queue + ROWS * p.phi.r, LDZ, ROWS};
  preparePhi(p.phi, tile);
  phiForward(p.phi, tile, row0, u, FUSED_PITCH);
  __syncthreads();

  int rows = least(ROWS, p.up.n - row0);
  if (T::EXACT && !p.up.outF32) {
    p.up.lowW ? fusedUp<T, true, 4>(p.up, u, queue, rows, row0)
              : fusedUp<T, false, 4>(p.up, u, queue, rows, row0);
  } else {
    p.up.lowW ? fusedUp<T, true, 8>(p.up, u, queue, rows, row0)
              : fusedUp<T, false, 8>(p.up, u, queue, rows, row0);
  }
}

template <class T, bool LOW>
DEVICE void upColumns(
    const Product& p, const float* u, int ldu, int rows, int row0, int k0, const float* old) {
  Output<T, OwnRow, LOW> output(p, rows, row0, k0);
#pragma unroll 2
  for (int j0 = 0; j0 < p.r; j0 += 8) {
    const float* w = output.weights(j0);
    output.add(
        [&](int row, int j) { return splitPair(load8(u + row * ldu + j)); }, j0, global16(w),
        global16(w + p.ldW));
  }
  output.template put<false>(old);
}

// The second of two launches for r <= 64 and few rows: shares of Z to Y. The blocks of a row tile
// compute its phi each, and divide the columns of Y among themselves.
template <class T>
DEVICE void up(const Forward& p) {
  SHARED_MEMORY(shared);
  int ldz = static_cast<int>(p.phi.ldZ);
  int ldu = static_cast<int>(p.phi.ldU) + 8;  // a half-warp's 8-byte loads meet all banks
  float* slots = ownSlots(shared, 8);
  float* z = shared + WARPS * 8 * SLOT;
  float* u = z + ROWS * ldz;
  float* t = u + ROWS * ldu;
  int row0 = ROWS * static_cast<int>(blockIdx.x);
  int rows = least(ROWS, p.up.n - row0);
  int first = 32 * (WARPS * static_cast<int>(blockIdx.y) + warpId());
  // The launch before has let this one begin when all before it had ended: Y is as they left it.
  if (first < p.up.k) {
    Output<T, OwnRow, true>(p.up, rows, row0, first).fetchOld(slots);
  }
  commitCopies();
  afterLastLaunch();
  loadZ(p.phi, row0, ROWS, z, ldz, blockIdx.y == 0);
  __syncthreads();
  PhiTile tile = {z, t, t + (p.phi.kind == AURORA ? ROWS * p.phi.r : 0), ldz, ROWS};
  preparePhi(p.phi, tile);
  phiForward(p.phi, tile, row0, u, ldu);
  __syncthreads();
  waitForCopies<0>();
  for (int k0 = first; k0 < p.up.k; k0 += 32 * WARPS * static_cast<int>(gridDim.y)) {
    const float* old = k0 == first ? slots : nullptr;
    if (p.up.lowW) {
      upColumns<T, true>(p.up, u, ldu, rows, row0, k0, old);
    } else {
      upColumns<T, false>(p.up, u, ldu, rows, row0, k0, old);
    }
  }
}

// One launch for a few tokens of r <= 64, a cluster of blocks for each: a block sums over its columns
// of X for Z, adds up the shares of all blocks from their shared memory, and has its columns of Y. In
// F32 throughout: a row leaves tensor cores idle.
template <class T>
DEVICE void decode(const Forward& p) {
  SHARED_MEMORY(shared);
  const Product& down = p.down;
  int rank = static_cast<int>(blockIdx.x);
  int64_t row = blockIdx.y;
  int ldz = static_cast<int>(p.phi.ldZ);
  float* shares = shared;
  float* z = shares + ldz;
  float* u = z + ldz;
  float* t = u + p.phi.ldU;
  float* q = t + (p.phi.kind == AURORA ? p.phi.r : 0);
  float* x = shared + DECODE_FLOATS;
  int first = down.split * rank;
  int columns = least(down.split, static_cast<int>(down.ldW) - first);
  const auto* d = static_cast<const typename T::Storage*>(down.d) + row * down.ldD;
  for (int k = 8 * static_cast<int>(threadIdx.x); k < columns; k += 8 * THREADS) {
    float value[8];
    // One thread a row: its two runs are neighbours, whatever the type.
    loadRuns<T>(d, first + k, 0, 1, down.k, down.vectorD, value);
    float4 low = {value[0], value[1], value[2], value[3]};
    float4 high = {value[4], value[5], value[6], value[7]};
    // Every other four lanes begin with the second half: eight lanes at once meet all banks.
    bool swapped = (laneId() & 4) != 0;
    store16(x + k + (swapped ? 4 : 0), swapped ? high : low);
    store16(x + k + (swapped ? 0 : 4), swapped ? low : high);
  }
  __syncthreads();
  for (int j0 = 2 * warpId(); j0 < ldz; j0 += 2 * WARPS) {
    // W's rows are padded to 16.
    const float* w = down.w + j0 * down.ldW + first;
    float sum[2] = {0.0f, 0.0f};
    for (int k = 4 * laneId(); k < columns; k += 128) {
      float4 value = load16(x + k);
#pragma unroll
      for (int i = 0; i < 2; i++) {
        float4 weight = global16(w + i * down.ldW + k);
        sum[i] = fmaf(value.x, weight.x, sum[i]);
        sum[i] = fmaf(value.y, weight.y, sum[i]);
        sum[i] = fmaf(value.z, weight.z, sum[i]);
        sum[i] = fmaf(value.w, weight.w, sum[i]);
      }
    }
#pragma unroll
    for (int i = 0; i < 2; i++) {
#pragma unroll
      for (int distance = 16; distance > 0; distance /= 2) {
        sum[i] += __shfl_xor_sync(0xffffffffu, sum[i], distance);
      }
      if (laneId() == 0) {
        shares[j0 + i] = sum[i];
      }
    }
  }
  clusterBarrier();
  for (int j = threadIdx.x; j < ldz; j += THREADS) {
    float sum = 0.0f;
    for (int block = 0; block < DECODE_BLOCKS; block++) {
      sum += loadOfBlock(shares + j, block);
    }
    z[j] = j < p.phi.ra ? sum + (p.phi.downBias != nullptr ? p.phi.downBias[j] : 0.0f) : 0.0f;
  }
  // Nobody ends, or goes on to write, before all have read.
  clusterBarrier();
  PhiTile tile = {z, t, q, ldz, 1};
  preparePhi(p.phi, tile);
  phiForward(p.phi, tile, row, u, p.phi.ldU);
  __syncthreads();
  const Product& up = p.up;
  int last = least(up.split * (rank + 1), up.k);
  for (int k = up.split * rank + 8 * static_cast<int>(threadIdx.x); k < last; k += 8 * THREADS) {
    float value[8] = {};
    for (int j = 0; j < up.r; j++) {
      const float* w = up.w + j * up.ldW + k;
      float4 low = global16(w);
      float4 high = global16(w + 4);
      float factor = u[j];
      value[0] = fmaf(factor, low.x, value[0]);
      value[1] = fmaf(factor, low.y, value[1]);
      value[2] = fmaf(factor, low.z, value[2]);
      value[3] = fmaf(factor, low.w, value[3]);
      value[4] = fmaf(factor, high.x, value[4]);
      value[5] = fmaf(factor, high.y, value[5]);
      value[6] = fmaf(factor, high.z, value[6]);
      value[7] = fmaf(factor, high.w, value[7]);
    }
#pragma unroll
    for (int i = 0; i < 8; i++) {
      float bias = up.bias != nullptr && k + i < up.k ? up.bias[k + i] : 0.0f;
      value[i] = fmaf(up.scale, value[i], bias);
    }
    int64_t at = row * up.ldOut;
    if (T::EXACT && up.outF32) {
      update8<F32>(static_cast<float*>(up.out) + at, k, up.k, up.vectorOut, false, up.accumulate,
          nullptr, value);
    } else {
      update8<T>(static_cast<typename T::Storage*>(up.out) + at, k, up.k, up.vectorOut,
          false, up.accumulate, nullptr, value);
    }
  }
}

// 32 rows and 16 columns of C from `split` columns of D, as a share; or, without shares, finished and
// typed: a base layer.
template <class T, class Row = OwnRow>
DEVICE void contractTile(const Product& p, int row0, Row rowOf = {}) {
  SHARED_MEMORY(shared);
  int j0 = 16 * static_cast<int>(blockIdx.x);
  int first = p.split * static_cast<int>(blockIdx.z);
  float c[2][2][4] = {};
  contract<T, 2, 2>(p, shared, row0, j0, first + 32 * warpId(), least(first + p.split, p.k),
      32 * WARPS, c, rowOf);
  __syncthreads();
  sumOverWarps(shared, c, [&](int row, int column, float sum) {
    int64_t n = row0 + row;
    int j = j0 + column;
    if (n >= p.n) {
      return;
    }
    if (p.partial != nullptr) {
      if (j < p.ldU) {
        p.partial[(static_cast<int64_t>(blockIdx.z) * p.n + n) * p.ldU + j] = sum;
      }
    } else if (j < p.r) {
      float value = p.scale * sum + (p.bias != nullptr ? p.bias[j] : 0.0f);
      if (T::EXACT && p.outF32) {
        float* y = static_cast<float*>(p.out) + n * p.ldOut + j;
        F32::set(y, p.accumulate ? F32::get(y) + value : value);
      } else {
        auto* y = static_cast<typename T::Storage*>(p.out) + n * p.ldOut + j;
        T::set(y, p.accumulate ? T::get(y) + value : value);
      }
    }
  });
}

// The same for many rows: shares of 128 rows and up to 64 columns of C.
template <class T, bool LOW>
DEVICE void contractTall(const Product& p) {
  SHARED_MEMORY(shared);
  constexpr int RANKS = 64;
  int row0 = TallTile<T, 2, LOW>::ROWS * static_cast<int>(blockIdx.y);
  int j0 = RANKS * static_cast<int>(blockIdx.x);
  int share = static_cast<int>(blockIdx.z);
  int first = p.split * share;
  int last = least(first + p.split, p.k);
  if (p.r - j0 <= 16) {
    TallTile<T, 2, LOW>::run(p, shared, row0, j0, first, last, share);
  } else if (p.r - j0 <= 32) {
    TallTile<T, 4, LOW>::run(p, shared, row0, j0, first, last, share);
  } else {
    TallTile<T, 8, LOW>::run(p, shared, row0, j0, first, last, share);
  }
}

// Y or dX from U in memory: 32 ROW_WARPS rows and 256 / ROW_WARPS columns.
template <class T, int ROW_WARPS, bool MASKED, bool LOW, class Row>
DEVICE void expandTile(const Product& p, int row0, Row rowOf) {
  SHARED_MEMORY(shared);
  constexpr int TILE_ROWS = ROWS * ROW_WARPS;
  float* high = shared;
  float* low = high + TILE_ROWS * EXPAND_PITCH;
  int own = ROWS * (warpId() % ROW_WARPS);
  int column = WARPS / ROW_WARPS * static_cast<int>(blockIdx.x) + warpId() / ROW_WARPS;
  Output<T, Row, LOW> output(p, least(ROWS, p.n - row0 - own), row0 + own, 32 * column, rowOf);
  float* slots = ownSlots(low + TILE_ROWS * EXPAND_PITCH, 4 * output.slotsOfRow());
  bool inside = output.k0 < p.k;
  if (inside) {
    output.fetchOld(slots);
  }
  commitCopies();
  for (int first = 0; first < p.r; first += EXPAND_RANKS) {
    __syncthreads();
    // U is split once for all columns.
    for (int i = threadIdx.x; i < TILE_ROWS * EXPAND_RANKS / 4; i += THREADS) {
      int row = i / (EXPAND_RANKS / 4);
      int j = i % (EXPAND_RANKS / 4) * 4;
      float4 value = {0.0f, 0.0f, 0.0f, 0.0f};
      if (row0 + row < p.n && first + j < p.ldU) {
        value = global16(p.u + (row0 + row) * p.ldU + first + j);
      }
      storeSplit<true>(high + row * EXPAND_PITCH + j, low + row * EXPAND_PITCH + j, value);
    }
    __syncthreads();
    if (inside) {
      auto hidden = [&](int row, int j) -> SplitPair {
        int at = (own + row) * EXPAND_PITCH + j - first;
        float2 h = load8(high + at);
        float2 l = load8(low + at);
        return {{__float_as_uint(h.x), __float_as_uint(l.x)},
            {__float_as_uint(h.y), __float_as_uint(l.y)}};
      };
#pragma unroll 2
      for (int j0 = first; j0 < least(first + EXPAND_RANKS, p.r); j0 += 8) {
        const float* w = output.weights(j0);
        output.add(hidden, j0, global16(w), global16(w + p.ldW));
      }
    }
  }
  waitForCopies<0>();
  if (inside) {
    output.template put<MASKED>(slots);
  }
}

template <class T, int ROW_WARPS, bool MASKED, class Row = OwnRow>
DEVICE void expandTile(const Product& p, int row0, Row rowOf = {}) {
  if (p.lowW) {
    expandTile<T, ROW_WARPS, MASKED, true>(p, row0, rowOf);
  } else {
    expandTile<T, ROW_WARPS, MASKED, false>(p, row0, rowOf);
  }
}

// Shares of G from `split` rows of D: 16 MJ rows of G, and 512 columns, 64 a warp. Where one warp has
// all columns, the others take rows of their own.
template <class Source, int MJ>
DEVICE void outerTile(const Product& p, const Source& source) {
  SHARED_MEMORY(shared);
  int j0 = 16 * MJ * static_cast<int>(blockIdx.x);
  bool narrow = p.k <= OUTER_COLUMNS && p.columnSums == nullptr;
  int k0 = narrow ? 0 : OUTER_COLUMNS * (WARPS * static_cast<int>(blockIdx.y) + warpId());
  int split = static_cast<int>(blockIdx.z);
  Outer<Source, MJ> outer;
  if (k0 < p.k) {
    outer.add(p, source, shared, j0, k0, split * p.split, least((split + 1) * p.split, p.n),
        narrow ? warpId() : 0, narrow ? WARPS : 1);
  }
  if (narrow) {
    outer.gather(shared);
  }
  if (k0 < p.k && (!narrow || warpId() == 0)) {
    outer.store(p, split, j0, k0);
    if (p.columnSums != nullptr && blockIdx.x == 0) {
      outer.storeColumnSums(p, split, k0);
    }
  }
}

// Shares of Z, or Z itself, to U in memory.
DEVICE void phiForwardTile(const Phi& p, int64_t row0) {
  SHARED_MEMORY(shared);
  int ldz = static_cast<int>(p.ldZ);
  int rows = least(p.rows, static_cast<int>(p.n - row0));
  float* t = shared + p.rows * ldz;
  loadZ(p, row0, rows, shared, ldz, true);
  __syncthreads();
  PhiTile tile = {shared, t, t + (p.kind == AURORA ? p.rows * p.r : 0), ldz, rows};
  preparePhi(p, tile);
  phiForward(p, tile, row0, p.u + row0 * p.ldU, p.ldU);
}

// The three steps of a forward call for rows of several adapters. The grid is that of the largest
// group's call: blocks that their own group has no work for end at once.
struct BatchTile {
  const Group& group;
  int row0;

  DEVICE BatchTile(const Batch& p, unsigned tile)
      : group(p.groups[p.tiles[2 * tile]]), row0(p.tiles[2 * tile + 1]) {}
};

template <class T>
DEVICE void batchContract(const Batch& p) {
  BatchTile tile(p, blockIdx.y);
  const Product& down = tile.group.forward.down;
  if (16 * static_cast<int>(blockIdx.x) < down.r
      && static_cast<int64_t>(blockIdx.z) * down.split < down.k) {
    contractTile<T>(down, tile.row0, ListedRow{tile.group.rows});
  }
}

DEVICE void batchPhi(const Batch& p) {
  BatchTile tile(p, blockIdx.x);
  phiForwardTile(tile.group.forward.phi, tile.row0);
}

template <class T>
DEVICE void batchExpand(const Batch& p) {
  BatchTile tile(p, blockIdx.y);
  expandTile<T, 1, false>(tile.group.forward.up, tile.row0, ListedRow{tile.group.rows});
}

// Z and shares of dU to dZ, and what the gradients of phi's own parameters are sums of.
DEVICE void phiBackwardTile(const Phi& p) {
  SHARED_MEMORY(shared);
  int ldz = static_cast<int>(p.ldZ);
  int64_t row0 = p.rows * static_cast<int64_t>(blockIdx.x);
  int rows = least(p.rows, static_cast<int>(p.n - row0));
  bool fixed = p.kind == AURORA && p.fixedTerm;
  int bases = p.gridSize + 3;
  float* z = shared;
  float* g = z + p.rows * ldz;                            // v * dU, [rows, r]
  float* t = g + p.rows * p.r;
  float* da = t + (fixed ? p.rows * p.r : 0);             // [rows, r]
  float* q = da + (fixed ? p.rows * p.r : 0);
  float* mixed = q + (hasSumSpline(p) ? p.rows * bases : 0);  // [rows, K]
  for (int i = threadIdx.x; i < rows * ldz; i += blockDim.x) {
    z[i] = p.z[row0 * p.ldZ + i];
  }
  __syncthreads();
  PhiTile tile = {z, t, q, ldz, rows};
  preparePhi(p, tile);
  for (int i = threadIdx.x; i < rows * p.r; i += blockDim.x) {
    int row = i / p.r;
    int j = i - row * p.r;
    int64_t at = (row0 + row) * p.ldU + j;
    const float* partial = p.partial + (row0 + row) * p.partialRow + j;
    float dU = 0.0f;
#pragma unroll 8
    for (int share = 0; share < p.partials; share++) {
      dU += partial[share * p.partialStride];
    }
    dU *= p.scale;
    dU = p.mask.on ? p.mask.kept * maskEntry(p.mask, row0 + row, p.r, j) * dU : dU;
    if (p.v != nullptr) {
      if (p.dvTerms != nullptr) {
        p.dvTerms[at] = dU * phiValue(p, tile, row, j);
      }
      dU *= p.v[j];
    }
    g[i] = dU;
    if (p.g != nullptr) {
      p.g[at] = dU;
    }
    if (fixed) {
      float a = mix(p.matrixTransposed, t + row * p.r, p.r, j);
      float value = dU * slope(p.activation, a);
      da[i] = value;
      if (p.da != nullptr) {
        p.da[at] = value;
        p.t[at] = t[i];
      }
    }
    if (p.kind == SWISH && p.dBetaTerms != nullptr) {
      float zj = z[row * ldz + j];
      float s = sigmoid(p.beta[j] * zj);
      p.dBetaTerms[at] = dU * zj * zj * s * (1.0f - s);
    }
  }
  __syncthreads();
  if (hasSumSpline(p)) {
    for (int i = threadIdx.x; i < rows * bases; i += blockDim.x) {
      int row = i / bases;
      int m = i - row * bases;
      float sum = 0.0f;
      for (int j = 0; j < p.r; j++) {
        sum = fmaf(g[row * p.r + j], p.spline[j * bases + m], sum);
      }
      mixed[i] = sum;
      if (p.q != nullptr) {
        p.q[(row0 + row) * p.ldQ + m] = q[i];
      }
    }
    __syncthreads();
  }
  for (int i = threadIdx.x; i < rows * ldz; i += blockDim.x) {
    int row = i / ldz;
    int column = i - row * ldz;
    float value = column < p.ra
        ? phiGradient(
            p, tile, g + row * p.r, da + row * p.r, mixed + row * bases, row, column)
        : 0.0f;
    p.dz[row0 * p.ldZ + i] = value;
    putParts(p, row0 + row, p.ldZ, column, value);
  }
}

// D of the product `outer` for the gradient of a spline FULL: column (i, m) is b_m(z_i).
struct SplineOuter {
  Product product;
  ColumnSums source;
};

struct FullSpline {
  using Order = F32;
  static constexpr int SLOTS = 0;
  const Product& p;
  const ColumnSums& s;

  DEVICE void fetch(int, int, int, float*) const {}

  DEVICE void take(int n0, int end, int k0, const float*, float (&value)[2][8]) const {
    int bases = s.gridSize + 3;
#pragma unroll
    for (int half = 0; half < 2; half++) {
      int row = n0 + (laneId() & 3) + 4 * half;
#pragma unroll
      for (int e = 0; e < 8; e++) {
        int k = runColumn<F32>(k0, laneId() >> 2, 8, e >> 2) + (e & 3);
        int i = k / bases;
        value[half][e] = k < p.k && row < end
            ? Bases<ColumnSums>(s, s.z[row * s.ldZ + i]).at(k - i * bases)
            : 0.0f;
      }
    }
  }
};

// Shares of sums over rows: 32 columns a block, one row in eight a thread.
DEVICE void columnSumsTile(const ColumnSums& p) {
  SHARED_MEMORY(shared);
  int lane = laneId();
  int column = 32 * static_cast<int>(blockIdx.x) + lane;
  int first = p.split * static_cast<int>(blockIdx.y);
  int bases = p.gridSize + 3;
  int j = p.z != nullptr ? column / bases : column;
  float sum = 0.0f;
  if (column < p.columns) {
    for (int row = first + warpId(); row < least(first + p.split, p.n); row += WARPS) {
      float term = p.terms[row * p.ld + j];
      if (p.z != nullptr) {
        term *= Bases<ColumnSums>(p, p.z[row * p.ldZ + j]).at(column - j * bases);
      }
      sum += term;
    }
  }
  shared[threadIdx.x] = sum;
  __syncthreads();
  if (warpId() == 0 && column < p.columns) {
    for (int warp = 1; warp < WARPS; warp++) {
      sum += load4(shared + 32 * warp + lane);
    }
    p.partial[blockIdx.y * p.ldP + column] = sum;
  }
}

// 32 rows and 32 columns of the sums, which may be put out transposed.
DEVICE void reduceTile(const Reduction& p) {
  SHARED_MEMORY(shared);
  constexpr int PITCH = 33;
  constexpr int OWN = 32 / WARPS;
  int row0 = 32 * static_cast<int>(blockIdx.y);
  int column0 = 32 * static_cast<int>(blockIdx.x);
  int column = column0 + laneId();
  float sum[OWN] = {};
#pragma unroll 8
  for (int share = 0; share < p.count; share++) {
#pragma unroll
    for (int i = 0; i < OWN; i++) {
      int row = row0 + WARPS * i + warpId();
      if (row < p.rows && column < p.columns) {
        sum[i] += p.partial[share * p.stride + row * p.ldP + column];
      }
    }
  }
  float factor = p.gain != nullptr && column < p.columns ? p.factor * p.gain[column] : p.factor;
#pragma unroll
  for (int i = 0; i < OWN; i++) {
    shared[(WARPS * i + warpId()) * PITCH + laneId()] = factor * sum[i];
  }
  __syncthreads();
#pragma unroll
  for (int i = 0; i < OWN; i++) {
    int far = WARPS * i + warpId();
    int row = row0 + (p.transposed ? laneId() : far);
    int at = column0 + (p.transposed ? far : laneId());
    if (row < p.rows && at < p.columns) {
      float value = shared[(row - row0) * PITCH + at - column0];
      float* out = p.out + (p.transposed ? at * p.ldOut + row : row * p.ldOut + at);
      *out = p.accumulate ? *out + value : value;
    }
  }
}

DEVICE void gainColumns(const GainGradient& p) {
  int column = THREADS * static_cast<int>(blockIdx.x) + static_cast<int>(threadIdx.x);
  if (column >= p.columns) {
    return;
  }
  float total = 0.0f;
  for (int j = 0; j < p.r; j++) {
    float sum = 0.0f;
    for (int i = 0; i < p.count; i++) {
      sum += p.partial[i * p.stride + j * p.ldP + column];
    }
    total = fmaf(p.b[j * p.ldB + column], sum, total);
  }
  total *= p.factor;
  p.out[column] = p.accumulate ? p.out[column] + total : total;
}

template <class T>
DEVICE void packColumns(const Pack& p) {
  int64_t row = blockIdx.x;
  int column = THREADS * static_cast<int>(blockIdx.y) + static_cast<int>(threadIdx.x);
  if (column >= p.columns) {
    return;
  }
  float value = T::get(static_cast<const typename T::Storage*>(p.in) + row * p.ldIn + column);
  value = p.gain != nullptr ? p.gain[row] * value : value;
  int64_t at = p.transposed ? column * p.ldOut + row : row * p.ldOut + column;
  p.out[at] = value;
  if (p.parts != nullptr) {
    Parts parts(value);
    p.parts[at] = parts.lowest;
    p.parts[at + p.partStride] = parts.low;
    p.parts[at + 2 * p.partStride] = parts.high;
    p.parts[at + 3 * p.partStride] = parts.high;
  }
}

// In double, each result rounded once: the bits of the CPU's AdamW.
DEVICE void adamWElement(const AdamW& p) {
  int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= p.count) {
    return;
  }
  int64_t row = i / p.columns;
  int64_t column = i - row * p.columns;
  float* w = p.w + row * p.ldW + column;
  double g = p.g[row * p.ldG + column];
  double m = p.m[i];
  double v = p.v[i];
  // Written out, so that no compiler fuses a multiplication with an addition.
  m = __dadd_rn(m, __dmul_rn(1.0 - p.beta1, g - m));
  v = __dadd_rn(__dmul_rn(p.beta2, v), __dmul_rn(__dmul_rn(1.0 - p.beta2, g), g));
  double direction = m / (sqrt(v) / p.rootCorrection + p.epsilon);
  double kept = __dmul_rn(p.keep, static_cast<double>(*w));
  p.m[i] = static_cast<float>(m);
  p.v[i] = static_cast<float>(v);
  *w = static_cast<float>(__dsub_rn(kept, __dmul_rn(p.stepSize, direction)));
}

}  // namespace borealis

using namespace borealis;

// One name for each type: borealis_<what>_<type>[_<tile>]. `blocks`: that a multiprocessor should hold
// of the kernels that have the most in registers.
#define KERNELS_OF_TYPE(T, type, blocks)                                                          \
  KERNEL(borealis_forward_##type##_16, Forward, THREADS, 1) {                                     \
    afterLastLaunch(); forward<T, 2>(p);                                                          \
  }                                                                                               \
  KERNEL(borealis_forward_##type##_32, Forward, THREADS, 1) {                                     \
    afterLastLaunch(); forward<T, 4>(p);                                                          \
  }                                                                                               \
  KERNEL(borealis_up_##type, Forward, THREADS, 2) { up<T>(p); }                                   \
  KERNEL(borealis_decode_##type, Forward, THREADS, 2) { afterLastLaunch(); decode<T>(p); }        \
  KERNEL(borealis_contract_##type, Product, THREADS, blocks) {                                    \
    afterLastLaunch();                                                                            \
    contractTile<T>(p, ROWS * static_cast<int>(blockIdx.y));                                      \
  }                                                                                               \
  KERNEL(borealis_contract_tall_##type, Product, THREADS, blocks) {                                    \
    afterLastLaunch();                                                                            \
    p.lowW ? contractTall<T, true>(p) : contractTall<T, false>(p);                                                                           \
  }                                                                                               \
  KERNEL(borealis_expand_##type, Product, THREADS, 2) {                                           \
    afterLastLaunch();                                                                            \
    expandTile<T, 2, true>(p, 64 * static_cast<int>(blockIdx.y));                                 \
  }                                                                                               \
  KERNEL(borealis_batch_contract_##type, Batch, THREADS, 2) {                                \
    afterLastLaunch(); batchContract<T>(p);                                                       \
  }                                                                                               \
  KERNEL(borealis_batch_expand_##type, Batch, THREADS, 2) {                                       \
    afterLastLaunch(); batchExpand<T>(p);                                                         \
  }                                                                                               \
  KERNEL(borealis_outer_##type##_16, Product, THREADS, 2) {                                       \
    afterLastLaunch();                                                                            \
    outerTile<Streamed<T>, 1>(p, Streamed<T>{p});                                                 \
  }                                                                                               \
  KERNEL(borealis_outer_##type##_32, Product, THREADS, 2) {                                  \
    afterLastLaunch();                                                                            \
    outerTile<Streamed<T>, 2>(p, Streamed<T>{p});                                                 \
  }                                                                                               \
  KERNEL(borealis_pack_##type, Pack, THREADS, 2) { afterLastLaunch(); packColumns<T>(p); }        \
  KERNEL(borealis_widen_##type, Widen, THREADS, 2) { afterLastLaunch(); widenRow<T>(p); }         \
  KERNEL(borealis_merge_add_##type, MergeAdd, THREADS, 2) { afterLastLaunch(); mergeAdd<T>(p); }  \
  KERNEL(borealis_fingerprint_##type, Fingerprint, THREADS, 2) {                                  \
    afterLastLaunch(); fingerprintRow<T>(p);                                                      \
  }

KERNELS_OF_TYPE(F32, f32, 1)
KERNELS_OF_TYPE(BF16, bf16, 2)
KERNELS_OF_TYPE(F16, f16, 2)

KERNEL(borealis_outer_spline, SplineOuter, THREADS, 2) {
  afterLastLaunch();
  outerTile<FullSpline, 1>(p.product, FullSpline{p.product, p.source});
}
KERNEL(borealis_phi_forward, Phi, THREADS, 2) {
  afterLastLaunch();
  phiForwardTile(p, p.rows * static_cast<int64_t>(blockIdx.x));
}
KERNEL(borealis_batch_phi, Batch, THREADS, 2) { afterLastLaunch(); batchPhi(p); }
KERNEL(borealis_phi_backward, Phi, THREADS, 2) { afterLastLaunch(); phiBackwardTile(p); }
KERNEL(borealis_column_sums, ColumnSums, THREADS, 2) { afterLastLaunch(); columnSumsTile(p); }
KERNEL(borealis_reduce, Reduction, THREADS, 2) { afterLastLaunch(); reduceTile(p); }
KERNEL(borealis_gain_gradient, GainGradient, THREADS, 2) { afterLastLaunch(); gainColumns(p); }
KERNEL(borealis_adamw, AdamW, THREADS, 2) { afterLastLaunch(); adamWElement(p); }
KERNEL(borealis_merge_product, MergeProduct, THREADS, 2) { afterLastLaunch(); mergeProduct(p); }
KERNEL(borealis_merge_phi, MergePhi, THREADS, 2) { afterLastLaunch(); mergePhi(p); }
KERNEL(borealis_merge_centre, MergeCentre, THREADS, 2) { afterLastLaunch(); mergeCentre(p); }
