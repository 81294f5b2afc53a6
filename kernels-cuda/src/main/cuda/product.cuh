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
// Fragments come in 16-byte accesses: an index that is summed over may be permuted if both operands
// are, and so may the columns of the result, so each thread takes neighbours. What is streamed from
// memory is copied ahead, by the lane that will use it into slots of its own, so that as many bytes
// are on their way as memory needs, whatever the number of threads. In a warp, g = lane / 4 and
// t = lane % 4.
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

// Two neighbours.
struct SplitPair {
  Split first;
  Split second;
};

DEVICE SplitPair splitPair(float2 value) { return {split(value.x), split(value.y)}; }

// LOW: whether tf32 does not hold all weights exactly.
template <bool LOW>
DEVICE Split splitWeight(float value) {
  if constexpr (LOW) {
    return split(value);
  } else {
    return {__float_as_uint(value), 0};
  }
}

// Stores the halves of four neighbours, the low ones if they count.
template <bool LOW>
DEVICE void storeSplit(float* high, float* low, float4 value) {
  Split x = splitWeight<LOW>(value.x);
  Split y = splitWeight<LOW>(value.y);
  Split z = splitWeight<LOW>(value.z);
  Split w = splitWeight<LOW>(value.w);
  store16(high, {__uint_as_float(x.high), __uint_as_float(y.high), __uint_as_float(z.high),
      __uint_as_float(w.high)});
  if constexpr (LOW) {
    store16(low, {__uint_as_float(x.low), __uint_as_float(y.low), __uint_as_float(z.low),
        __uint_as_float(w.low)});
  }
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

// c += a b; LOW_A and LOW_B: whether the low halves count. Tensor cores round their sums toward zero,
// so that one over many steps would drift: theirs are of one step each, the small terms first, and
// are added up by an instruction that rounds to nearest.
template <bool LOW_A, bool LOW_B>
DEVICE void multiplyAdd(float (&c)[4], const Split (&a)[4], const Split (&b)[2]) {
  uint32_t highA[4] = {a[0].high, a[1].high, a[2].high, a[3].high};
  uint32_t highB[2] = {b[0].high, b[1].high};
  float step[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  if constexpr (LOW_A) {
    uint32_t low[4] = {a[0].low, a[1].low, a[2].low, a[3].low};
    mma(step, low, highB);
  }
  if constexpr (LOW_B) {
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

// Brings and takes the fragments of 16 MT rows of D, 32 columns at a time, and with them those of 8 NT
// rows of W. LOW: W has values that tf32 does not hold exactly; a branch between products would keep
// the compiler from interleaving them.
template <class T, int MT, int NT, bool LOW>
struct Tile {
  static constexpr int D_SLOTS = 2 * MT * RUN_SLOTS<T>;
  static constexpr int SLOTS = D_SLOTS + 2 * NT;
  using Storage = typename T::Storage;
  const Product& p;
  int row0;
  int j0;
  const Storage* rows[2 * MT];  // null where there is none
  bool whole;                   // all are there, and aligned

  template <class Row>
  DEVICE Tile(const Product& p, int row0, int j0, Row rowOf) : p(p), row0(row0), j0(j0) {
#pragma unroll
    for (int i = 0; i < 2 * MT; i++) {
      int row = row0 + 8 * i + (laneId() >> 2);
      rows[i] = row < p.n ? static_cast<const Storage*>(p.d) + rowOf(row) * p.ldD : nullptr;
    }
    whole = p.vectorD && row0 + 16 * MT <= p.n;
  }

  DEVICE void fetchD(int k0, float* slots) const {
    if (whole && k0 + 32 <= p.k) {
#pragma unroll
      for (int i = 0; i < 2 * MT; i++) {
        copyRuns<T>(rows[i], k0, laneId() & 3, 4, slots + i * RUN_SLOTS<T> * SLOT);
      }
      return;
    }
#pragma unroll
    for (int i = 0; i < 2 * MT; i++) {
      float* slot = slots + i * RUN_SLOTS<T> * SLOT;
      if (rows[i] != nullptr) {
        fetchRuns<T>(rows[i], k0, laneId() & 3, 4, p.k, p.vectorD, slot);
      } else {
        float zeros[8] = {};
        putRuns<T>(slot, zeros);
      }
    }
  }

  DEVICE void fetchW(int k0, float* slots) const {
    const float* w = p.w + (j0 + (laneId() >> 2)) * p.ldW;
#pragma unroll
    for (int i = 0; i < 2 * NT; i++) {
      float* slot = slots + i * SLOT;
      // W's rows are padded to 16: beyond them there is nothing to read.
      if (j0 + 8 * (i >> 1 & ~1) < p.r) {
        int column = runColumn<T>(k0, laneId() & 3, 4, i & 1);
        copyAsync16(slot, w + 8 * (i >> 1) * p.ldW + column);
      } else {
        store16(slot, {0.0f, 0.0f, 0.0f, 0.0f});
      }
    }
  }

  DEVICE void takeD(int k0, const float* slots, float (&value)[MT][2][8]) const {
#pragma unroll
    for (int i = 0; i < 2 * MT; i++) {
      takeRuns<T>(slots + i * RUN_SLOTS<T> * SLOT, value[i >> 1][i & 1]);
    }
    if (p.mask.on) {
#pragma unroll
      for (int i = 0; i < 2 * MT; i++) {
        maskRuns<T>(p.mask, row0 + 8 * i + (laneId() >> 2), k0, laneId() & 3, 4, p.k,
            value[i >> 1][i & 1]);
      }
    }
  }

  // Adds what 32 columns contribute; `weights(j, run, b)` makes fragments of two steps of four columns
  // of row 8j + g of W. Fragment (m, j) is C's rows 16m + g, + 8, columns 8j + 2t, + 1.
  template <class Weights>
  DEVICE void add(
      const float (&value)[MT][2][8], Weights weights, float (&c)[MT][NT][4]) const {
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
#pragma unroll
      for (int j = 0; j < NT; j++) {
        Split b[2][2];
        weights(j, run, b);
#pragma unroll
        for (int step = 0; step < 2; step++) {
#pragma unroll
          for (int m = 0; m < MT; m++) {
            multiplyAdd<!T::EXACT, LOW>(c[m][j], a[m][step], b[step]);
          }
        }
      }
    }
  }
};

// Slots of a warp in a kernel that leaves half of a large device's shared memory to another block.
constexpr int WARP_SLOTS = 24;
constexpr int QUEUE_FLOATS = WARPS * WARP_SLOTS * SLOT;

// A lane's slots among those of all warps.
DEVICE float* ownSlots(float* shared, int slotsOfWarp) {
  return shared + warpId() * slotsOfWarp * SLOT + 4 * laneId();
}

// Goes through first, first + stride, .. below last. `fetch(at, stage)` begins the copies for one of
// them, as many turns ahead as there are stages; `use(at, stage)` finds them there.
template <int STAGES, class Fetch, class Use>
DEVICE void pipeline(int first, int last, int stride, Fetch fetch, Use use) {
  static_assert(STAGES > 0);
  int next = first;
  auto bring = [&](int stage) {
    if (next < last) {
      fetch(next, stage);
    }
    commitCopies();
    next += stride;
  };
#pragma unroll
  for (int stage = 0; stage < STAGES - 1; stage++) {
    bring(stage);
  }
  int stage = 0;
  for (int at = first; at < last; at += stride) {
    bring(stage == 0 ? STAGES - 1 : stage - 1);
    waitForCopies<STAGES - 1>();
    use(at, stage);
    stage = stage + 1 == STAGES ? 0 : stage + 1;
  }
  waitForCopies<0>();
}

// Adds to 16 MT rows from row0 and 8 NT columns from j0 of C what columns first, first + stride, ..
// below last contribute, 32 at a time. `queue` has QUEUE_FLOATS floats.
template <bool LOW, class T, int MT, int NT, class Row>
DEVICE void contract(
    const Product& p, float* queue, int row0, int j0, int first, int last, int stride,
    float (&c)[MT][NT][4], Row rowOf) {
  using Own = Tile<T, MT, NT, LOW>;
  Own tile(p, row0, j0, rowOf);
  float* slots = ownSlots(queue, WARP_SLOTS);
  pipeline<WARP_SLOTS / Own::SLOTS>(
      first, last, stride,
      [&](int k0, int stage) {
        float* at = slots + stage * Own::SLOTS * SLOT;
        tile.fetchD(k0, at);
        tile.fetchW(k0, at + Own::D_SLOTS * SLOT);
      },
      [&](int k0, int stage) {
        const float* at = slots + stage * Own::SLOTS * SLOT;
        float value[MT][2][8];
        tile.takeD(k0, at, value);
        tile.add(
            value,
            [&](int j, int run, Split(&b)[2][2]) {
              float4 w = load16(at + (Own::D_SLOTS + 2 * j + run) * SLOT);
              b[0][0] = splitWeight<LOW>(w.x), b[0][1] = splitWeight<LOW>(w.y);
              b[1][0] = splitWeight<LOW>(w.z), b[1][1] = splitWeight<LOW>(w.w);
            },
            c);
      });
}

template <class T, int MT, int NT, class Row = OwnRow>
DEVICE void contract(
    const Product& p, float* queue, int row0, int j0, int first, int last, int stride,
    float (&c)[MT][NT][4], Row rowOf = {}) {
  if (p.lowW) {
    contract<true, T>(p, queue, row0, j0, first, last, stride, c, rowOf);
  } else {
    contract<false, T>(p, queue, row0, j0, first, last, stride, c, rowOf);
  }
}

// 128 rows and 8 NT columns of C, for many rows: a warp has 16 rows; the block shares W's columns,
// which come by turns into shared memory, so that each is read from L2 once for 128 rows, and split
// once. Two split tiles take turns: with one barrier a warp is never ahead by more.
template <class T, int NT, bool LOW>
struct TallTile {
  static constexpr int ROWS = 16 * WARPS;
  static constexpr int STAGES = T::EXACT ? 3 : 2;
  // Of W's rows: eight lanes, two rows of four, meet all banks.
  static constexpr int PITCH = T::EXACT ? 36 : 48;
  static constexpr int TILE_FLOATS = 8 * NT * PITCH;
  using Own = Tile<T, 1, NT, LOW>;
  static constexpr int W_SLOTS = (NT + 3) / 4;  // of a thread, of W as it comes
  static constexpr int SLOTS = Own::D_SLOTS + W_SLOTS;

  DEVICE static void add(const Product& p, float* shared, int row0, int j0, int first, int last,
      float (&c)[1][NT][4]) {
    Own tile(p, row0 + 16 * warpId(), j0, OwnRow{});
    float* slots = ownSlots(shared, STAGES * SLOTS);
    float* split = shared + WARPS * STAGES * SLOTS * SLOT;
    int wRow = static_cast<int>(threadIdx.x >> 3);
    int wColumn = 4 * static_cast<int>(threadIdx.x & 7);
    const float* w = p.w + (j0 + wRow) * p.ldW + wColumn;
    int turn = 0;
    pipeline<STAGES>(
        first, last, 32,
        [&](int k0, int stage) {
          float* at = slots + stage * SLOTS * SLOT;
          tile.fetchD(k0, at);
#pragma unroll
          for (int i = 0; i < W_SLOTS; i++) {
            float* slot = at + (Own::D_SLOTS + i) * SLOT;
            // W's rows are padded to 16: beyond them there is nothing to read.
            if (j0 + ((wRow + 32 * i) & ~15) < p.r) {
              copyAsync16(slot, w + 32 * i * p.ldW + k0);
            } else {
              store16(slot, {0.0f, 0.0f, 0.0f, 0.0f});
            }
          }
        },
        [&](int k0, int stage) {
          const float* at = slots + stage * SLOTS * SLOT;
          float* high = split + turn * 2 * TILE_FLOATS;
          float* low = high + TILE_FLOATS;
          turn ^= 1;
#pragma unroll
          for (int i = 0; i < W_SLOTS; i++) {
            int row = wRow + 32 * i;
            if (row < 8 * NT) {
              int place = row * PITCH + wColumn;
              storeSplit<LOW>(
                  high + place, low + place, load16(at + (Own::D_SLOTS + i) * SLOT));
            }
          }
          __syncthreads();
          float value[1][2][8];
          tile.takeD(k0, at, value);
          int own = (laneId() >> 2) * PITCH;
          int t = laneId() & 3;
          tile.add(
              value,
              [&](int j, int run, Split(&b)[2][2]) {
                int place = own + 8 * j * PITCH + runColumn<T>(0, t, 4, run);
                float4 h = load16(high + place);
                b[0][0].high = __float_as_uint(h.x), b[0][1].high = __float_as_uint(h.y);
                b[1][0].high = __float_as_uint(h.z), b[1][1].high = __float_as_uint(h.w);
                if constexpr (LOW) {
                  float4 l = load16(low + place);
                  b[0][0].low = __float_as_uint(l.x), b[0][1].low = __float_as_uint(l.y);
                  b[1][0].low = __float_as_uint(l.z), b[1][1].low = __float_as_uint(l.w);
                }
              },
              c);
        });
  }

  // Shares of C.
  DEVICE static void run(
      const Product& p, float* shared, int row0, int j0, int first, int last, int share) {
    float c[1][NT][4] = {};
    add(p, shared, row0, j0, first, last, c);
#pragma unroll
    for (int j = 0; j < NT; j++) {
      int column = j0 + 8 * j + 2 * (laneId() & 3);
#pragma unroll
      for (int half = 0; half < 2; half++) {
        int row = row0 + 16 * warpId() + 8 * half + (laneId() >> 2);
        if (row < p.n && column < p.ldU) {
          float* at = p.partial + (static_cast<int64_t>(share) * p.n + row) * p.ldU + column;
          *reinterpret_cast<float2*>(at) = {c[0][j][2 * half], c[0][j][2 * half + 1]};
        }
      }
    }
  }
};

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

// 32 rows from row0 and 32 columns from k0 of Y or dX, the work of a warp. Rows from `rows` on are not
// there. A thread has eight neighbours of four rows: fragment i's column c is column 4c + i of the
// 32. LOW: as above.
template <class T, class Row, bool LOW>
struct Output {
  static constexpr int MT = 2;
  const Product& p;
  int rows;
  int row0;
  int k0;
  Row rowOf;
  float c[MT][4][4] = {};

  DEVICE Output(const Product& p, int rows, int row0, int k0, Row rowOf = {})
      : p(p), rows(rows), row0(row0), k0(k0), rowOf(rowOf) {}

  // Slots for the old values of a thread's part of a row.
  DEVICE int slotsOfRow() const { return T::EXACT && !p.outF32 ? 1 : 2; }

  // Whether all rows and columns are there, and aligned.
  DEVICE bool isWhole() const { return rows >= 16 * MT && p.vectorOut && k0 + 32 <= p.k; }

  DEVICE int column() const { return k0 + 8 * (laneId() & 3); }

  // Visits a thread's four rows, or those that are there.
  template <bool WHOLE, class Visit>
  DEVICE void eachRow(Visit visit) const {
#pragma unroll
    for (int i = 0; i < 2 * MT; i++) {
      int local = 8 * i + (laneId() >> 2);
      if (WHOLE || local < rows) {
        visit(i, static_cast<int64_t>(row0 + local));
      }
    }
  }

  // Begins to bring the old values, if they are added to.
  DEVICE void fetchOld(float* slots) const {
    if (!p.accumulate) {
      return;
    }
    if (T::EXACT && p.outF32) {
      isWhole() ? fetchOld<F32, true>(slots) : fetchOld<F32, false>(slots);
    } else {
      isWhole() ? fetchOld<T, true>(slots) : fetchOld<T, false>(slots);
    }
  }

  template <class Out, bool WHOLE>
  DEVICE void fetchOld(float* slots) const {
    auto* out = static_cast<const typename Out::Storage*>(p.out);
    eachRow<WHOLE>([&](int i, int64_t row) {
      fetch8<Out>(out + rowOf(row) * p.ldOut, column(), p.k, WHOLE || p.vectorOut, WHOLE,
          slots + i * RUN_SLOTS<Out> * SLOT);
    });
  }

  // Adds what ranks j0 to j0 + 7 contribute. `hidden(row, j)` are U's ranks j, + 1 of a row of the
  // tile, split; lane t takes ranks j0 + 2t, + 1 as the fragments' t and t + 4. `even` and `odd` are
  // columns k0 + 4g .. + 3 of W's rows j0 + 2t and + 1.
  template <class Hidden>
  DEVICE void add(Hidden hidden, int j0, float4 even, float4 odd) {
    const int g = laneId() >> 2;
    const int t = laneId() & 3;
    Split b[4][2] = {
        {splitWeight<LOW>(even.x), splitWeight<LOW>(odd.x)},
        {splitWeight<LOW>(even.y), splitWeight<LOW>(odd.y)},
        {splitWeight<LOW>(even.z), splitWeight<LOW>(odd.z)},
        {splitWeight<LOW>(even.w), splitWeight<LOW>(odd.w)}};
#pragma unroll
    for (int m = 0; m < MT; m++) {
      SplitPair upper = hidden(16 * m + g, j0 + 2 * t);
      SplitPair lower = hidden(16 * m + 8 + g, j0 + 2 * t);
      Split a[4] = {upper.first, lower.first, upper.second, lower.second};
#pragma unroll
      for (int i = 0; i < 4; i++) {
        multiplyAdd<true, LOW>(c[m][i], a, b[i]);
      }
    }
  }

  // The weights of a step.
  DEVICE const float* weights(int j0) const {
    return p.w + (j0 + 2 * (laneId() & 3)) * p.ldW + k0 + 4 * (laneId() >> 2);
  }

  // Puts the sums out; `slots` are those of fetchOld, or null. MASKED: p.mask may be on.
  template <bool MASKED>
  DEVICE void put(const float* slots) {
    if (T::EXACT && p.outF32) {
      isWhole() ? put<F32, MASKED, true>(slots) : put<F32, MASKED, false>(slots);
    } else {
      isWhole() ? put<T, MASKED, true>(slots) : put<T, MASKED, false>(slots);
    }
  }

  template <class Out, bool MASKED, bool WHOLE>
  DEVICE void put(const float* slots) {
    if (column() >= p.k) {
      return;
    }
    float bias[8] = {};
    if (p.bias != nullptr) {
#pragma unroll
      for (int i = 0; i < 8; i++) {
        bias[i] = WHOLE || column() + i < p.k ? p.bias[column() + i] : 0.0f;
      }
    }
    auto* out = static_cast<typename Out::Storage*>(p.out);
    eachRow<WHOLE>([&](int i, int64_t row) {
      float value[8];
#pragma unroll
      for (int e = 0; e < 8; e++) {
        value[e] = fmaf(p.scale, c[i >> 1][e & 3][2 * (i & 1) + (e >> 2)], bias[e]);
      }
      if (MASKED && p.mask.on) {
        // BF16's order: the eight are neighbours, whatever their type.
        maskRuns<BF16>(p.mask, row, k0, laneId() & 3, 4, p.k, value);
      }
      const float* slot = slots == nullptr ? nullptr : slots + i * RUN_SLOTS<Out> * SLOT;
      update8<Out>(out + rowOf(row) * p.ldOut, column(), p.k, WHOLE || p.vectorOut, WHOLE,
          p.accumulate, slot, value);
    });
  }
};

// D of the product `outer`: a matrix in memory.
template <class T>
struct Streamed {
  using Order = T;
  static constexpr int SLOTS = 2 * RUN_SLOTS<T>;
  const Product& p;

  // Rows n0 + t and + 4, of the eight from n0, and 64 columns.
  DEVICE void fetch(int n0, int end, int k0, float* slots) const {
    const auto* d = static_cast<const typename T::Storage*>(p.d);
    if (n0 + 8 <= end && p.vectorD && k0 + 64 <= p.k) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        int row = n0 + (laneId() & 3) + 4 * half;
        copyRuns<T>(d + row * p.ldD, k0, laneId() >> 2, 8, slots + half * RUN_SLOTS<T> * SLOT);
      }
      return;
    }
#pragma unroll
    for (int half = 0; half < 2; half++) {
      int row = n0 + (laneId() & 3) + 4 * half;
      float* slot = slots + half * RUN_SLOTS<T> * SLOT;
      if (row < end) {
        fetchRuns<T>(d + row * p.ldD, k0, laneId() >> 2, 8, p.k, p.vectorD, slot);
      } else {
        float zeros[8] = {};
        putRuns<T>(slot, zeros);
      }
    }
  }

  DEVICE void take(int n0, int, int k0, const float* slots, float (&value)[2][8]) const {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      takeRuns<T>(slots + half * RUN_SLOTS<T> * SLOT, value[half]);
    }
    if (p.mask.on) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        maskRuns<T>(p.mask, n0 + (laneId() & 3) + 4 * half, k0, laneId() >> 2, 8, p.k, value[half]);
      }
    }
  }
};

