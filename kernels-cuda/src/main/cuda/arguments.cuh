// What the kernels are told. The host fills these structs byte by byte: 8-byte members first, so
// that there is no padding but at the end, and every size is a multiple of 8.
#pragma once

#include "platform.cuh"

namespace borealis {

// A mask that is drawn, not stored: see philox.cuh.
struct Dropout {
  uint64_t seed;
  uint32_t step;
  uint32_t stream;
  uint32_t threshold;  // words below it are dropped
  float kept;          // value of kept entries
  uint32_t unit;       // all rows share row 0's mask
  uint32_t on;
};

// One product of a tall matrix with packed weights W [r, k]; see product.cuh. Members that a
// product does not use are null or 0.
struct Product {
  const void* d;       // [n, k] streamed: X or dY
  int64_t ldD;         // its row stride in elements
  const float* w;      // [r rounded up to 16, ldW], zeros in the padding
  int64_t ldW;         // k rounded up to 64
  const float* u;      // [n, ldU]: U or dZ, zeros in the padding
  int64_t ldU;         // r rounded up to 16
  float* partial;      // contract: [splits, n, ldU]; outer: [splits, r rounded up to 32, ldW]
  float* columnSums;   // [splits, ldW], or null
  void* out;           // [n, k] typed: Y or dX
  int64_t ldOut;
  const float* bias;   // [k], or null
  int32_t n;
  int32_t k;
  int32_t r;
  int32_t split;       // contract: columns a block, a multiple of 32; outer: rows, of 32
  int32_t vectorD;     // 16-byte accesses to d are aligned
  int32_t vectorOut;   // and to out
  int32_t outF32;      // out is F32, whatever d is
  int32_t accumulate;  // old values of out are added to
  int32_t lowW;        // W has values that tf32 does not hold exactly
  float scale;
  Dropout mask;        // on d, or on out in the product that gives dX
};

enum Kind : int32_t { POINTWISE, SWISH, SWIGLU, MIXER, AURORA };
enum Activation : int32_t { IDENTITY, RELU, LEAKY_RELU, GELU, GELU_TANH, SILU, TANH, SIGMOID };
enum SplineMode : int32_t { SUM, CHANNEL, FULL };

// The nonlinearity U = m_h * v * phi(Z) and its derivative; see phi.cuh.
struct Phi {
  const float* partial;   // forward: shares of Z; backward: of dU
  const float* downBias;  // [ra], or null
  float* z;               // [n, ldZ]: written by forward unless null, read by backward
  float* u;               // [n, ldU]
  float* dz;              // [n, ldZ]
  uint16_t* parts;        // U or dZ as BF16, [n, 3 ld]: high, high, low; or null
  float* g;               // [n, ldU] v * dU
  float* da;              // [n, ldU] gradient by H t
  float* t;               // [n, ldU] act(z)
  float* q;               // [n, ldQ] sums of the bases
  float* dvTerms;         // [n, ldU] dU * phi(Z), or null
  float* dBetaTerms;      // [n, ldU]
  const float* matrix;            // H or M [r, r]
  const float* matrixTransposed;  // its transpose
  const float* spline;    // [r, K] or [r, r, K]
  const float* beta;      // [r]
  const float* v;         // [r], or null
  int64_t ldZ;            // ra rounded up to 16
  int64_t ldU;            // r rounded up to 16
  int64_t ldQ;            // K rounded up to 64
  int64_t partialRow;     // from a row of a share to the next
  int64_t partialStride;  // from a share to the next
  int32_t partials;
  int32_t n;
  int32_t r;
  int32_t ra;
  int32_t kind;
  int32_t activation;
  int32_t fixedTerm;
  int32_t splineTerm;
  int32_t splineMode;
  int32_t gridSize;
  float gridMin;          // min = gridMin + gridMinLow
  float gridMinLow;
  float inverseStep;      // 1/h = inverseStep + inverseStepLow
  float inverseStepLow;
  float scale;            // of the shares
  int32_t rows;           // of a tile of the kernels that are phi alone
  Dropout mask;
};

// Down-projection, nonlinearity and up-projection of the same rows.
struct Forward {
  Product down;
  Phi phi;
  Product up;
};

// Rows of one adapter in a batch of several. Shares of Z, and U, are the group's own, from its first
// row; rows of X and Y are those that `rows` names.
struct Group {
  Forward forward;
  const int32_t* rows;
};

// Rows of all groups: every block takes a tile, the group and its first row.
struct Batch {
  const Group* groups;
  const int32_t* tiles;  // [.., 2]
};

// out (+)= factor * gain * sum over the partials, in their order.
struct Reduction {
  const float* partial;  // [count, .., ldP]
  const float* gain;     // [columns], or null
  float* out;            // [rows, columns], or its transpose
  int64_t stride;        // elements from a partial to the next
  int64_t ldP;
  int64_t ldOut;
  int32_t count;
  int32_t rows;
  int32_t columns;
  int32_t transposed;
  int32_t accumulate;
  float factor;
};

// Sums of the columns of terms [n, columns]; with a spline, of g_j b_m(z_j) for column (j, m).
struct ColumnSums {
  const float* terms;  // [n, ld]
  const float* z;      // [n, ldZ], or null
  float* partial;      // [splits, ldP]
  int64_t ld;
  int64_t ldZ;
  int64_t ldP;
  int32_t n;
  int32_t columns;
  int32_t split;       // rows a block
  int32_t gridSize;
  float gridMin;
  float gridMinLow;
  float inverseStep;
  float inverseStepLow;
};

// dg[o] = sum over j of B[o, j] times the reduced gradient by B without g.
struct GainGradient {
  const float* partial;  // [count, .., ldP]: rows j, columns o
  const float* b;        // [r, ldB]: B transposed, without g
  float* out;            // [columns]
  int64_t stride;
  int64_t ldP;
  int64_t ldB;
  int32_t count;
  int32_t r;
  int32_t columns;
  int32_t accumulate;
  float factor;
  float reserved;
};

// A matrix of weights as the products take it: F32, perhaps transposed, perhaps with a gain.
struct Pack {
  const void* in;     // [rows, ldIn], typed
  const float* gain;  // [rows], or null
  float* out;         // [rows, ldOut], or its transpose; zeros in the padding stay
  uint16_t* parts;    // the same as sums of BF16, four matrices: lowest, low, high, high; or null
  int64_t ldIn;
  int64_t ldOut;
  int64_t partStride;  // elements from a matrix to the next
  int32_t rows;
  int32_t columns;
  int32_t transposed;
  int32_t reserved;
};

// One tensor's step of AdamW.
struct AdamW {
  float* w;          // [.., ldW]
  const float* g;    // [.., ldG]
  float* m;          // dense
  float* v;          // dense
  int64_t count;     // elements
  int64_t columns;
  int64_t ldW;
  int64_t ldG;
  double beta1;
  double beta2;
  double epsilon;
  double keep;            // 1 - learning rate * decay
  double stepSize;        // learning rate / (1 - beta1^t)
  double rootCorrection;  // sqrt(1 - beta2^t)
};

// Merges, in double; see merge.cuh. A matrix of doubles has a stride for rows and one for columns, so
// that its transpose is one too; what is written is dense.

// out = factor * rowGain * columnGain * in.
struct Widen {
  const void* in;             // [rows, ldIn], typed
  const double* rowGain;      // [rows], or null
  const double* columnGain;   // [columns], or null
  double* out;                // [rows, columns]
  int32_t* notFinite;         // [rows] first column with no number, `columns` if none; or null
  int64_t ldIn;
  int32_t rows;
  int32_t columns;
  double factor;
};

// out = P Q + addend.
struct MergeProduct {
  const double* p;       // [rows, inner]
  const double* q;       // [inner, columns]
  const double* addend;  // [rows, columns], or null
  void* out;             // [rows, columns], double or float
  int64_t pRow;
  int64_t pColumn;
  int64_t qRow;
  int64_t qColumn;
  int64_t addRow;
  int64_t addColumn;
  int32_t rows;
  int32_t columns;
  int32_t inner;
  int32_t outF32;
};

// U = v * phi(Z).
struct MergePhi {
  const double* z;       // [rows, ra]
  double* u;             // [rows, r]
  const double* matrix;  // H or M [r, r]
  const double* spline;  // [r, K] or [r, r, K]
  const double* beta;    // [r]
  const double* v;       // [r], or null
  int64_t zRow;
  int64_t zColumn;
  int64_t uRow;
  int64_t uColumn;
  int32_t r;
  int32_t ra;
  int32_t kind;
  int32_t activation;
  int32_t fixedTerm;
  int32_t splineTerm;
  int32_t splineMode;
  int32_t gridSize;
  double gridMin;
  double step;
};

// Subtracts the columns' means.
struct MergeCentre {
  double* values;  // [rows, columns]
  double* mean;    // [columns]
  int32_t rows;
  int32_t columns;
};

// w += delta, each sum rounded once.
struct MergeAdd {
  void* w;             // [rows, ldW], typed
  const float* delta;  // [rows, columns]
  int64_t ldW;
  int32_t rows;
  int32_t columns;
};

// A number for each row that tells its bits.
struct Fingerprint {
  const void* in;    // [rows, ldIn], typed
  uint64_t* hashes;  // [rows]
  int64_t ldIn;
  int32_t rows;
  int32_t columns;
};

}  // namespace borealis
