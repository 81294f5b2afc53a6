package dev.borealis.internal.cpu;

import java.lang.foreign.MemorySegment;

/**
 * Matrix products with vectors along the columns of the result: {@code C[m,n] (+)= Σ_k L[m,k] ·
 * P[k,n]}. The up-projection, dX, dA, dB, the base layer and the small products of φ.
 */
final class Outer {
  private static final int V = Species.LANES * Float.BYTES;
  // Larger tiles than 4 × 4 are too much for C1; 8-lane machines have 16 registers, so 6 × 2 there.
  private static final int ROWS = Species.LANES == 8 ? 6 : 4;
  private static final int VECTORS = Species.LANES == 8 ? 2 : 4;

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
    for (int v = 0; v < vectors; v += VECTORS) {
      int width = Math.min(VECTORS, vectors - v);
      for (int m = 0; m < rows; ) {
        int height = rowTile(rows - m);
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

  /** Tiles of ROWS rows; the last two are of about the same height, instead of one a sliver. */
  private static int rowTile(int rows) {
    return rows >= 2 * ROWS || rows == ROWS ? ROWS : rows > ROWS ? (rows + 1) / 2 : rows;
  }
}
