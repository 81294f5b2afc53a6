// The three products that every pass is made of, on tensor cores, with packed weights W [r, k]:
//
//   contract  C[n, j] = sum over k of D[n, k] W[j, k]     down-projection; dU from dY
//   expand    Y[n, k] = sum over j of U[n, j] W[j, k]     up-projection; dX from dZ
//   outer     G[j, k] = sum over n of U[n, j] D[n, k]     dA, dB
//
// Operands are tf32, which holds every BF16 and F16 exactly; an F32 operand is the sum of two tf32,
// and the product of two such is three products (the fourth is below fp32's last place). So one
// kernel serves every type, at fp32's accuracy. An infinite F32 element gives NaN.
//
// Fragments come from memory straight into registers in 16-byte accesses, without a detour through
// shared memory: an index that is summed over may be permuted if both operands are, and so may the
// columns of the result, so each thread takes neighbours. In a warp, g = lane / 4 and t = lane % 4.
#pragma once

#include "elements.cuh"

namespace borealis {

constexpr int WARPS = 8;
constexpr int THREADS = 32 * WARPS;

DEVICE int laneId() { return static_cast<int>(threadIdx.x) & 31; }
DEVICE int warpId() { return static_cast<int>(threadIdx.x) >> 5; }

// value = high + low, both of tf32, up to 2^-24 of it; so is the product of two lows, which is left
// out. Both are rounded to nearest: with a truncated high that product would reach 2^-20.
struct Split {
  uint32_t high;
  uint32_t low;
};

// Nearest tf32, ties away from zero. A NaN may become a number: then the low half is the NaN.
DEVICE uint32_t nearestTf32(float value) { return (__float_as_uint(value) + 0x1000u) & 0xffffe000u; }

DEVICE Split split(float value) {
  uint32_t high = nearestTf32(value);
  float low = value - __uint_as_float(high);
  return {high, low == low ? nearestTf32(low) : 0x7fc00000u};
}

// An element of D: a 16-bit one is a tf32 as it is, its NaN too.
template <class T>
DEVICE Split splitElement(float value) {
  if constexpr (T::EXACT) {
    return {__float_as_uint(value), 0};
  } else {
    return split(value);
  }
}

// c += a b; lowA and lowB: whether the low halves count. Uniform over the warp. Tensor cores round
// their sums toward zero, so that one over many steps would drift: theirs are of one step each, the
// small terms first, and are added up by an instruction that rounds to nearest.
DEVICE void multiplyAdd(
    float (&c)[4], const Split (&a)[4], const Split (&b)[2], bool lowA, bool lowB) {
  uint32_t highA[4] = {a[0].high, a[1].high, a[2].high, a[3].high};
  uint32_t highB[2] = {b[0].high, b[1].high};
  float step[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  if (lowA) {
    uint32_t low[4] = {a[0].low, a[1].low, a[2].low, a[3].low};
    mma(step, low, highB);
  }
  if (lowB) {
    uint32_t low[2] = {b[0].low, b[1].low};
    mma(step, highA, low);
  }
  mma(step, highA, highB);
#pragma unroll
  for (int i = 0; i < 4; i++) {
    c[i] += step[i];
  }
}

// Which row of a streamed matrix a row of a call is: itself, or one of a list.
struct OwnRow {
  DEVICE int64_t operator()(int64_t row) const { return row; }
};

struct ListedRow {
  const int32_t* rows;
  DEVICE int64_t operator()(int64_t row) const { return rows[row]; }
};

// Adds to 16 MT rows from row0 and 8 NT columns from j0 of C what columns first, first + stride, ..
// below last contribute, 32 at a time. Fragment (m, j) is C's rows 16m + g, + 8, columns
// 8j + 2t, + 1.
template <class T, int MT, int NT, class Row = OwnRow>
DEVICE void contract(
    const Product& p, int row0, int j0, int first, int last, int stride, float (&c)[MT][NT][4],
    Row rowOf = {}) {
  const auto* d = static_cast<const typename T::Storage*>(p.d);
  const int g = laneId() >> 2;
  const int t = laneId() & 3;
  for (int k0 = first; k0 < last; k0 += stride) {
    float value[MT][2][8];
#pragma unroll
    for (int m = 0; m < MT; m++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        int row = row0 + 16 * m + 8 * half + g;
        if (row < p.n) {
          loadRuns<T>(d + rowOf(row) * p.ldD, k0, t, 4, p.k, p.vectorD, value[m][half]);
          if (p.mask.on) {
            maskRuns<T>(p.mask, row, k0, t, 4, p.k, value[m][half]);
          }
        } else {
#pragma unroll
          for (int i = 0; i < 8; i++) {
            value[m][half][i] = 0.0f;
          }
        }
      }
    }
#pragma unroll
    for (int run = 0; run < 2; run++) {
      Split a[MT][2][4];
#pragma unroll
      for (int m = 0; m < MT; m++) {
#pragma unroll
        for (int step = 0; step < 2; step++) {
          int i = 4 * run + 2 * step;
          a[m][step][0] = splitElement<T>(value[m][0][i]);
          a[m][step][1] = splitElement<T>(value[m][1][i]);
          a[m][step][2] = splitElement<T>(value[m][0][i + 1]);
          a[m][step][3] = splitElement<T>(value[m][1][i + 1]);
        }
      }
      int column = runColumn<T>(k0, t, 4, run);
#pragma unroll
      for (int j = 0; j < NT; j++) {
        // W's rows are padded to 16: beyond them there is nothing to read.
        if (j0 + 8 * (j & ~1) < p.r) {
          float4 w = global16(p.w + (j0 + 8 * j + g) * p.ldW + column);
          Split b[2][2] = {{split(w.x), split(w.y)}, {split(w.z), split(w.w)}};
#pragma unroll
          for (int step = 0; step < 2; step++) {
#pragma unroll
            for (int m = 0; m < MT; m++) {
              multiplyAdd(c[m][j], a[m][step], b[step], !T::EXACT, p.lowW);
            }
          }
        }
      }
    }
  }
}

// Sums the warps' fragments in their order, and hands C's elements (row, column) to `sink`. `shared`
// has WARPS * 16 MT * (8 NT + 8) floats; all threads call.
template <int MT, int NT, class Sink>
DEVICE void sumOverWarps(float* shared, const float (&c)[MT][NT][4], Sink sink) {
  constexpr int ROWS = 16 * MT;
  constexpr int COLUMNS = 8 * NT;
  constexpr int PITCH = COLUMNS + 8;  // spreads a half-warp's 8-byte stores over all banks
  const int g = laneId() >> 2;
  const int t = laneId() & 3;
  float* own = shared + warpId() * ROWS * PITCH;
#pragma unroll
  for (int m = 0; m < MT; m++) {
#pragma unroll
    for (int j = 0; j < NT; j++) {
      store8(own + (16 * m + g) * PITCH + 8 * j + 2 * t, {c[m][j][0], c[m][j][1]});
      store8(own + (16 * m + g + 8) * PITCH + 8 * j + 2 * t, {c[m][j][2], c[m][j][3]});
    }
  }
  __syncthreads();
#pragma unroll
  for (int i = 0; i < ROWS * COLUMNS / THREADS; i++) {
    int element = i * THREADS + static_cast<int>(threadIdx.x);
    int row = element / COLUMNS;
    int column = element % COLUMNS;
    if constexpr (COLUMNS == 16) {
      // A warp reads two rows: two apart they have banks of their own, next to each other not.
      row = (row & ~3) | (row & 1) << 1 | (row >> 1 & 1);
    }
    float sum = 0.0f;
#pragma unroll
    for (int warp = 0; warp < WARPS; warp++) {
      sum += load4(shared + (warp * ROWS + row) * PITCH + column);
    }
    sink(row, column, sum);
  }
}

// Computes 16 MT rows from row0 and 32 columns from k0 of Y and puts them out. `u` is the row tile's
// own, in shared or global memory; rows from `rows` on are not read. MASKED: p.mask may be on.
template <class T, int MT, bool MASKED, class Row = OwnRow>
DEVICE void expand(
    const Product& p, const float* u, int64_t ldU, int rows, int row0, int k0, Row rowOf = {}) {
  const int g = laneId() >> 2;
  const int t = laneId() & 3;
  float c[MT][4][4] = {};
  for (int j0 = 0; j0 < p.r; j0 += 8) {
    // Lane t takes ranks j0 + 2t, + 1 as the fragments' t and t + 4.
    float2 value[MT][2];
#pragma unroll
    for (int m = 0; m < MT; m++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        int row = 16 * m + 8 * half + g;
        value[m][half] = row < rows ? load8(u + row * ldU + j0 + 2 * t) : float2{0, 0};
      }
    }
    const float* w = p.w + (j0 + 2 * t) * p.ldW + k0 + 4 * g;
    float4 even = global16(w);
    float4 odd = global16(w + p.ldW);
    Split b[4][2] = {
        {split(even.x), split(odd.x)},
        {split(even.y), split(odd.y)},
        {split(even.z), split(odd.z)},
        {split(even.w), split(odd.w)}};
#pragma unroll
    for (int m = 0; m < MT; m++) {
      Split a[4] = {
          split(value[m][0].x), split(value[m][1].x),
          split(value[m][0].y), split(value[m][1].y)};
#pragma unroll
      for (int i = 0; i < 4; i++) {
        multiplyAdd(c[m][i], a, b[i], true, p.lowW);
      }
    }
  }
  // Fragment i's column c is column 4c + i of the 32: a thread's columns are neighbours.
  int column = k0 + 8 * t;
  if (column >= p.k) {
    return;
  }
  float bias[8];
#pragma unroll
  for (int i = 0; i < 8; i++) {
    bias[i] = p.bias != nullptr && column + i < p.k ? p.bias[column + i] : 0.0f;
  }
#pragma unroll
  for (int m = 0; m < MT; m++) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      int local = 16 * m + 8 * half + g;
      if (local >= rows) {
        continue;
      }
      float value[8];
#pragma unroll
      for (int i = 0; i < 8; i++) {
        value[i] = fmaf(p.scale, c[m][i & 3][2 * half + (i >> 2)], bias[i]);
      }
      int64_t row = row0 + local;
      if (MASKED && p.mask.on) {
        // BF16's order: the eight are neighbours, whatever their type.
        maskRuns<BF16>(p.mask, row, k0, t, 4, p.k, value);
      }
      int64_t at = rowOf(row) * p.ldOut;
      if (T::EXACT && p.outF32) {
        update8<F32>(static_cast<float*>(p.out) + at, column, p.k, p.vectorOut,
            p.accumulate, value);
      } else {
        update8<T>(static_cast<typename T::Storage*>(p.out) + at, column, p.k,
            p.vectorOut, p.accumulate, value);
      }
    }
  }
}

