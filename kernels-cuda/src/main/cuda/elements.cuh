// Typed elements in memory, floats in registers: eight to a thread and time, 16 bytes an access.
#pragma once

#include "philox.cuh"

namespace borealis {

struct F32 {
  using Storage = float;
  static constexpr bool EXACT = false;  // not every value is one of tf32
  static DEVICE float get(const float* p) { return *p; }
  static DEVICE void set(float* p, float value) { *p = value; }
};

struct BF16 {
  using Storage = uint16_t;
  static constexpr bool EXACT = true;
  static DEVICE float widen(uint32_t bits) { return __uint_as_float(bits << 16); }
  static DEVICE uint16_t narrow(float value) { return toBFloat16(value); }
  static DEVICE float get(const uint16_t* p) { return widen(*p); }
  static DEVICE void set(uint16_t* p, float value) { *p = narrow(value); }
};

struct F16 {
  using Storage = uint16_t;
  static constexpr bool EXACT = true;
  static DEVICE float widen(uint32_t bits) { return fromHalf(static_cast<uint16_t>(bits)); }
  static DEVICE uint16_t narrow(float value) { return toHalf(value); }
  static DEVICE float get(const uint16_t* p) { return widen(*p); }
  static DEVICE void set(uint16_t* p, float value) { *p = narrow(value); }
};

// A float as a sum of three BF16, up to 2^-24 of it.
struct Parts {
  uint16_t high;
  uint16_t low;
  uint16_t lowest;

