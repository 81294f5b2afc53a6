package dev.borealis.internal.cpu;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.function.DoubleUnaryOperator;

/**
 * Runs a kernel over floats, taken by their bits, and finds its largest error.
 *
 * @param maxUlp the largest error, in units in the last place of the true result
 * @param at where it was
 * @param count how many floats were tried
 */
record UlpSweep(double maxUlp, float at, long count) {

  private static final int BLOCK = 1 << 14;
  private static final long ALL = 1L << 32;

  /** {@code out[i] = f(in[i])}. */
  interface Kernel {
    void apply(MemorySegment in, MemorySegment out, int count);
  }

  /** Tries every {@code step}-th of the 2^32 floats; NaN must give NaN. */
  static UlpSweep over(long step, Kernel kernel, DoubleUnaryOperator truth) {
    MemorySegment in = Floats.zeros(BLOCK);
    MemorySegment out = Floats.zeros(BLOCK);
    double maxUlp = 0;
    float at = 0;
    long tried = 0;
    for (long first = 0; first < ALL; first += step * BLOCK) {
      for (int i = 0; i < BLOCK; i++) {
        in.setAtIndex(ValueLayout.JAVA_INT, i, (int) (first + step * i));
      }
      kernel.apply(in, out, BLOCK);
      for (int i = 0; i < BLOCK && first + step * i < ALL; i++) {
        float x = Floats.get(in, i);
        double error = error(Floats.get(out, i), x, truth);
        tried++;
        if (error > maxUlp) {
          maxUlp = error;
          at = x;
        }
      }
    }
    return new UlpSweep(maxUlp, at, tried);
  }

  private static double error(float got, float x, DoubleUnaryOperator truth) {
    if (Float.isNaN(x) || Float.isNaN(got)) {
      return Float.isNaN(x) && Float.isNaN(got) ? 0 : Double.POSITIVE_INFINITY;
    }
    double expected = truth.applyAsDouble(x);
    // Infinity stands for the first number that doesn't fit.
    double largest = 0x1p128;
    double bounded = Math.clamp(expected, -largest, largest);
    double value = Math.clamp((double) got, -largest, largest);
    double ulp = Math.ulp((float) Math.clamp(expected, -Float.MAX_VALUE, Float.MAX_VALUE));
    return Math.abs(value - bounded) / ulp;
  }
}
