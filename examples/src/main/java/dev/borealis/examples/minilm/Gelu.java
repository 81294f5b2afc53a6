package dev.borealis.examples.minilm;

import java.lang.foreign.MemorySegment;

/** GELU by its definition, {@code x Φ(x)} with Φ the normal distribution function. */
final class Gelu {
  private static final float INVERSE_SQRT_2 = (float) Math.sqrt(0.5);
  private static final double INVERSE_SQRT_2PI = 1 / Math.sqrt(2 * Math.PI);

  private Gelu() {}

  /** {@code y = gelu(x)}, both {@code [rows, width]}. */
  static void forward(MemorySegment x, MemorySegment y, int rows, int width) {
    Parallel.ranges(
        rows,
        (from, to) -> {
          float[] row = new float[width];
          for (int r = from; r < to; r++) {
            Segments.readRow(x, r, row);
            apply(row);
            Segments.writeRow(row, y, r);
          }
        });
  }

  /** {@code d *= gelu'(x)}, both {@code [rows, width]}, where {@code gelu'(x) = Φ(x) + x φ(x)}. */
  static void backward(MemorySegment x, MemorySegment d, int rows, int width) {
    Parallel.ranges(
        rows,
        (from, to) -> {
          float[] row = new float[width];
          float[] distribution = new float[width];
          float[] density = new float[width];
          float[] gradient = new float[width];
          for (int r = from; r < to; r++) {
            Segments.readRow(x, r, row);
            Segments.readRow(d, r, gradient);
            differentiate(row, distribution, density, gradient);
            Segments.writeRow(gradient, d, r);
          }
        });
  }

  private static void apply(float[] row) {
    for (int c = 0; c < row.length; c++) {
      row[c] = value(row[c]);
    }
  }

  /** With Φ(−|x|), which needs no case for the sign: x Φ(x) = max(x, 0) − |x| Φ(−|x|). */
  static float value(float x) {
    float magnitude = Math.abs(x);
    return Math.max(x, 0) - magnitude * 0.5f * Elementary.erfc(magnitude * INVERSE_SQRT_2);
  }

  /** Three loops, because the JIT doesn't unroll, and so doesn't vectorise, one of that size. */
  private static void differentiate(
      float[] row, float[] distribution, float[] density, float[] gradient) {
    for (int c = 0; c < row.length; c++) {
      distribution[c] = distribution(row[c]);
    }
    for (int c = 0; c < row.length; c++) {
      density[c] = density(row[c]);
    }
    for (int c = 0; c < row.length; c++) {
      gradient[c] *= distribution[c] + row[c] * density[c];
    }
  }

  /** Φ, the normal distribution function: Φ(−|x|), or 1 less that when x is positive. */
  static float distribution(float x) {
    float tail = 0.5f * Elementary.erfc(Math.abs(x) * INVERSE_SQRT_2);
    float positive = Math.min(1, Math.max(0, x * 1e30f)); // 0 or 1; a comparison won't vectorise
    return tail + positive * (1 - 2 * tail);
  }

  /** φ, the normal density. */
  static float density(float x) {
    return (float) (INVERSE_SQRT_2PI * Elementary.exp(-0.5 * x * x));
  }
}