// D of the product `outer`: a matrix in memory.
template <class T>
struct Streamed {
  using Order = T;
  const Product& p;

  DEVICE void load(int row, int k0, int g, float (&value)[8]) const {
    const auto* d = static_cast<const typename T::Storage*>(p.d);
    loadRuns<T>(d + row * p.ldD, k0, g, 8, p.k, p.vectorD, value);
    if (p.mask.on) {
      maskRuns<T>(p.mask, row, k0, g, 8, p.k, value);
    }
  }
};

// Sums of 16 MJ rows from j0 and 64 columns from k0 of G, over rows of D.
template <class Source, int MJ>
struct Outer {
  using T = typename Source::Order;
  float c[MJ][8][4] = {};
  float sums[8] = {};

  // Adds rows [begin, end), eight at a time.
  DEVICE void add(const Product& p, const Source& source, int j0, int k0, int begin, int end) {
    const int g = laneId() >> 2;
    const int t = laneId() & 3;
    for (int n0 = begin; n0 < end; n0 += 8) {
      float value[2][8];
      float2 u[MJ][2];
#pragma unroll
      for (int half = 0; half < 2; half++) {
        int row = n0 + t + 4 * half;
        bool inside = row < end;
        if (inside) {
          source.load(row, k0, g, value[half]);
        } else {
#pragma unroll
          for (int i = 0; i < 8; i++) {
            value[half][i] = 0.0f;
          }
        }
#pragma unroll
        for (int m = 0; m < MJ; m++) {
          int j = j0 + 16 * m;
          u[m][half] = inside && j < p.r ? load8(p.u + row * p.ldU + j + 2 * g) : float2{0, 0};
        }
      }
      Split a[MJ][4];
#pragma unroll
      for (int m = 0; m < MJ; m++) {
        // The fragment's rows g and g + 8 are rows 2g and 2g + 1 of G.
        a[m][0] = split(u[m][0].x);
        a[m][1] = split(u[m][0].y);
        a[m][2] = split(u[m][1].x);
        a[m][3] = split(u[m][1].y);
      }
#pragma unroll
      for (int i = 0; i < 8; i++) {
        Split b[2] = {splitElement<T>(value[0][i]), splitElement<T>(value[1][i])};
        sums[i] += value[0][i] + value[1][i];
#pragma unroll
        for (int m = 0; m < MJ; m++) {
          multiplyAdd(c[m][i], a[m], b, true, !T::EXACT);
        }
      }
    }
  }