// Sums of 16 MJ rows from j0 and 64 columns from k0 of G, over rows of D.
template <class Source, int MJ>
struct Outer {
  using T = typename Source::Order;
  static constexpr int SLOTS = Source::SLOTS + MJ;
  static constexpr int STAGES = WARP_SLOTS / SLOTS;
  float c[MJ][8][4] = {};
  float sums[8] = {};

  // Adds rows [begin, end), eight at a time, those from begin + 8 `turn` on of every 8 `turns`.
  // `queue` has QUEUE_FLOATS floats.
  DEVICE void add(const Product& p, const Source& source, float* queue, int j0, int k0, int begin,
      int end, int turn, int turns) {
    float* slots = ownSlots(queue, WARP_SLOTS);
    pipeline<STAGES>(
        begin + 8 * turn, end, 8 * turns,
        [&](int n0, int stage) {
          float* at = slots + stage * SLOTS * SLOT;
          source.fetch(n0, end, k0, at);
          fetchU(p, n0, end, j0, at + Source::SLOTS * SLOT);
        },
        [&](int n0, int stage) {
          const float* at = slots + stage * SLOTS * SLOT;
          float value[2][8];
          source.take(n0, end, k0, at, value);
          step(value, at + Source::SLOTS * SLOT);
        });
  }

