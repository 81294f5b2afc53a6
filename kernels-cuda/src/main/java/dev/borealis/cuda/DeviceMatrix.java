package dev.borealis.cuda;

import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;

/**
 * Rows in device memory.
 *
 * @param address of the first element
 * @param ld distance of two rows in elements
 * @param type of the elements
 */
record DeviceMatrix(long address, long ld, DType type) {
  /** The rows of a tensor on the device. */
  static DeviceMatrix of(Tensor tensor) {
    return new DeviceMatrix(tensor.deviceAddress(), tensor.rowStride(), tensor.dtype());
  }

  /** Tells whether every row begins at a multiple of 16 bytes. */
  boolean isVectorAligned() {
    return address % 16 == 0 && ld * type.byteSize() % 16 == 0;
  }
}
