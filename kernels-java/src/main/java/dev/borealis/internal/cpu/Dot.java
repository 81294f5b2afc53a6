package dev.borealis.internal.cpu;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Matrix products whose inner dimension is contiguous in both operands: {@code D[m,j] (+)= Σ_k
 * L[m,k] · R[j,k]}. The down-projection, dU, and the sums over a block's tokens in dH, dW, dM.
 *
 * <p>Every element is summed in one order that depends on the inner dimension alone: lane by lane
 * over whole vectors, then over the lanes pairwise, then the tail.
 */
final class Dot {
  private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;
  private static final int V = Species.LANES * Float.BYTES;

  /**
   * Floats of scratch that {@link #run} needs: the sums of as many rows as a vector has lanes, and
   * of a tile, rounded up to what LaneSums takes.
   */
  static final long SCRATCH_FLOATS =
      Math.max(Species.LANES * Tiles.DOT_RIGHT, Tiles.DOT_ACCUMULATORS + Species.LANES)
          * (long) Species.LANES;

  private Dot() {}

  /**
   * Computes the product. Offsets and strides are in bytes.
   *
   * @param l left operand, rows {@code lm} apart, elements contiguous
   * @param r right operand, packed: whole vectors at {@code r0 + j·V + c·rc}; the tail is the first
   *     lanes of the vector after the last whole one
   * @param rows number of m
   * @param columns number of j
   * @param depth number of k
   * @param d result, at {@code d0 + m·dm + j·dj}
   * @param add whether to add to the old result
   * @param t scratch of {@link #SCRATCH_FLOATS}
   */
  static void run(
      MemorySegment l,
      long l0,
      long lm,
      MemorySegment r,
      long r0,
      long rc,
      int rows,
      int columns,
      int depth,
      MemorySegment d,
      long d0,
      long dm,
      long dj,
      boolean add,
      MemorySegment t) {
    int chunks = depth / Species.LANES;
    // Rows whose sums are vectors of D.
    int whole = dm == 4 && !add ? rows / Species.LANES * Species.LANES : 0;
    for (int m = 0; m < whole; m += Species.LANES) {
      long to = d0 + m * 4L;
      vectors(columns, l, l0 + m * lm, lm, r, r0, rc, chunks, d, to, dj, t);
    }
    for (int j = 0; j < columns; j += Tiles.DOT_RIGHT) {
      int right = Math.min(Tiles.DOT_RIGHT, columns - j);
      int most = Tiles.dotRows(right);
      for (int m = whole; m < rows; m += most) {
        int left = Math.min(most, rows - m);
        long to = d0 + m * dm + j * dj;
        tile(
            left,
            right,
            l,
            l0 + m * lm,
            lm,
            r,
            r0 + (long) j * V,
            rc,
            chunks,
            d,
            to,
            dm,
            dj,
            add,
            t);
      }
    }
    int summed = chunks * Species.LANES;
    if (summed < depth) {
      long tail = r0 + chunks * rc;
      addTail(l, l0 + summed * 4L, lm, r, tail, rows, columns, depth - summed, d, d0, dm, dj);
    }
  }

  /** As many rows as a vector has lanes: a column of their sums is a vector. */
  private static void vectors(
      int columns,
      MemorySegment l,
      long l0,
      long lm,
      MemorySegment r,
      long r0,
      long rc,
      int chunks,
      MemorySegment d,
      long d0,
      long dj,
      MemorySegment t) {
    for (int j = 0; j < columns; j += Tiles.DOT_RIGHT) {
      int right = Math.min(Tiles.DOT_RIGHT, columns - j);
      int most = Tiles.dotRows(right);
      int tiles = (Species.LANES + most - 1) / most;
      int m = 0;
      for (int tile = 1; tile <= tiles; tile++) {
        int end = Species.LANES * tile / tiles;
        long to = (long) m * right * V;
        DotTile.run(end - m, right, l, l0 + m * lm, lm, r, r0 + (long) j * V, rc, chunks, t, to);
        m = end;
      }
      for (int b = 0; b < right; b++) {
        LaneSums.run(t, (long) b * V, (long) right * V, d, d0 + (j + b) * dj);
      }
    }
  }

  private static void tile(
      int left,
      int right,
      MemorySegment l,
      long l0,
      long lm,
      MemorySegment r,
      long r0,
      long rc,
      int chunks,
      MemorySegment d,
      long d0,
      long dm,
      long dj,
      boolean add,
      MemorySegment t) {
    DotTile.run(left, right, l, l0, lm, r, r0, rc, chunks, t, 0);
    for (int i = 0; i < left * right; i += Species.LANES) {
      LaneSums.run(t, (long) i * V, V, t, (long) i * V);
    }
    for (int a = 0; a < left; a++) {
      for (int b = 0; b < right; b++) {
        float sum = t.get(F, sumAt(a * right + b));
        long at = d0 + a * dm + b * dj;
        d.set(F, at, add ? d.get(F, at) + sum : sum);
      }
    }
  }

  /**
   * {@return where the i-th sum is: LaneSums puts the sums of some vectors into the first of them}
   */
  private static long sumAt(int i) {
    int group = i / Species.LANES * Species.LANES;
    return (long) group * V + (i - group) * 4L;
  }

  /** Adds what is beyond whole vectors, fewer than a vector has lanes, in the order of k. */
  private static void addTail(
      MemorySegment l,
      long l0,
      long lm,
      MemorySegment r,
      long r0,
      int rows,
      int columns,
      int depth,
      MemorySegment d,
      long d0,
      long dm,
      long dj) {
    for (int m = 0; m < rows; m++) {
      for (int j = 0; j < columns; j++) {
        long at = d0 + m * dm + j * dj;
        float sum = d.get(F, at);
        for (int k = 0; k < depth; k++) {
          sum = Math.fma(l.get(F, l0 + m * lm + k * 4L), r.get(F, r0 + (long) j * V + k * 4L), sum);
        }
        d.set(F, at, sum);
      }
    }
  }
}
