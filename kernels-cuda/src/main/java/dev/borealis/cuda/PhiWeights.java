package dev.borealis.cuda;

import dev.borealis.adapter.Nonlinearity;
import dev.borealis.adapter.SplineMode;

/**
 * φ and its parameters in device memory; an address is 0 where there is none.
 *
 * @param nonlinearity the function
 * @param rank r
 * @param downRank r_a
 * @param matrix H or M [r, r]
 * @param matrixTransposed its transpose
 * @param spline [r, K] or [r, r, K]
 * @param beta [r]
 * @param v [r]
 */
record PhiWeights(
    Nonlinearity nonlinearity,
    int rank,
    int downRank,
    long matrix,
    long matrixTransposed,
    long spline,
    long beta,
    long v) {
  /** Rows of a tile of the fused kernels. */
  static final int ROWS = 32;

  /** Tokens from which there are blocks enough for tiles of more rows. */
  private static final int MANY_TOKENS = 1024;

  private static final int MOST_ROWS = 8;

  /** Rows of a tile of the kernels that are φ alone. */
  static int rows(long n) {
    return n < MANY_TOKENS ? MOST_ROWS / 2 : MOST_ROWS;
  }

  long ldZ() {
    return Packed.round(downRank, Packed.ROW_TILE);
  }

  long ldU() {
    return Packed.round(rank, Packed.ROW_TILE);
  }

  boolean isAurora() {
    return nonlinearity instanceof Nonlinearity.Aurora;
  }

  boolean hasFixedTerm() {
    return nonlinearity instanceof Nonlinearity.Aurora a && a.fixedTerm();
  }

  boolean hasSpline(SplineMode mode) {
    return nonlinearity instanceof Nonlinearity.Aurora a && a.splineTerm() && a.mode() == mode;
  }

  /** Returns K, or 0 without a spline. */
  int bases() {
    return nonlinearity instanceof Nonlinearity.Aurora a && a.splineTerm() ? a.grid().bases() : 0;
  }

  /** Shared memory of act(z) and the sums of the bases, in floats for each row. */
  private long workFloats() {
    return (isAurora() ? (long) rank : 0) + (hasSpline(SplineMode.SUM) ? bases() : 0);
  }

  /** Returns the shared memory of the kernel {@code up}. */
  long upBytes() {
    return ROWS * (ldZ() + ldU() + 8 + workFloats()) * 4;
  }

  /** Returns the shared memory of the kernel {@code phi_forward}. */
  long forwardBytes(long n) {
    return rows(n) * (ldZ() + workFloats()) * 4;
  }

  /** Returns the shared memory of the kernel {@code phi_backward}. */
  long backwardBytes(long n) {
    long fixed = hasFixedTerm() ? 2L * rank : 0;
    long sums = hasSpline(SplineMode.SUM) ? 2L * bases() : 0;
    return rows(n) * (ldZ() + rank + fixed + sums) * 4;
  }
}
