package dev.borealis.internal.cpu;

import java.lang.foreign.MemorySegment;

/**
 * Matrix products with vectors along the columns of the result: {@code C[m,n] (+)= Σ_k L[m,k] ·
 * P[k,n]}. The up-projection, dX, dA, dB, the base layer and the small products of φ.
 */
final class Outer {
  private static final int V = Species.LANES * Float.BYTES;
  // Up to here streaming is faster (measured), because C's loads and stores cost little more than
  // keeping its accumulators would save. Covers the sums over a block's tokens.
  private static final int MAX_STREAMED_DEPTH = Block.TOKENS;
  // Columns of a chunk, in vectors: some rows of C stay in L1 while the depth passes, all of P's
  // chunk in L2 while the rows pass, and rows in memory are still touched 4 KiB at a time.
  private static final int CHUNK = 1024 / Species.LANES;

  private Outer() {}

  /**
   * Computes the product for whole vectors of columns. Offsets and strides are in bytes.
   *
   * @param l left operand, at {@code l0 + m·lm + k·lk}
   * @param p right operand, vectors at {@code p0 + k·pk + v·pv}: packed, which means {@code pk =
   *     V}, or in rows, {@code pv = V}
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
    int slices = slices(rows, depth);
    for (int v = 0; v < vectors; v += CHUNK) {
      int width = Math.min(CHUNK, vectors - v);
      for (int m = 0; m < rows; ) {
        int height = Math.min(Tiles.streamRows((depth + slices - 1) / slices), rows - m);
        for (int slice = 0; slice < slices; slice++) {
          int k = depth * slice / slices;
          int deep = depth * (slice + 1) / slices - k;
          long l1 = l0 + m * lm + k * lk;
          long p1 = p0 + v * pv + k * pk;
          long c1 = c0 + m * cm + (long) v * V;
          boolean adds = add || k > 0;
          if (pk == V) {
            StreamTile.run(height, deep, l, l1, lm, lk, p, p1, pv, c, c1, cm, width, adds);
          } else {
            RowStreamTile.run(height, deep, l, l1, lm, lk, p, p1, pk, c, c1, cm, width, adds);
          }
        }
        m += height;
      }
    }
  }

  /**
   * Into how many slices the depth is cut, of nearly the same size. With few rows of C a deeper one
   * fits the registers, and C is loaded and stored less often; with more rows 4 or 5 at a time are
   * as fast as any, and up to 7 need only one.
   */
  private static int slices(int rows, int depth) {
    int most = Tiles.STREAM_DEPTH;
    if (most >= 8 && rows > 3) {
      return depth < 8 ? 1 : depth < 16 ? depth / 4 : (depth + 4) / 5;
    }
    int deepest = Math.min(most, rows <= 2 ? 8 : 6);
    return (depth + deepest - 1) / deepest;
  }

  /** A tile of C stays in registers while the depth passes by. */
  static void accumulate(
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
