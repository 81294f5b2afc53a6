// The nonlinearities: U = m_h * v * phi(Z) for a tile of rows, and their derivatives. A block works
// on a tile together; z is in shared memory.
#pragma once

#include "product.cuh"

namespace borealis {

DEVICE float sigmoid(float z) { return reciprocal(1.0f + expf(-z)); }

DEVICE float normalCdf(float z) { return 0.5f * erfcf(z * -0.70710678f); }

DEVICE float geluArgument(float z) { return 0.79788456f * (z + 0.044715f * z * z * z); }

DEVICE float activate(int32_t activation, float z) {
  switch (activation) {
    case RELU: return z > 0.0f ? z : z * 0.0f;  // NaN stays NaN
    case LEAKY_RELU: return z > 0.0f ? z : 0.01f * z;
    case GELU: return z * normalCdf(z);
    case GELU_TANH: return z * sigmoid(2.0f * geluArgument(z));  // (1 + tanh x)/2 = sigmoid(2x)
    case SILU: return z * sigmoid(z);
    case TANH: return tanhf(z);
    case SIGMOID: return sigmoid(z);
    default: return z;
  }
}

// f'(z); at a kink that of the branch z <= 0.
DEVICE float slope(int32_t activation, float z) {
  switch (activation) {
    case RELU: return z > 0.0f ? 1.0f : 0.0f;
    case LEAKY_RELU: return z > 0.0f ? 1.0f : 0.01f;
    case GELU: return normalCdf(z) + z * 0.39894228f * expf(-0.5f * z * z);
    case GELU_TANH: {
      float q = sigmoid(2.0f * geluArgument(z));
      return q + z * q * (1.0f - q) * 1.5957691f * (1.0f + 0.134145f * z * z);
    }
    case SILU: {
      float q = sigmoid(z);
      return q * (1.0f + z * (1.0f - q));
    }
    case TANH: {
      float f = tanhf(z);
      return 1.0f - f * f;
    }
    case SIGMOID: {
      float q = sigmoid(z);
      return q * (1.0f - q);
    }
    default: return 1.0f;
  }
}

// The cubic B-spline bases that are not 0 at one z: bases first to first + 3, in [0, K).
template <class Grid>
struct Bases {
  int first;
  float x;  // place in the interval, 0 to 1
  bool any;

  DEVICE Bases(const Grid& p, float z) {
    // min and 1/h in two parts: an interval is narrow beside a far-off min.
    float d = (z - p.gridMin) - p.gridMinLow;
    float s = fmaf(d, p.inverseStep, d * p.inverseStepLow);
    any = !(s <= -3.0f || s >= static_cast<float>(p.gridSize + 3));  // true for NaN
    float interval = any && s == s ? floorf(s) : 0.0f;
    first = static_cast<int>(interval);
    x = s - interval;
  }

  DEVICE float value(int i) const {
    float y = 1.0f - x;
    switch (i) {
      case 0: return y * y * y * (1.0f / 6);
      case 1: return (4.0f + x * x * (3.0f * x - 6.0f)) * (1.0f / 6);
      case 2: return (4.0f + y * y * (3.0f * y - 6.0f)) * (1.0f / 6);
      default: return x * x * x * (1.0f / 6);
    }
  }

  // By the place in units of h.
  DEVICE float slope(int i) const {
    float y = 1.0f - x;
    switch (i) {
      case 0: return -0.5f * y * y;
      case 1: return x * (1.5f * x - 2.0f);
      case 2: return y * (2.0f - 1.5f * y);
      default: return 0.5f * x * x;
    }
  }

  // Basis m's value at z.
  DEVICE float at(int m) const {
    int i = m - first;
    return !any ? 0.0f : x != x ? x : i >= 0 && i < 4 ? value(i) : 0.0f;
  }

  // sum over m of w[m] b_m(z), times 1; or of b'_m(z), by the place.
  DEVICE float dot(const float* w, int bases, bool derivative) const {
    float sum = x != x ? x : 0.0f;
    if (any) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        int m = first + i;
        if (m >= 0 && m < bases) {
          sum = fmaf(w[m], derivative ? slope(i) : value(i), sum);
        }
      }
    }
    return sum;
  }
};

