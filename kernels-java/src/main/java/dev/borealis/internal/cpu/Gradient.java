package dev.borealis.internal.cpu;

import dev.borealis.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;

/**
 * Writes sums to gradients, which are F32, or adds to them. Not by {@code Tensor.set}, whose checks
 * and choice of type would cost more than the sums of a small rank.
 */
final class Gradient {
  private static final ByteOrder ORDER = ByteOrder.nativeOrder();
  private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;

  private Gradient() {}

  /**
   * {@code gradient[row][column + i] (+)= sums[i]}.
   *
   * @param sums neighbours from {@code from} on, in bytes
   */
  static void putRow(
      MemorySegment sums,
      long from,
      Tensor gradient,
      long row,
      long column,
      int count,
      boolean add) {
    MemorySegment out = gradient.segment();
    long to = (row * gradient.rowStride() + column) * Float.BYTES;
    int i = 0;
    for (; i <= count - Species.LANES; i += Species.LANES) {
      long at = to + i * 4L;
      FloatVector value = FloatVector.fromMemorySegment(Species.F32, sums, from + i * 4L, ORDER);
      if (add) {
        value = value.add(FloatVector.fromMemorySegment(Species.F32, out, at, ORDER));
      }
      value.intoMemorySegment(out, at, ORDER);
    }
    for (; i < count; i++) {
      put(out, to + i * 4L, sums.get(F, from + i * 4L), add);
    }
  }

  /** {@code gradient[row + i][column] (+)= scale · sums[i]}. */
  static void putColumn(
      MemorySegment sums,
      long from,
      Tensor gradient,
      long row,
      long column,
      int count,
      float scale,
      boolean add) {
    MemorySegment out = gradient.segment();
    long step = gradient.rowStride() * Float.BYTES;
    long to = row * step + column * Float.BYTES;
    // The usual ranks one by one: C2 drops the checks of each access only if it knows the step.
    switch (step <= 64 ? (int) step : 0) {
      case 4 -> putEvery(4, sums, from, out, to, count, scale, add);
      case 8 -> putEvery(8, sums, from, out, to, count, scale, add);
      case 16 -> putEvery(16, sums, from, out, to, count, scale, add);
      case 32 -> putEvery(32, sums, from, out, to, count, scale, add);
      case 64 -> putEvery(64, sums, from, out, to, count, scale, add);
      default -> putEvery(step, sums, from, out, to, count, scale, add);
    }
  }

  private static void putEvery(
      long step,
      MemorySegment sums,
      long from,
      MemorySegment out,
      long to,
      int count,
      float scale,
      boolean add) {
    if (add) {
      for (int i = 0; i < count; i++) {
        long at = to + i * step;
        out.set(F, at, out.get(F, at) + scale * sums.get(F, from + i * 4L));
      }
    } else {
      for (int i = 0; i < count; i++) {
        out.set(F, to + i * step, scale * sums.get(F, from + i * 4L));
      }
    }
  }

  /** {@code gradient[i] (+)= value}, for a vector. */
  static void put(Tensor gradient, int i, float value, boolean add) {
    put(gradient.segment(), i * 4L, value, add);
  }

  private static void put(MemorySegment out, long at, float value, boolean add) {
    out.set(F, at, add ? out.get(F, at) + value : value);
  }
}
