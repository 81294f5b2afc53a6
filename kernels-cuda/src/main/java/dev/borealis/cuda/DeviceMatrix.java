package dev.borealis.cuda;

import dev.borealis.tensor.DType;

/**
 * Rows in device memory.
 *
 * @param address of the first element
 * @param ld distance of two rows in elements
 * @param type of the elements
 */
record DeviceMatrix(long address, long ld, DType type) {
  /** Tells whether every row begins at a multiple of 16 bytes. */
  boolean isVectorAligned() {
    return address % 16 == 0 && ld * type.byteSize() % 16 == 0;
  }
}
