// Merges: an adapter's weight for its base layer, in double and rounded once, as on the CPU. They are
// made once in an adapter's life, so these kernels are short rather than tuned: the products have
// tiles in shared memory and take any strides.
#pragma once

#include "phi.cuh"

namespace borealis {

constexpr int MERGE_TILE = 64;   // rows and columns of a block's C
constexpr int MERGE_DEPTH = 16;  // of the inner index at a time
constexpr int MERGE_PITCH = MERGE_TILE + 1;  // of the tile that is transposed: spreads it over all banks

// out = factor * rowGain * columnGain * in, one row a block; and the first column that is not finite.
template <class T>
DEVICE void widenRow(const Widen& p) {
  SHARED_MEMORY(shared);
  auto* firsts = reinterpret_cast<int32_t*>(shared);
  int64_t row = blockIdx.x;
  const auto* in = static_cast<const typename T::Storage*>(p.in) + row * p.ldIn;
  double gain = p.rowGain != nullptr ? p.factor * p.rowGain[row] : p.factor;
  int first = p.columns;
  for (int column = threadIdx.x; column < p.columns; column += THREADS) {
    float value = T::get(in + column);
    if (first == p.columns && !(fabsf(value) < INFINITY)) {
      first = column;
    }
    p.out[row * p.columns + column] =
        (p.columnGain != nullptr ? gain * p.columnGain[column] : gain) * value;
  }
  if (p.notFinite != nullptr) {
    firsts[threadIdx.x] = first;
    __syncthreads();
    if (threadIdx.x == 0) {
      for (int i = 1; i < THREADS; i++) {
        first = firsts[i] < first ? firsts[i] : first;
      }
      p.notFinite[row] = first;
    }
  }
}

// C = P Q + addend, a tile of C a block; a thread has rows and columns 16 apart.
DEVICE void mergeProduct(const MergeProduct& p) {
  SHARED_MEMORY(shared);
  auto* left = reinterpret_cast<double*>(shared);   // [depth, rows]
  double* right = left + MERGE_DEPTH * MERGE_PITCH;  // [depth, columns]
  int thread = static_cast<int>(threadIdx.x);
  int ty = thread / 16;
  int tx = thread % 16;
  int64_t row0 = static_cast<int64_t>(MERGE_TILE) * blockIdx.x;
  int64_t column0 = static_cast<int64_t>(MERGE_TILE) * blockIdx.y;
  double c[4][4] = {};
  for (int64_t k0 = 0; k0 < p.inner; k0 += MERGE_DEPTH) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      int m = ty + 16 * i;
      int n = thread % MERGE_TILE;
      int k = thread / MERGE_TILE + 4 * i;
      bool inLeft = row0 + m < p.rows && k0 + tx < p.inner;
      bool inRight = column0 + n < p.columns && k0 + k < p.inner;
      store8(left + tx * MERGE_PITCH + m,
          inLeft ? p.p[(row0 + m) * p.pRow + (k0 + tx) * p.pColumn] : 0.0);
      store8(right + k * MERGE_TILE + n,
          inRight ? p.q[(k0 + k) * p.qRow + (column0 + n) * p.qColumn] : 0.0);
    }
    __syncthreads();
    for (int k = 0; k < MERGE_DEPTH; k++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        double a = load8(left + k * MERGE_PITCH + ty + 16 * i);
#pragma unroll
        for (int j = 0; j < 4; j++) {
          c[i][j] = fma(a, load8(right + k * MERGE_TILE + tx + 16 * j), c[i][j]);
        }
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < 4; i++) {
#pragma unroll
    for (int j = 0; j < 4; j++) {
      int64_t row = row0 + ty + 16 * i;
      int64_t column = column0 + tx + 16 * j;
      if (row < p.rows && column < p.columns) {
        double value = c[i][j];
        if (p.addend != nullptr) {
          value += p.addend[row * p.addRow + column * p.addColumn];
        }
        if (p.outF32) {
          static_cast<float*>(p.out)[row * p.columns + column] = static_cast<float>(value);
        } else {
          static_cast<double*>(p.out)[row * p.columns + column] = value;
        }
      }
    }
  }
}

DEVICE double exactSigmoid(double z) { return 1.0 / (1.0 + exp(-z)); }

DEVICE double exactActivation(int32_t activation, double z) {
  switch (activation) {
    case RELU: return z > 0.0 ? z : z * 0.0;  // NaN stays NaN
    case LEAKY_RELU: return z > 0.0 ? z : 0.01 * z;
    case GELU: return z * (0.5 * erfc(z * -0.70710678118654752));
    case GELU_TANH:
      return 0.5 * z * (1.0 + tanh(0.79788456080286536 * (z + 0.044715 * z * z * z)));
    case SILU: return z * exactSigmoid(z);
    case TANH: return tanh(z);
    case SIGMOID: return exactSigmoid(z);
    default: return z;
  }
}

// sum over m of w[m] b_m(z): at most four bases are not 0.
DEVICE double exactSpline(const MergePhi& p, const double* w, double z) {
  double place = (z - p.gridMin) / p.step;
  if (place != place) {
    return place;
  }
  int bases = p.gridSize + 3;
  double sum = 0.0;
  if (place > -3.0 && place < static_cast<double>(bases)) {
    int first = static_cast<int>(floor(place));
    for (int m = first < 0 ? 0 : first; m < first + 4 && m < bases; m++) {
      double d = fabs((z - (p.gridMin + (m - 1) * p.step)) / p.step);
      double outer = fmax(0.0, 2.0 - d);
      double inner = fmax(0.0, 1.0 - d);
      double basis = (outer * outer * outer - 4.0 * inner * inner * inner) / 6.0;
      sum = fma(w[m], basis, sum);
    }
  }
  return sum;
}

