package dev.borealis.examples.minilm;

import java.lang.foreign.MemorySegment;

/** The skip connection around a block. */
final class Residual {
  private Residual() {}

  /** {@code y += x}, both {@code [rows, width]}. */
  static void add(MemorySegment x, MemorySegment y, int rows, int width) {
    Parallel.ranges(
        rows,
        (from, to) -> {
          float[] a = new float[width];
          float[] b = new float[width];
          for (int r = from; r < to; r++) {
            Segments.readRow(x, r, a);
            Segments.readRow(y, r, b);
            for (int c = 0; c < width; c++) {
              b[c] += a[c];
            }
            Segments.writeRow(b, y, r);
          }
        });
  }
}