// Basis m's value at z by one formula for all its intervals: fewer steps where every basis is wanted.
DEVICE float basis(const Phi& p, float z, int m) {
  float place = ((z - p.gridMin) - p.gridMinLow);
  float s = fmaf(place, p.inverseStep, place * p.inverseStepLow);
  float distance = fabsf(s - static_cast<float>(m - 1));
  float outer = fmaxf(2.0f - distance, 0.0f);
  float inner = fmaxf(1.0f - distance, 0.0f);
  float value = (outer * outer * outer - 4.0f * (inner * inner * inner)) * (1.0f / 6);
  // NaN stays NaN; an infinity, whose place may be none, is beside every basis.
  return z != z ? z : s == s ? value : 0.0f;
}

// A tile of rows of Z and what phi keeps beside it, all in shared memory.
struct PhiTile {
  const float* z;  // [rows, ldz]
  float* t;        // [rows, r] act(z), AuroRA's fixed term only
  float* q;        // [rows, K] sums of the bases, spline mode SUM only
  int ldz;
  int rows;
};

DEVICE bool hasSumSpline(const Phi& p) {
  return p.kind == AURORA && p.splineTerm && p.splineMode == SUM;
}

// Fills t and q. All threads call; ends with a barrier.
DEVICE void preparePhi(const Phi& p, const PhiTile& tile) {
  if (p.kind == AURORA && p.fixedTerm) {
    for (int i = threadIdx.x; i < tile.rows * p.r; i += blockDim.x) {
      int row = i / p.r;
      tile.t[i] = activate(p.activation, tile.z[row * tile.ldz + i - row * p.r]);
    }
  }
  if (hasSumSpline(p)) {
    // Eight lanes share a sum. All lanes shuffle, those without a sum too.
    int bases = p.gridSize + 3;
    int part = static_cast<int>(threadIdx.x) % 8;
    for (int first = 0; first < tile.rows * bases; first += THREADS / 8) {
      int i = first + static_cast<int>(threadIdx.x) / 8;
      int row = i / bases;
      float sum = 0.0f;
      if (row < tile.rows) {
        for (int j = part; j < p.r; j += 8) {
          sum += basis(p, tile.z[row * tile.ldz + j], i - row * bases);
        }
      }
#pragma unroll
      for (int distance = 4; distance > 0; distance /= 2) {
        sum += __shfl_xor_sync(0xffffffffu, sum, distance);
      }
      if (row < tile.rows && part == 0) {
        tile.q[i] = sum;
      }
    }
  }
  __syncthreads();
}

