package dev.borealis.internal.cpu;

import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Rows and columns of a tensor as native F32, which is what the kernels read and write. Native F32
 * tensors are used where they lie; others pass through a staging buffer, so that no kernel ever
 * meets a heap segment (mixed kinds cost a compiled method several times its speed) and every dtype
 * runs through the same code.
 */
final class TileView {
  private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;

  private final Narrow narrow = new Narrow();

  /** Memory of the tile. */
  MemorySegment segment = MemorySegment.NULL;

  /** Byte offset of the tile's first element. */
  long offset;

  /** Bytes between two rows. */
  long stride;

  /** Tells whether kernels can work on the tensor's own memory. */
  static boolean isDirect(Tensor tensor) {
    return tensor.dtype() == DType.F32 && Native.is(tensor.segment());
  }

  /** Points to a tensor's own memory. */
  void direct(Tensor tensor, long row, long column) {
    segment = tensor.segment();
    stride = tensor.rowStride() * 4;
    offset = row * stride + column * 4;
  }

  /** Points to every {@code step}-th row of a tensor's own memory. */
  void direct(Tensor tensor, long row, long column, int step) {
    direct(tensor, row, column);
    stride *= step;
  }

  /** {@return the distance of ascending rows if all are at the same, 1 for one row; else 0} */
  static int step(int[] rows, int from, int count) {
    int step = count < 2 ? 1 : rows[from + 1] - rows[from];
    for (int i = 2; i < count; i++) {
      if (rows[from + i] - rows[from + i - 1] != step) {
        return 0;
      }
    }
    return step;
  }

  /** Points to a staging buffer of rows that lie {@code columns} floats apart. */
  void staged(MemorySegment buffer, int columns) {
    segment = buffer;
    stride = columns * 4L;
    offset = 0;
  }

  /** Copies from a tensor of any kind into the view's memory. */
  void load(Tensor tensor, long row, int rows, long column, int columns) {
    MemorySegment from = tensor.segment();
    for (int i = 0; i < rows; i++) {
      long source = (row + i) * tensor.rowStride() + column;
      long target = offset + i * stride;
      if (tensor.dtype() == DType.F32) {
        MemorySegment.copy(from, source * 4, segment, target, columns * 4L);
      } else {
        narrow.widen(tensor.dtype(), from, source * 2, segment, target, columns);
      }
    }
  }

  /** Copies from the view's memory into a tensor of any kind, rounding once. */
  void store(Tensor tensor, long row, int rows, long column, int columns) {
    MemorySegment to = tensor.segment();
    for (int i = 0; i < rows; i++) {
      long source = offset + i * stride;
      long target = (row + i) * tensor.rowStride() + column;
      if (tensor.dtype() == DType.F32) {
        MemorySegment.copy(segment, source, to, target * 4, columns * 4L);
      } else {
        narrow.round(segment, source, tensor.dtype(), to, target * 2, columns);
      }
    }
  }

  /** Copies from listed rows of a tensor of any kind into the view's memory. */
  void gather(Tensor tensor, int[] rows, int from, int count, int columns) {
    long first = offset;
    for (int i = 0; i < count; i++) {
      offset = first + i * stride;
      load(tensor, rows[from + i], 1, 0, columns);
    }
    offset = first;
  }

  /** Copies from the view's memory into listed rows of a tensor of any kind, rounding once. */
  void scatter(Tensor tensor, int[] rows, int from, int count, int columns) {
    long first = offset;
    for (int i = 0; i < count; i++) {
      offset = first + i * stride;
      store(tensor, rows[from + i], 1, 0, columns);
    }
    offset = first;
  }

  /** Multiplies the view's rows by a mask of rows that lie {@code columns} floats apart. */
  void multiply(MemorySegment mask, int rows, int columns) {
    for (int i = 0; i < rows; i++) {
      for (int k = 0; k < columns; k++) {
        long at = offset + i * stride + k * 4L;
        segment.set(F, at, segment.get(F, at) * mask.get(F, ((long) i * columns + k) * 4));
      }
    }
  }

  /** Adds another view's rows. */
  void add(TileView other, int rows, int columns) {
    for (int i = 0; i < rows; i++) {
      for (int k = 0; k < columns; k++) {
        long at = offset + i * stride + k * 4L;
        float summand = other.segment.get(F, other.offset + i * other.stride + k * 4L);
        segment.set(F, at, segment.get(F, at) + summand);
      }
    }
  }
}