  DEVICE explicit Parts(float value) {
    high = BF16::narrow(value);
    float rest = value - BF16::widen(high);
    low = BF16::narrow(rest);
    lowest = BF16::narrow(rest - BF16::widen(low));
  }
};

// A thread's eight elements are two runs of four. `part` threads share a row: their first runs lie
// side by side and so do their second ones for F32, where 16 bytes are one run; for 16-bit types,
// where 16 bytes are two runs, a thread's two runs follow each other.
template <class T>
DEVICE int runColumn(int first, int part, int parts, int run) {
  return T::EXACT ? first + 8 * part + 4 * run : first + 4 * parts * run + 4 * part;
}

// Reads a run of four from columns [column, columns), zeros behind them.
template <class T>
DEVICE void loadEdge(const typename T::Storage* row, int column, int columns, float* value) {
#pragma unroll
  for (int i = 0; i < 4; i++) {
    value[i] = column + i < columns ? T::get(row + column + i) : 0.0f;
  }
}

template <class T>
DEVICE void widen8(uint4 bits, float (&value)[8]) {
  uint32_t words[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
  for (int i = 0; i < 4; i++) {
    value[2 * i] = T::widen(words[i] & 0xffffu);
    value[2 * i + 1] = T::widen(words[i] >> 16);
  }
}

template <class T>
DEVICE uint4 narrow8(const float (&value)[8]) {
  uint32_t words[4];
#pragma unroll
  for (int i = 0; i < 4; i++) {
    words[i] = T::narrow(value[2 * i]) | static_cast<uint32_t>(T::narrow(value[2 * i + 1])) << 16;
  }
  return {words[0], words[1], words[2], words[3]};
}

// Whether a thread's two runs are accessed 16 bytes at a time. `vector`: the row begins at a multiple
// of 16 bytes.
template <class T>
DEVICE bool isWhole(int first, int part, int parts, int columns, bool vector) {
  return vector && runColumn<T>(first, part, parts, 1) + 3 < columns;
}

DEVICE void spread(float4 low, float4 high, float (&value)[8]) {
  value[0] = low.x, value[1] = low.y, value[2] = low.z, value[3] = low.w;
  value[4] = high.x, value[5] = high.y, value[6] = high.z, value[7] = high.w;
}

// Reads a thread's two runs of one row, zeros behind the last column, element by element.
template <class T>
DEVICE void loadEdges(
    const typename T::Storage* row, int first, int part, int parts, int columns,
    float (&value)[8]) {
  loadEdge<T>(row, runColumn<T>(first, part, parts, 0), columns, value);
  loadEdge<T>(row, runColumn<T>(first, part, parts, 1), columns, value + 4);
}

// Reads a thread's two runs of one row.
template <class T>
DEVICE void loadRuns(
    const typename T::Storage* row, int first, int part, int parts, int columns, bool vector,
    float (&value)[8]) {
  if (!isWhole<T>(first, part, parts, columns, vector)) {
    loadEdges<T>(row, first, part, parts, columns, value);
    return;
  }
  const auto* at = row + runColumn<T>(first, part, parts, 0);
  if constexpr (T::EXACT) {
    widen8<T>(global16(at), value);
  } else {
    spread(global16(at), global16(row + runColumn<T>(first, part, parts, 1)), value);
  }
}

// A lane's own place among those of its warp, 16 bytes in each of a row of slots: a queue between
// copies from memory and their use, which no other lane sees. Neighbours use different banks.
constexpr int SLOT = 4 * 32;  // floats

// Slots that a thread's two runs take.
template <class T>
constexpr int RUN_SLOTS = T::EXACT ? 1 : 2;

template <class T>
DEVICE void putRuns(float* slot, const float (&value)[8]) {
  if constexpr (T::EXACT) {
    uint4 bits = narrow8<T>(value);
    store16(slot, {__uint_as_float(bits.x), __uint_as_float(bits.y), __uint_as_float(bits.z),
        __uint_as_float(bits.w)});
  } else {
    store16(slot, {value[0], value[1], value[2], value[3]});
    store16(slot + SLOT, {value[4], value[5], value[6], value[7]});
  }
}

// Begins to bring two runs, which are all there and aligned, into slots.
template <class T>
DEVICE void copyRuns(
    const typename T::Storage* row, int first, int part, int parts, float* slot) {
  copyAsync16(slot, row + runColumn<T>(first, part, parts, 0));
  if constexpr (!T::EXACT) {
    copyAsync16(slot + SLOT, row + runColumn<T>(first, part, parts, 1));
  }
}

// Begins to bring two runs into slots, or puts them there, zeros behind the last column.
template <class T>
DEVICE void fetchRuns(
    const typename T::Storage* row, int first, int part, int parts, int columns, bool vector,
    float* slot) {
  if (isWhole<T>(first, part, parts, columns, vector)) {
    copyRuns<T>(row, first, part, parts, slot);
    return;
  }
  float value[8];
  loadEdges<T>(row, first, part, parts, columns, value);
  putRuns<T>(slot, value);
}

// Reads what fetchRuns has brought.
template <class T>
DEVICE void takeRuns(const float* slot, float (&value)[8]) {
  float4 low = load16(slot);
  if constexpr (T::EXACT) {
    widen8<T>(
        {__float_as_uint(low.x), __float_as_uint(low.y), __float_as_uint(low.z),
            __float_as_uint(low.w)},
        value);
  } else {
    spread(low, load16(slot + SLOT), value);
  }
}

// Multiplies two runs by the 0/1 of a mask; the factor 1/(1-p) is the caller's. A product, not a
// choice, so that a NaN stays one as in the definition.
template <class T>
DEVICE void maskRuns(
    const Dropout& mask, int64_t row, int first, int part, int parts, int columns,
    float (&value)[8]) {
#pragma unroll
  for (int run = 0; run < 2; run++) {
    uint64_t element = static_cast<uint64_t>(row) * static_cast<uint32_t>(columns)
        + static_cast<uint32_t>(runColumn<T>(first, part, parts, run));
    uint32_t bits = keptBits4(mask, element);
#pragma unroll
    for (int i = 0; i < 4; i++) {
      value[4 * run + i] *= (bits >> i) & 1 ? 1.0f : 0.0f;
    }
  }
}

// Adds eight neighbours in a row to old values, or replaces those, up to the last column. The old
// ones come from slots where `fetch8` has brought them there. `whole`: all eight are there.
template <class T>
DEVICE void update8(
    typename T::Storage* row, int column, int columns, bool vector, bool whole, bool accumulate,
    const float* slot, float (&value)[8]) {
  if (whole || (vector && column + 7 < columns)) {
    if (accumulate) {
      float old[8];
      if (slot != nullptr) {
        takeRuns<T>(slot, old);
      } else {
        loadRuns<T>(row + column, 0, 0, 1, 8, true, old);
      }
#pragma unroll
      for (int i = 0; i < 8; i++) {
        value[i] += old[i];
      }
    }
    if constexpr (T::EXACT) {
      storeGlobal16(row + column, narrow8<T>(value));
    } else {
      storeGlobal16(row + column, float4{value[0], value[1], value[2], value[3]});
      storeGlobal16(row + column + 4, float4{value[4], value[5], value[6], value[7]});
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < 8; i++) {
    if (column + i < columns) {
      T::set(row + column + i, accumulate ? T::get(row + column + i) + value[i] : value[i]);
    }
  }
}

// Begins to bring the old values that update8 will add to, where it takes them from slots.
template <class T>
DEVICE void fetch8(
    const typename T::Storage* row, int column, int columns, bool vector, bool whole,
    float* slot) {
  if (whole || (vector && column + 7 < columns)) {
    copyRuns<T>(row, column, 0, 1, slot);
  }
}

}  // namespace borealis
