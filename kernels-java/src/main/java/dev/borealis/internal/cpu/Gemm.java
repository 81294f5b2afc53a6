package dev.borealis.internal.cpu;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;

/**
 * Matrix products of large depth, {@code C[m,n] (+)= Σ_k L[m,k] · P[k,n]}: the base layer, and
 * adapters of large rank. The depth is taken in chunks whose panel of P stays in L2 while the rows
 * pass; the sums of a chunk are one chain of fused multiply-adds from zero, and are added to C one
 * chunk after the other. The order depends on the depth alone.
 */
final class Gemm {
  /** The most rows that a call should have: its sums then are small beside P in L2. */
  static final int ROWS = 96;

  /** Depth of a chunk. */
  static final int DEPTH = 512;

  /** Floats of scratch that {@link #run} needs. */
  static final int SCRATCH_FLOATS = 4 * ROWS * Panels.WIDTH;

  private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;
  private static final ByteOrder ORDER = ByteOrder.nativeOrder();
  private static final long V = Species.LANES * 4L;

  private Gemm() {}

  /**
   * Computes some rows and columns of the product.
   *
   * @param l left operand, at {@code l0 + m·lm + k·lk} bytes, one of which is that of neighbours
   * @param p right operand
   * @param column first column of p, a multiple of {@link Panels#WIDTH}
   * @param columns number of columns
   * @param c result, at {@code c0 + m·cm + n·4} bytes
   * @param rows number of rows, at most {@link #ROWS}
   * @param add whether to add to the old result
   * @param t scratch of {@link #SCRATCH_FLOATS}
   */
  static void run(
      MemorySegment l,
      long l0,
      long lm,
      long lk,
      Panels p,
      int column,
      int columns,
      MemorySegment c,
      long c0,
      long cm,
      int rows,
      boolean add,
      MemorySegment t) {
    // So many columns that rows of C are read in long pieces, as the processor prefetches them.
    int group = Math.max(SCRATCH_FLOATS / rows / Panels.WIDTH, 1) * Panels.WIDTH;
    for (int k = 0; k < p.rows; k += DEPTH) {
      int depth = Math.min(DEPTH, p.rows - k);
      boolean sets = k == 0 && !add;
      for (int n = 0; n < columns; n += group) {
        int width = Math.min(group, columns - n);
        long to = c0 + n * 4L;
        if (sets && width % Species.LANES == 0) {
          panels(l, l0, lm, lk, p, 0, column + n, width, c, to, cm, rows, depth);
        } else {
          long tm = Species.wholeVectors(width) * 4;
          panels(l, l0 + k * lk, lm, lk, p, k, column + n, width, t, 0, tm, rows, depth);
          if (sets) {
            put(t, 0, tm, 1, c, to, cm, rows, width, false);
          } else {
            add(t, tm, c, to, cm, rows, width);
          }
        }
      }
    }
  }

  private static void panels(
      MemorySegment l,
      long l0,
      long lm,
      long lk,
      Panels p,
      int k,
      int column,
      int columns,
      MemorySegment c,
      long c0,
      long cm,
      int rows,
      int depth) {
    for (int n = 0; n < columns; n += Panels.WIDTH) {
      long p0 = p.at(k, column + n);
      int vectors = p.vectors(column + n);
      panel(l, l0, lm, lk, p.segment, p0, vectors, c, c0 + n * 4L, cm, rows, depth);
    }
  }

  /**
   * {@code C[m][v] = Σ_k L[m,k] · P[k][v]} for one panel, in tiles as high as they go.
   *
   * @param lm bytes between two rows of l: 4, if those between two columns aren't
   * @param lk bytes between two columns of l
   * @param vectors width of the panel, at most {@link Tiles#GEMM_VECTORS}; its rows are neighbours
   */
  static void panel(
      MemorySegment l,
      long l0,
      long lm,
      long lk,
      MemorySegment p,
      long p0,
      int vectors,
      MemorySegment c,
      long c0,
      long cm,
      int rows,
      int depth) {
    for (int m = 0; m < rows; m += Tiles.GEMM_ROWS) {
      int height = Math.min(Tiles.GEMM_ROWS, rows - m);
      long from = l0 + m * lm;
      long to = c0 + m * cm;
      if (lk == Float.BYTES) {
        GemmTile.run(height, vectors, l, from, lm, p, p0, c, to, cm, depth);
      } else {
        ColumnGemmTile.run(height, vectors, l, from, lk, p, p0, c, to, cm, depth);
      }
    }
  }

  /** {@code C[m][n] += T[m][n]}, T's rows {@code tm} bytes apart, whole vectors. */
  static void add(
      MemorySegment t, long tm, MemorySegment c, long c0, long cm, int rows, int columns) {
    int fours = columns / (4 * Species.LANES) * (4 * Species.LANES);
    for (int m = 0; m < rows; m++) {
      addFours(t, m * tm, c, c0 + m * cm, fours);
    }
    if (fours < columns) {
      put(t, fours * 4L, tm, 1, c, c0 + fours * 4L, cm, rows, columns - fours, true);
    }
  }

  private static void addFours(MemorySegment t, long from, MemorySegment c, long to, int columns) {
    t = Native.exact(t);
    c = Native.exact(c);
    for (long n = 0; n < columns * 4L; n += 4 * V) {
      FloatVector a = FloatVector.fromMemorySegment(Species.F32, c, to + n, ORDER);
      FloatVector b = FloatVector.fromMemorySegment(Species.F32, c, to + n + V, ORDER);
      FloatVector d = FloatVector.fromMemorySegment(Species.F32, c, to + n + 2 * V, ORDER);
      FloatVector e = FloatVector.fromMemorySegment(Species.F32, c, to + n + 3 * V, ORDER);
      a.add(FloatVector.fromMemorySegment(Species.F32, t, from + n, ORDER))
          .intoMemorySegment(c, to + n, ORDER);
      b.add(FloatVector.fromMemorySegment(Species.F32, t, from + n + V, ORDER))
          .intoMemorySegment(c, to + n + V, ORDER);
      d.add(FloatVector.fromMemorySegment(Species.F32, t, from + n + 2 * V, ORDER))
          .intoMemorySegment(c, to + n + 2 * V, ORDER);
      e.add(FloatVector.fromMemorySegment(Species.F32, t, from + n + 3 * V, ORDER))
          .intoMemorySegment(c, to + n + 3 * V, ORDER);
    }
  }

  /** {@code C[m][n] (+)= factor · T[m][n]}, T's rows {@code tm} bytes apart, whole vectors. */
  static void put(
      MemorySegment t,
      long t0,
      long tm,
      float factor,
      MemorySegment c,
      long c0,
      long cm,
      int rows,
      int columns,
      boolean add) {
    t = Native.exact(t);
    int whole = columns / Species.LANES * Species.LANES;
    for (int m = 0; m < rows; m++) {
      long from = t0 + m * tm;
      long to = c0 + m * cm;
      for (int n = 0; n < whole; n += Species.LANES) {
        FloatVector sum =
            FloatVector.fromMemorySegment(Species.F32, t, from + n * 4L, ORDER).mul(factor);
        if (add) {
          sum = sum.add(FloatVector.fromMemorySegment(Species.F32, c, to + n * 4L, ORDER));
        }
        sum.intoMemorySegment(c, to + n * 4L, ORDER);
      }
      for (int n = whole; n < columns; n++) {
        float sum = factor * t.get(F, from + n * 4L);
        c.set(F, to + n * 4L, add ? c.get(F, to + n * 4L) + sum : sum);
      }
    }
  }
}