  // Writes the sums as this block's share: rows of `partial` are W's, padded to 32.
  DEVICE void store(const Product& p, int split, int j0, int k0) const {
    const int g = laneId() >> 2;
    const int t = laneId() & 3;
    int64_t rows = (p.r + 31) / 32 * 32;
#pragma unroll
    for (int m = 0; m < MJ; m++) {
#pragma unroll
      for (int odd = 0; odd < 2; odd++) {
        float* row = p.partial + (split * rows + j0 + 16 * m + 2 * g + odd) * p.ldW + k0;
#pragma unroll
        for (int run = 0; run < 2; run++) {
#pragma unroll
          for (int side = 0; side < 2; side++) {
            const auto& f = c[m];
            int at = 2 * odd + side;
            store16(row + runColumn<T>(0, 2 * t + side, 8, run),
                {f[4 * run][at], f[4 * run + 1][at], f[4 * run + 2][at], f[4 * run + 3][at]});
          }
        }
      }
    }
  }

  // Writes the sums of D's columns over the block's rows.
  DEVICE void storeColumnSums(const Product& p, int split, int k0) {
#pragma unroll
    for (int i = 0; i < 8; i++) {
      sums[i] += __shfl_xor_sync(0xffffffffu, sums[i], 1);
      sums[i] += __shfl_xor_sync(0xffffffffu, sums[i], 2);
    }
    const int g = laneId() >> 2;
    if ((laneId() & 3) == 0) {
      float* row = p.columnSums + split * p.ldW;
#pragma unroll
      for (int run = 0; run < 2; run++) {
        store16(row + runColumn<T>(k0, g, 8, run),
            {sums[4 * run], sums[4 * run + 1], sums[4 * run + 2], sums[4 * run + 3]});
      }
    }
  }
};

}  // namespace borealis
