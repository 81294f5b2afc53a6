package dev.borealis.internal.reference;

import dev.borealis.adapter.Update;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/** Rows of tensors of any type, stride, alignment and memory, to and from double. */
final class TensorRows {
  private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED;
  private static final ValueLayout.OfShort I16 = ValueLayout.JAVA_SHORT_UNALIGNED;

  private TensorRows() {}

  /** {@return the number of elements of a shape that must fit into one array} */
  static int length(String name, long... shape) {
    long length = 1;
    for (long dimension : shape) {
      // Dimensions are below 2³¹ each and the product so far too: no overflow.
      length *= dimension;
      if (length > Integer.MAX_VALUE) {
        throw new IllegalArgumentException(
            name
                + ": the scalar backend expected fewer than 2^31 elements, came "
                + Arrays.toString(shape));
      }
    }
    return (int) length;
  }

  /** {@return a dense copy} */
  static double[] toArray(String name, Tensor tensor) {
    double[] values = new double[length(name, tensor.shape())];
    for (int row = 0; row < tensor.rows(); row++) {
      read(tensor, row, values, row * (int) tensor.columns());
    }
    return values;
  }

  /** Reads one row; exact for every type. */
  static void read(Tensor tensor, long row, double[] dst, int dstAt) {
    MemorySegment segment = tensor.segment();
    int columns = (int) tensor.columns();
    long offset = row * tensor.rowStride() * tensor.dtype().byteSize();
    switch (tensor.dtype()) {
      case F32 -> {
        for (int i = 0; i < columns; i++) {
          dst[dstAt + i] = segment.get(F32, offset + 4L * i);
        }
      }
      case BF16 -> {
        for (int i = 0; i < columns; i++) {
          dst[dstAt + i] = DType.bFloat16ToFloat(segment.get(I16, offset + 2L * i));
        }
      }
      case F16 -> {
        for (int i = 0; i < columns; i++) {
          dst[dstAt + i] = Float.float16ToFloat(segment.get(I16, offset + 2L * i));
        }
      }
    }
  }

  /** Writes one row, or adds to it: rounded once, to nearest even. OVERWRITE doesn't read. */
  static void write(Tensor tensor, long row, double[] src, int srcAt, Update update) {
    MemorySegment segment = tensor.segment();
    int columns = (int) tensor.columns();
    boolean add = update == Update.ACCUMULATE;
    long offset = row * tensor.rowStride() * tensor.dtype().byteSize();
    switch (tensor.dtype()) {
      case F32 -> {
        for (int i = 0; i < columns; i++) {
          long at = offset + 4L * i;
          double old = add ? segment.get(F32, at) : 0;
          segment.set(F32, at, (float) (old + src[srcAt + i]));
        }
      }
      case BF16 -> {
        for (int i = 0; i < columns; i++) {
          long at = offset + 2L * i;
          double old = add ? DType.bFloat16ToFloat(segment.get(I16, at)) : 0;
          segment.set(I16, at, DType.floatToBFloat16(toOdd(old + src[srcAt + i])));
        }
      }
      case F16 -> {
        for (int i = 0; i < columns; i++) {
          long at = offset + 2L * i;
          double old = add ? Float.float16ToFloat(segment.get(I16, at)) : 0;
          segment.set(I16, at, Float.floatToFloat16(toOdd(old + src[srcAt + i])));
        }
      }
    }
  }

  /**
   * Rounds to float such that a second rounding, to a 16-bit type, gives what rounding the double
   * directly would: an inexact result gets an odd last bit, so that it is never a tie.
   */
  static float toOdd(double value) {
    float nearest = (float) value;
    if (nearest == value || Double.isNaN(value) || (Float.floatToRawIntBits(nearest) & 1) != 0) {
      return nearest;
    }
    return nearest > value ? Math.nextDown(nearest) : Math.nextUp(nearest);
  }
}