  // Ranks 2g, + 1 of rows n0 + t and + 4.
  DEVICE static void fetchU(const Product& p, int n0, int end, int j0, float* slots) {
#pragma unroll
    for (int m = 0; m < MJ; m++) {
      int j = j0 + 16 * m;
#pragma unroll
      for (int half = 0; half < 2; half++) {
        int row = n0 + (laneId() & 3) + 4 * half;
        float* slot = slots + m * SLOT + 2 * half;
        if (row < end && j < p.r) {
          copyAsync8(slot, p.u + row * p.ldU + j + 2 * (laneId() >> 2));
        } else {
          *reinterpret_cast<float2*>(slot) = {0.0f, 0.0f};
        }
      }
    }
  }

  DEVICE void step(const float (&value)[2][8], const float* hidden) {
    Split a[MJ][4];
#pragma unroll
    for (int m = 0; m < MJ; m++) {
      // The fragment's rows g and g + 8 are rows 2g and 2g + 1 of G.
      float4 u = load16(hidden + m * SLOT);
      a[m][0] = split(u.x);
      a[m][1] = split(u.y);
      a[m][2] = split(u.z);
      a[m][3] = split(u.w);
    }
#pragma unroll
    for (int i = 0; i < 8; i++) {
      Split b[2] = {splitElement<T>(value[0][i]), splitElement<T>(value[1][i])};
      sums[i] += value[0][i] + value[1][i];
#pragma unroll
      for (int m = 0; m < MJ; m++) {
        multiplyAdd<true, !T::EXACT>(c[m][i], a[m], b);
      }
    }
  }

  // Adds up what the warps have, for the first one. `shared` has WARPS * 8 MJ slots.
  DEVICE void gather(float* shared) {
    constexpr int OWN = 8 * MJ;  // of c's groups of four
    float* own = ownSlots(shared, OWN);
    __syncthreads();
#pragma unroll
    for (int i = 0; i < OWN; i++) {
      const auto& f = c[i >> 3][i & 7];
      store16(own + i * SLOT, {f[0], f[1], f[2], f[3]});
    }
    __syncthreads();
    if (warpId() == 0) {
#pragma unroll
      for (int i = 0; i < OWN; i++) {
        auto& f = c[i >> 3][i & 7];
        for (int warp = 1; warp < WARPS; warp++) {
          float4 other = load16(own + (warp * OWN + i) * SLOT);
          f[0] += other.x, f[1] += other.y, f[2] += other.z, f[3] += other.w;
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
