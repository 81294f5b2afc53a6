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

  private Gemm() {}

  /**
   * Computes some rows and columns of the product.
   *
   * @param l left operand, at {@code l0 + m·lm + k·lk} bytes
   * @param p right operand
   * @param column first column of p, a multiple of {@link Panels#WIDTH}
   * @param columns number of columns
   * @param out where the first row and column go
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
      TileView out,
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
        long c0 = out.offset + n * 4L;
        if (k == 0 && !add && width % Species.LANES == 0) {
          panel(
              l, l0, lm, lk, p.segment, p0, pk, vectors, out.segment, c0, out.stride, rows, depth);
        } else {
          panel(l, l0 + k * lk, lm, lk, p.segment, p0, pk, vectors, t, 0, pk, rows, depth);
          put(t, pk, out.segment, c0, out.stride, rows, width, add || k > 0);
        }
      }
    }
  }

  /**
   * {@code C[m][v] = Σ_k L[m,k] · P[k][v]} for one panel, in tiles of nearly the same height.
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
    int tiles = (rows + Tiles.GEMM_ROWS - 1) / Tiles.GEMM_ROWS;
    for (int tile = 0; tile < tiles; tile++) {
      int m = rows * tile / tiles;
      int height = rows * (tile + 1) / tiles - m;
      GemmTile.run(height, vectors, l, l0 + m * lm, lm, lk, p, p0, pk, c, c0 + m * cm, cm, depth);
    }
  }

  /** {@code C[m][n] (+)= T[m][n]}, T's rows {@code tm} bytes apart, whole vectors. */
  private static void put(
      MemorySegment t,
      long tm,
      MemorySegment c,
      long c0,
      long cm,
      int rows,
      int columns,
      boolean add) {
    int whole = columns / Species.LANES * Species.LANES;
    for (int m = 0; m < rows; m++) {
      long from = m * tm;
      long to = c0 + m * cm;
      for (int n = 0; n < whole; n += Species.LANES) {
        FloatVector sum = FloatVector.fromMemorySegment(Species.F32, t, from + n * 4L, ORDER);
        if (add) {
          sum = sum.add(FloatVector.fromMemorySegment(Species.F32, c, to + n * 4L, ORDER));
        }
        sum.intoMemorySegment(c, to + n * 4L, ORDER);
      }
      for (int n = whole; n < columns; n++) {
        float sum = t.get(F, from + n * 4L);
        c.set(F, to + n * 4L, add ? c.get(F, to + n * 4L) + sum : sum);
      }
    }
  }
}
