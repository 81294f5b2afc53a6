package dev.borealis.device;

import dev.borealis.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/** The queue of backends that work on the host: everything is done at once. */
final class HostQueue implements DeviceStream.Queue {
  @Override
  public void copy(Tensor from, Tensor to) {
    long size = from.dtype().byteSize();
    for (long row = 0; row < from.rows(); row++) {
      MemorySegment.copy(
          from.segment(),
          row * from.rowStride() * size,
          to.segment(),
          row * to.rowStride() * size,
          from.columns() * size);
    }
  }

  @Override
  public void zero(Tensor tensor) {
    long size = tensor.dtype().byteSize();
    for (long row = 0; row < tensor.rows(); row++) {
      tensor
          .segment()
          .asSlice(row * tensor.rowStride() * size, tensor.columns() * size)
          .fill((byte) 0);
    }
  }

  @Override
  public void synchronize() {
    // Nothing is ever left to do.
  }

  @Override
  public void close() {
    // Nothing is held.
  }
}
