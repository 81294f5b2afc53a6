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

// Reads a thread's two runs of one row. `vector`: the row begins at a multiple of 16 bytes.
template <class T>
DEVICE void loadRuns(
    const typename T::Storage* row, int first, int part, int parts, int columns, bool vector,
    float (&value)[8]) {
  int column = runColumn<T>(first, part, parts, 0);
  if constexpr (T::EXACT) {
    if (vector && column + 7 < columns) {
      widen8<T>(global16(row + column), value);
      return;
    }
  } else {
    int second = runColumn<T>(first, part, parts, 1);
    if (vector && second + 3 < columns) {
      float4 low = global16(row + column);
      float4 high = global16(row + second);
      value[0] = low.x, value[1] = low.y, value[2] = low.z, value[3] = low.w;
      value[4] = high.x, value[5] = high.y, value[6] = high.z, value[7] = high.w;
      return;
    }
  }
  loadEdge<T>(row, column, columns, value);
  loadEdge<T>(row, runColumn<T>(first, part, parts, 1), columns, value + 4);
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

// Adds eight neighbours in a row to old values, or replaces those, up to the last column.
template <class T>
DEVICE void update8(
    typename T::Storage* row, int column, int columns, bool vector, bool accumulate,
    float (&value)[8]) {
  if (vector && column + 7 < columns) {
    if constexpr (T::EXACT) {
      if (accumulate) {
        float old[8];
        widen8<T>(stream16(row + column), old);
#pragma unroll
        for (int i = 0; i < 8; i++) {
          value[i] += old[i];
        }
      }
      uint4 bits;
      bits.x = T::narrow(value[0]) | static_cast<uint32_t>(T::narrow(value[1])) << 16;
      bits.y = T::narrow(value[2]) | static_cast<uint32_t>(T::narrow(value[3])) << 16;
      bits.z = T::narrow(value[4]) | static_cast<uint32_t>(T::narrow(value[5])) << 16;
      bits.w = T::narrow(value[6]) | static_cast<uint32_t>(T::narrow(value[7])) << 16;
      storeGlobal16(row + column, bits);
    } else {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        float* at = row + column + 4 * half;
        float4 sum = {
            value[4 * half], value[4 * half + 1], value[4 * half + 2], value[4 * half + 3]};
        if (accumulate) {
          float4 old = stream16(at);
          sum.x += old.x, sum.y += old.y, sum.z += old.z, sum.w += old.w;
        }
        storeGlobal16(at, sum);
      }
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

}  // namespace borealis