DEVICE double exactMix(const double* row, const double* x, int r) {
  double sum = 0.0;
  for (int i = 0; i < r; i++) {
    sum = fma(row[i], x[i], sum);
  }
  return sum;
}

DEVICE double exactAurora(const MergePhi& p, const double* z, const double* t, int j) {
  double value = 0.0;
  if (p.fixedTerm) {
    value = exactActivation(p.activation, exactMix(p.matrix + static_cast<int64_t>(j) * p.r, t, p.r));
  }
  if (p.splineTerm) {
    int64_t bases = p.gridSize + 3;
    if (p.splineMode == CHANNEL) {
      value += exactSpline(p, p.spline + j * bases, z[j]);
    } else {
      for (int i = 0; i < p.r; i++) {
        int64_t row = p.splineMode == SUM ? j : static_cast<int64_t>(j) * p.r + i;
        value += exactSpline(p, p.spline + row * bases, z[i]);
      }
    }
  }
  return value;
}

// U = v * phi(Z), one row a block.
DEVICE void mergePhi(const MergePhi& p) {
  SHARED_MEMORY(shared);
  auto* z = reinterpret_cast<double*>(shared);
  double* t = z + p.ra;
  int64_t row = blockIdx.x;
  for (int i = threadIdx.x; i < p.ra; i += THREADS) {
    z[i] = p.z[row * p.zRow + i * p.zColumn];
    if (p.kind == AURORA && p.fixedTerm) {
      t[i] = exactActivation(p.activation, z[i]);
    }
  }
  __syncthreads();
  for (int j = threadIdx.x; j < p.r; j += THREADS) {
    double value;
    switch (p.kind) {
      case SWISH: value = z[j] * exactSigmoid(p.beta[j] * z[j]); break;
      case SWIGLU: value = z[j] * exactSigmoid(z[j]) * z[p.r + j]; break;
      case MIXER: value = exactMix(p.matrix + static_cast<int64_t>(j) * p.r, z, p.r); break;
      case AURORA: value = exactAurora(p, z, t, j); break;
      default: value = exactActivation(p.activation, z[j]);
    }
    p.u[row * p.uRow + j * p.uColumn] = p.v != nullptr ? p.v[j] * value : value;
  }
}

// Subtracts the means of 32 columns; a warp has one row in eight.
DEVICE void mergeCentre(const MergeCentre& p) {
  SHARED_MEMORY(shared);
  auto* sums = reinterpret_cast<double*>(shared);
  int column = 32 * static_cast<int>(blockIdx.x) + laneId();
  bool inside = column < p.columns;
  double sum = 0.0;
  for (int64_t row = warpId(); inside && row < p.rows; row += WARPS) {
    sum += p.values[row * p.columns + column];
  }
  sums[threadIdx.x] = sum;
  __syncthreads();
  double mean = 0.0;
  for (int warp = 0; warp < WARPS; warp++) {
    mean += sums[32 * warp + laneId()];
  }
  mean /= p.rows;
  for (int64_t row = warpId(); inside && row < p.rows; row += WARPS) {
    p.values[row * p.columns + column] -= mean;
  }
  if (inside && warpId() == 0) {
    p.mean[column] = mean;
  }
}

// a + b rounded to odd: if it is not exact, that neighbour whose last bit is set. Rounded again to at
// most 22 bits it gives what the exact sum gives (Boldo and Melquiond, 2008).
DEVICE float sumToOdd(float a, float b) {
  float sum = a + b;
  uint32_t bits = __float_as_uint(sum);
  float part = sum - a;
  float error = (a - (sum - part)) + (b - part);
  if (!(fabsf(sum) < INFINITY) || error == 0.0f || (bits & 1) != 0) {
    return sum;
  }
  return __uint_as_float((error > 0.0f) == (sum > 0.0f) ? bits + 1 : bits - 1);
}

template <class T>
DEVICE void mergeAdd(const MergeAdd& p) {
  int64_t row = blockIdx.x;
  int column = THREADS * static_cast<int>(blockIdx.y) + static_cast<int>(threadIdx.x);
  if (column >= p.columns) {
    return;
  }
  auto* w = static_cast<typename T::Storage*>(p.w) + row * p.ldW + column;
  float old = T::get(w);
  float change = p.delta[row * p.columns + column];
  T::set(w, T::EXACT ? sumToOdd(old, change) : old + change);
}

// A bijection of the hash and of the bits.
DEVICE uint64_t hashOf(uint64_t hash, uint64_t bits) {
  hash = (hash ^ bits) * 0x9e3779b97f4a7c15u;
  return hash ^ hash >> 32;
}

// A hash of each row: of each thread's elements, and of the threads' hashes.
template <class T>
DEVICE void fingerprintRow(const Fingerprint& p) {
  SHARED_MEMORY(shared);
  auto* hashes = reinterpret_cast<uint64_t*>(shared);
  int64_t row = blockIdx.x;
  const auto* in = static_cast<const typename T::Storage*>(p.in) + row * p.ldIn;
  uint64_t hash = 1;
  for (int column = threadIdx.x; column < p.columns; column += THREADS) {
    if constexpr (T::EXACT) {
      hash = hashOf(hash, in[column]);
    } else {
      hash = hashOf(hash, __float_as_uint(in[column]));
    }
  }
  hashes[threadIdx.x] = hash;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int i = 1; i < THREADS; i++) {
      hash = hashOf(hash, hashes[i]);
    }
    p.hashes[row] = hash;
  }
}

}  // namespace borealis
