// Philox4x32-10 (Salmon, Moraes, Dror and Shaw, SC 2011): the dropout masks of every backend.
#pragma once

#include "arguments.cuh"

namespace borealis {

// Bit i is set where output word i of one counter is at least the threshold.
DEVICE uint32_t keptBits(const Dropout& mask, uint64_t counter) {
  uint32_t c0 = static_cast<uint32_t>(counter);
  uint32_t c1 = static_cast<uint32_t>(counter >> 32);
  uint32_t c2 = mask.step;
  uint32_t c3 = mask.stream;
  uint32_t k0 = static_cast<uint32_t>(mask.seed);
  uint32_t k1 = static_cast<uint32_t>(mask.seed >> 32);
#pragma unroll
  for (int round = 0; round < 10; round++) {
    uint64_t product0 = static_cast<uint64_t>(0xD2511F53u) * c0;
    uint64_t product1 = static_cast<uint64_t>(0xCD9E8D57u) * c2;
    c0 = static_cast<uint32_t>(product1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(product1);
    c2 = static_cast<uint32_t>(product0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(product0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return (c0 >= mask.threshold ? 1u : 0u) | (c1 >= mask.threshold ? 2u : 0u)
      | (c2 >= mask.threshold ? 4u : 0u) | (c3 >= mask.threshold ? 8u : 0u);
}

// Bits of four neighbours in a row, from element number `element` = row * columns + column on.
DEVICE uint32_t keptBits4(const Dropout& mask, uint64_t element) {
  uint32_t shift = static_cast<uint32_t>(element & 3);
  uint32_t bits = keptBits(mask, element >> 2);
  if (shift != 0) {
    bits |= keptBits(mask, (element >> 2) + 1) << 4;
  }
  return bits >> shift;
}

// One entry, 0 or 1; the factor 1/(1-p) is the caller's.
DEVICE float maskEntry(const Dropout& mask, uint64_t row, uint32_t columns, uint32_t column) {
  uint64_t element = (mask.unit ? 0 : row * columns) + column;
  return (keptBits(mask, element >> 2) >> (element & 3)) & 1 ? 1.0f : 0.0f;
}

}  // namespace borealis
