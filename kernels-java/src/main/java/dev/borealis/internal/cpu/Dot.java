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

  /** Floats of scratch that {@link #run} needs: a tile, rounded up to what LaneSums takes. */
  static final long SCRATCH_FLOATS =
      (Tiles.DOT_ACCUMULATORS + Species.LANES) * (long) Species.LANES;

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
    int whole = chunks * Species.LANES;
    for (int j = 0; j < columns; j += Tiles.DOT_RIGHT) {
      int right = Math.min(Tiles.DOT_RIGHT, columns - j);
      int most = Tiles.dotRows(right);
      for (int m = 0; m < rows; m += most) {
        int left = Math.min(most, rows - m);
        long lm0 = l0 + m * lm;
        long rj0 = r0 + (long) j * V;
        DotTile.run(left, right, l, lm0, lm, r, rj0, rc, chunks, t, 0);
        for (int i = 0; i < left * right; i += Species.LANES) {
          LaneSums.run(t, (long) i * V);
        }
        for (int a = 0; a < left; a++) {
          for (int b = 0; b < right; b++) {
            float sum = t.get(F, sumAt(a * right + b));
            for (int k = whole; k < depth; k++) {
              float factor = r.get(F, rj0 + (long) b * V + chunks * rc + (k - whole) * 4L);
              sum = Math.fma(l.get(F, lm0 + a * lm + k * 4L), factor, sum);
            }
            long at = d0 + (m + a) * dm + (j + b) * dj;
            d.set(F, at, add ? d.get(F, at) + sum : sum);
          }
        }
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
}
