package dev.borealis.internal.cpu;

import java.lang.foreign.MemorySegment;

/**
 * Matrix products with vectors along the columns of the result: {@code C[m,n] (+)= Σ_k L[m,k] ·
 * P[k,n]}. The up-projection, dX, dA, dB, the base layer and the small products of φ.
 */
final class Outer {
  private static final int V = Species.LANES * Float.BYTES;
  // Up to here streaming is faster (measured), because C's loads and stores cost little more than
  // keeping its accumulators would save.
  private static final int MAX_STREAMED_DEPTH = 24;
  // 12 KiB of P beside a few rows of C in an L1 of 32 KiB.
  private static final int P_FLOATS = 3072;

  private Outer() {}

  /**
   * Computes the product for whole vectors of columns. Offsets and strides are in bytes.
   *
   * @param l left operand, at {@code l0 + m·lm + k·lk}
   * @param p right operand, vectors at {@code p0 + k·pk + v·pv}
   * @param c result, vectors at {@code c0 + m·cm + v·V}, V the bytes of a vector
   * @param rows number of m
   * @param vectors number of v
   * @param depth number of k
   * @param add whether to add to the old result
   */
  static void run(
      MemorySegment l,
      long l0,
      long lm,
      long lk,
      MemorySegment p,
      long p0,
      long pk,
      long pv,
      MemorySegment c,
      long c0,
      long cm,
      int rows,
      int vectors,
      int depth,
      boolean add) {
    if (depth <= MAX_STREAMED_DEPTH) {
      stream(l, l0, lm, lk, p, p0, pk, pv, c, c0, cm, rows, vectors, depth, add);
    } else {
      accumulate(l, l0, lm, lk, p, p0, pk, pv, c, c0, cm, rows, vectors, depth, add);
    }
  }

  /** C streams by, once for each slice of the depth that fits the registers. */
  private static void stream(
      MemorySegment l,
      long l0,
      long lm,
      long lk,
      MemorySegment p,
      long p0,
      long pk,
      long pv,
      MemorySegment c,
      long c0,
      long cm,
      int rows,
      int vectors,
      int depth,
      boolean add) {
    // A part of P that stays in L1 while all rows pass.
    int width = Math.max(1, P_FLOATS / (depth * Species.LANES));
    for (int v = 0; v < vectors; v += width) {
      int count = Math.min(width, vectors - v);
      for (int k = 0; k < depth; k += Tiles.STREAM_DEPTH) {
        int slice = Math.min(Tiles.STREAM_DEPTH, depth - k);
        int most = Tiles.streamRows(slice);
        for (int m = 0; m < rows; m += most) {
          StreamTile.run(
              Math.min(most, rows - m),
              slice,
              l,
              l0 + m * lm + k * lk,
              lm,
              lk,
              p,
              p0 + v * pv + k * pk,
              pk,
              pv,
              c,
              c0 + m * cm + (long) v * V,
              cm,
              count,
              add || k > 0);
        }
      }
    }
  }

  /** A tile of C stays in registers while the depth passes by. */
  private static void accumulate(
      MemorySegment l,
      long l0,
      long lm,
      long lk,
      MemorySegment p,
      long p0,
      long pk,
      long pv,
      MemorySegment c,
      long c0,
      long cm,
      int rows,
      int vectors,
      int depth,
      boolean add) {
    for (int v = 0; v < vectors; v += Tiles.OUTER_VECTORS) {
      int width = Math.min(Tiles.OUTER_VECTORS, vectors - v);
      for (int m = 0; m < rows; ) {
        int height = Math.min(Tiles.OUTER_ROWS, rows - m);
        OuterTile.run(
            height,
            width,
            l,
            l0 + m * lm,
            lm,
            lk,
            p,
            p0 + v * pv,
            pk,
            pv,
            c,
            c0 + m * cm + (long) v * V,
            cm,
            depth,
            add);
        m += height;
      }
    }
  }
}