// (M x)_j for a row x of shared memory; `transposed` is M's transpose, so that lanes read neighbours.
DEVICE float mix(const float* transposed, const float* x, int r, int j) {
  // Four sums, whose terms wait for memory together.
  float sum[4] = {};
  int i = 0;
#pragma unroll 2
  for (; i + 3 < r; i += 4) {
#pragma unroll
    for (int e = 0; e < 4; e++) {
      sum[e] = fmaf(transposed[(i + e) * r + j], x[i + e], sum[e]);
    }
  }
  for (; i < r; i++) {
    sum[0] = fmaf(transposed[i * r + j], x[i], sum[0]);
  }
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

// phi(z)_j of one row.
DEVICE float phiValue(const Phi& p, const PhiTile& tile, int row, int j) {
  const float* z = tile.z + row * tile.ldz;
  switch (p.kind) {
    case SWISH: return z[j] * sigmoid(p.beta[j] * z[j]);
    case SWIGLU: return activate(SILU, z[j]) * z[p.r + j];
    case MIXER: return mix(p.matrixTransposed, z, p.r, j);
    case AURORA: {
      float value = 0.0f;
      if (p.fixedTerm) {
        value = activate(p.activation, mix(p.matrixTransposed, tile.t + row * p.r, p.r, j));
      }
      if (p.splineTerm) {
        int bases = p.gridSize + 3;
        const float* w = p.spline + static_cast<int64_t>(j) * bases;
        if (p.splineMode == SUM) {
          for (int m = 0; m < bases; m++) {
            value = fmaf(w[m], tile.q[row * bases + m], value);
          }
        } else if (p.splineMode == CHANNEL) {
          value += Bases<Phi>(p, z[j]).dot(w, bases, false);
        } else {
          w = p.spline + static_cast<int64_t>(j) * p.r * bases;
          for (int i = 0; i < p.r; i++) {
            value += Bases<Phi>(p, z[i]).dot(w + static_cast<int64_t>(i) * bases, bases, false);
          }
        }
      }
      return value;
    }
    default: return activate(p.activation, z[j]);
  }
}

// Element j of a row of ld of U or dZ, as cuBLAS takes it beside the high, low and high parts of W.
DEVICE void putParts(const Phi& p, int64_t row, int64_t ld, int j, float value) {
  if (p.parts != nullptr) {
    Parts parts(value);
    uint16_t* at = p.parts + 3 * row * ld + j;
    at[0] = parts.high;
    at[ld] = parts.high;
    at[2 * ld] = parts.low;
  }
}

// U = m_h * v * phi(Z), zeros in the padding, for a tile whose t and q are there. The mask's factor
// 1/(1-p) is in the scale of what U is multiplied with, so that tf32 doesn't round it.
DEVICE void phiForward(const Phi& p, const PhiTile& tile, int64_t row0, float* u, int64_t ldu) {
  int padded = static_cast<int>(p.ldU);
  for (int i = threadIdx.x; i < tile.rows * padded; i += blockDim.x) {
    int row = i / padded;
    int j = i - row * padded;
    float value = 0.0f;
    if (j < p.r) {
      value = phiValue(p, tile, row, j);
      value = p.v != nullptr ? p.v[j] * value : value;
      value = p.mask.on ? maskEntry(p.mask, row0 + row, p.r, j) * value : value;
    }
    u[row * ldu + j] = value;
    putParts(p, row0 + row, p.ldU, j, value);
  }
}

// Z of a tile: the sum of its shares in their order, plus the bias. Rows from n on become 0.
DEVICE void loadZ(const Phi& p, int64_t row0, int rows, float* z, int ldz, bool keep) {
  for (int i = threadIdx.x; i < rows * ldz; i += blockDim.x) {
    int row = i / ldz;
    int j = i - row * ldz;
    float sum = 0.0f;
    if (row0 + row < p.n && j < p.ra) {
      int64_t at = (row0 + row) * p.ldZ + j;
      const float* partial = p.partial + (row0 + row) * p.partialRow + j;
#pragma unroll 8
      for (int share = 0; share < p.partials; share++) {
        sum += partial[share * p.partialStride];
      }
      sum = p.scale * sum + (p.downBias != nullptr ? p.downBias[j] : 0.0f);
      if (keep && p.z != nullptr) {
        p.z[at] = sum;
      }
    }
    z[i] = sum;
  }
}

// dz_i of one row from g (v * dU), da and mixed (sum over j of g_j W[j, m]).
DEVICE float phiGradient(
    const Phi& p, const PhiTile& tile, const float* g, const float* da, const float* mixed,
    int row, int i) {
  const float* z = tile.z + row * tile.ldz;
  switch (p.kind) {
    case SWISH: {
      float x = p.beta[i] * z[i];
      float q = sigmoid(x);
      return g[i] * (q + x * q * (1.0f - q));
    }
    case SWIGLU:
      return i < p.r ? g[i] * z[p.r + i] * slope(SILU, z[i])
                     : g[i - p.r] * activate(SILU, z[i - p.r]);
    case MIXER: return mix(p.matrix, g, p.r, i);
    case AURORA: {
      float sum = 0.0f;
      if (p.fixedTerm) {
        sum = mix(p.matrix, da, p.r, i) * slope(p.activation, z[i]);
      }
      if (p.splineTerm) {
        int bases = p.gridSize + 3;
        Bases<Phi> at(p, z[i]);
        float s = 0.0f;
        if (p.splineMode == SUM) {
          s = at.dot(mixed, bases, true);
        } else if (p.splineMode == CHANNEL) {
          s = g[i] * at.dot(p.spline + static_cast<int64_t>(i) * bases, bases, true);
        } else {
          for (int j = 0; j < p.r; j++) {
            const float* w = p.spline + (static_cast<int64_t>(j) * p.r + i) * bases;
            s = fmaf(g[j], at.dot(w, bases, true), s);
          }
        }
        sum += s * p.inverseStep;
      }
      return sum;
    }
    default: return g[i] * slope(p.activation, z[i]);
  }
}

}  // namespace borealis
