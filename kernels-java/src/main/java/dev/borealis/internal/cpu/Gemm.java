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
  /** The most rows that a call should have: the sums of a panel then stay in L1. */
  static final int ROWS = 96;

  /** Depth of a chunk. */
  static final int DEPTH = 512;

  /** Floats of scratch that {@link #run} needs. */
  static final int SCRATCH_FLOATS = ROWS * Panels.WIDTH;

  private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;
  private static final ByteOrder ORDER = ByteOrder.nativeOrder();
  private static final long V = Species.LANES * 4L;

  private Gemm() {}

  /**
   * {@return where a part starts if rows are cut into parts of nearly the same size, all but the
   * last one whole tiles}
   */
  static long first(long rows, long part, long parts) {
    long tiles = (rows + Tiles.GEMM_ROWS - 1) / Tiles.GEMM_ROWS;
    return Math.min(rows, tiles * part / parts * Tiles.GEMM_ROWS);
  }

  /**
   * Computes some rows and columns of the product.
   *
   * @param l left operand, at {@code l0 + m·lm + k·lk} bytes
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
    for (int k = 0; k < p.rows; k += DEPTH) {
      int depth = Math.min(DEPTH, p.rows - k);
      for (int n = 0; n < columns; n += Panels.WIDTH) {
        int width = Math.min(Panels.WIDTH, columns - n);
        int vectors = p.vectors(column + n);
        long pk = p.rowBytes(column + n);
        long p0 = p.at(k, column + n);
        long to = c0 + n * 4L;
        if (k == 0 && !add && width % Species.LANES == 0) {
          panel(l, l0, lm, lk, p.segment, p0, pk, vectors, c, to, cm, rows, depth);
        } else {
          panel(l, l0 + k * lk, lm, lk, p.segment, p0, pk, vectors, t, 0, pk, rows, depth);
          if ((add || k > 0) && width == 4 * Species.LANES) {
            addFour(t, c, to, cm, rows);
          } else {
            put(t, 0, pk, 1, c, to, cm, rows, width, add || k > 0);
          }
        }
      }
    }
  }

  /**
   * {@code C[m][v] = Σ_k L[m,k] · P[k][v]} for one panel, in tiles as high as they go.
   *
   * @param vectors width of the panel, at most {@link Tiles#GEMM_VECTORS}
   */
  static void panel(
      MemorySegment l,
      long l0,
      long lm,
      long lk,
      MemorySegment p,
      long p0,
      long pk,
      int vectors,
      MemorySegment c,
      long c0,
      long cm,
      int rows,
      int depth) {
    for (int m = 0; m < rows; m += Tiles.GEMM_ROWS) {
      int height = Math.min(Tiles.GEMM_ROWS, rows - m);
      GemmTile.run(height, vectors, l, l0 + m * lm, lm, lk, p, p0, pk, c, c0 + m * cm, cm, depth);
    }
  }

  /** {@code C[m][n] += T[m][n]} for rows of four vectors, T's one behind the other. */
  private static void addFour(MemorySegment t, MemorySegment c, long c0, long cm, int rows) {
    // Written out: a loop over four vectors costs more than what is in it.
    for (int m = 0; m < rows; m++) {
      long from = 4 * V * m;
      long to = c0 + m * cm;
      FloatVector a = FloatVector.fromMemorySegment(Species.F32, c, to, ORDER);
      FloatVector b = FloatVector.fromMemorySegment(Species.F32, c, to + V, ORDER);
      FloatVector d = FloatVector.fromMemorySegment(Species.F32, c, to + 2 * V, ORDER);
      FloatVector e = FloatVector.fromMemorySegment(Species.F32, c, to + 3 * V, ORDER);
      a.add(FloatVector.fromMemorySegment(Species.F32, t, from, ORDER))
          .intoMemorySegment(c, to, ORDER);
      b.add(FloatVector.fromMemorySegment(Species.F32, t, from + V, ORDER))
          .intoMemorySegment(c, to + V, ORDER);
      d.add(FloatVector.fromMemorySegment(Species.F32, t, from + 2 * V, ORDER))
          .intoMemorySegment(c, to + 2 * V, ORDER);
      e.add(FloatVector.fromMemorySegment(Species.F32, t, from + 3 * V, ORDER))
          .intoMemorySegment(c, to + 3 * V, ORDER);
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
