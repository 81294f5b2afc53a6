package dev.borealis.internal.cpu;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorShuffle;

/**
 * Matrix products whose inner dimension is contiguous in both operands: {@code D[m,j] (+)= Σ_k
 * L[m,k] · R[j,k]}. The down-projection, dU, and the sums over a block's tokens in dH, dW, dM.
 *
 * <p>Every element is summed in one order that depends on the inner dimension alone: lane by lane
 * over whole vectors, then over the lanes pairwise, then the tail.
 */
final class Dot {
  /** Bytes of scratch that {@link #run} needs. */
  static final long SCRATCH_BYTES = 16L * Species.LANES * Float.BYTES;

  private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;
  private static final int V = Species.LANES * Float.BYTES;
  // 8-lane machines have 16 registers: a tile of 4 × 4 accumulators would spill.
  private static final int RIGHT = Species.LANES == 8 ? 2 : 4;

  private Dot() {}

  /**
   * Computes the product. Offsets and strides are in bytes.
   *
   * @param l left operand, rows {@code lm} apart, elements contiguous
   * @param r right operand: whole vectors at {@code r0 + j·rj + c·rc}; the tail is the first lanes
   *     of the vector after the last whole one
   * @param rows number of m
   * @param columns number of j
   * @param depth number of k
   * @param d result, at {@code d0 + m·dm + j·dj}
   * @param add whether to add to the old result
   * @param t scratch of {@link #SCRATCH_BYTES}
   */
  static void run(
      MemorySegment l,
      long l0,
      long lm,
      MemorySegment r,
      long r0,
      long rc,
      long rj,
      int rows,
      int columns,
      int depth,
      MemorySegment d,
      long d0,
      long dm,
      long dj,
      boolean add,
      MemorySegment t,
      long t0) {
    int chunks = depth / Species.LANES;
    int tail = depth - chunks * Species.LANES;
    for (int m = 0; m < rows; ) {
      int left = leftTile(rows - m, Math.min(columns, RIGHT));
      for (int j = 0; j < columns; ) {
        int right = Math.min(RIGHT, columns - j);
        DotTile.run(left, right, l, l0 + m * lm, lm, r, r0 + j * rj, rc, rj, chunks, t, t0);
        reduce(t, t0, left * right);
        for (int a = 0; a < left; a++) {
          for (int b = 0; b < right; b++) {
            float sum = t.get(F, t0 + (a * right + b) * 4L);
            long lt = l0 + (m + a) * lm + (long) chunks * V;
            long rt = r0 + (j + b) * rj + chunks * rc;
            for (int k = 0; k < tail; k++) {
              sum = Math.fma(l.get(F, lt + k * 4L), r.get(F, rt + k * 4L), sum);
            }
            long at = d0 + (m + a) * dm + (j + b) * dj;
            d.set(F, at, add ? d.get(F, at) + sum : sum);
          }
        }
        j += right;
      }
      m += left;
    }
  }

  private static int leftTile(int rows, int columns) {
    int most = columns <= 2 && Species.LANES != 8 ? 8 : 4;
    return Math.min(most, Integer.highestOneBit(rows));
  }

  private static final VectorShuffle<Float> HALF = rotation(2);
  private static final VectorShuffle<Float> QUARTER = rotation(4);
  private static final VectorShuffle<Float> EIGHTH = rotation(8);
  private static final VectorShuffle<Float> SIXTEENTH = rotation(16);

  private static VectorShuffle<Float> rotation(int parts) {
    int by = Species.LANES / parts;
    return VectorShuffle.fromOp(Species.F32, i -> (i + by) % Species.LANES);
  }

  /**
   * Sums each of {@code count} vectors over its lanes, pairwise, and packs the sums to the front of
   * the scratch. Not {@code reduceLanes}: its order is unspecified, so its bits could change when
   * the JIT compiles.
   */
  private static void reduce(MemorySegment t, long t0, int count) {
    for (int i = 0; i < count; i++) {
      FloatVector v =
          FloatVector.fromMemorySegment(
              Species.F32, t, t0 + (long) i * V, ByteOrder.nativeOrder());
      v = v.add(v.rearrange(HALF));
      v = v.add(v.rearrange(QUARTER));
      if (Species.LANES >= 8) {
        v = v.add(v.rearrange(EIGHTH));
      }
      if (Species.LANES >= 16) {
        v = v.add(v.rearrange(SIXTEENTH));
      }
      t.set(F, t0 + i * 4L, v.lane(0));
    }
  }
}
