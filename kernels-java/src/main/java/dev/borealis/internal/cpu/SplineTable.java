package dev.borealis.internal.cpu;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * One row of spline weights as a piecewise cubic: {@code s(z) = Σ_m w[m]·b_m(z)} in power form, a
 * cubic per interval between knots, for the look-up in {@link SplineRow}.
 *
 * <p>The grid [lo, hi] has {@code gridSize} intervals of width h and K = gridSize + 3 bases; their
 * support reaches three intervals beyond both ends, so there are gridSize + 6 cubics, and the
 * spline is 0 outside of them. (The grid of KAN and AuroRA, arXiv 2505.18738, without its
 * clamping.)
 *
 * <p>Filling a table again ({@link #pack}) must not overlap with its use on another thread; apart
 * from that, any thread may use it.
 */
final class SplineTable {

  private static final int COEFFICIENTS = 4;
  private static final int OUTER_INTERVALS = 6;
  private static final int MAX_GRID_SIZE = 64;
  // In fp32 the interval's number must come out right but for 2^-12 of an interval: so far the
  // neighbouring cubic, being twice continuously differentiable, serves as well.
  private static final double MAX_GRID_OFFSET = 1 << 12;
  // So that 1/h is finite in fp32.
  private static final double MIN_WIDTH = Float.MIN_NORMAL;

  /**
   * B-spline pieces as polynomials in u = fraction - 1/2, lowest power first. In interval j, {@code
   * PIECES[p]} belongs to the basis m = j - 3 + p.
   */
  private static final double[][] PIECES = {
    {1 / 48., -1 / 8., 1 / 4., -1 / 6.},
    {23 / 48., -5 / 8., -1 / 4., 1 / 2.},
    {23 / 48., 5 / 8., -1 / 4., -1 / 2.},
    {1 / 48., 1 / 8., 1 / 4., 1 / 6.},
  };

  private final double lo;
  private final double h;

  /** Number of weights, K = gridSize + 3. */
  final int bases;

  /** Number of cubics, gridSize + 6. */
  final int intervals;

  /** Distance between the tables of two powers: {@link #intervals}, in whole vectors. */
  final int stride;

  /**
   * Bits of the coefficients: power p of interval j at {@code p·stride + j}. Integers, because the
   * look-up permutes integer vectors.
   */
  final int[] coefficients;

  /** 1/h, rounded. The grid coordinate of z is {@code t = z·inverseH - origin}. */
  final float inverseH;

  /**
   * Where the grid coordinate starts: interval j has t in [j - 1/2, j + 1/2]. Rounded so that j +
   * origin is exact; the coefficients make up for this and for the rounding of {@link #inverseH}.
   */
  final float origin;

  /** Grid coordinate of the middle of the support. */
  final float middle;

  /** Half the width of the support in grid coordinates; s(z) = 0 from there on. */
  final float halfWidth;

  /**
   * An empty table, which stands for weights of zero.
   *
   * @param lo lower end of the grid
   * @param hi upper end of the grid
   * @param gridSize number of intervals in [lo, hi], 1 to 64
   * @throws IllegalArgumentException for a grid out of these bounds, or too narrow for where it
   *     lies to be resolved in fp32
   */
  SplineTable(double lo, double hi, int gridSize) {
    requireGrid(lo, hi, gridSize);
    this.lo = lo;
    this.h = (hi - lo) / gridSize;
    this.bases = gridSize + 3;
    this.intervals = gridSize + OUTER_INTERVALS;
    this.stride = (int) Species.wholeVectors(intervals);
    this.coefficients = new int[COEFFICIENTS * stride];
    this.inverseH = (float) (1 / h);
    double exactOrigin = lo / h - 2.5;
    double quantum = Math.ulp((float) (Math.abs(exactOrigin) + intervals));
    this.origin = (float) (quantum * Math.rint(exactOrigin / quantum));
    this.middle = 0.5f * (intervals - 1);
    this.halfWidth = 0.5f * intervals;
  }

  /** Checks a spline's grid; see the constructor. */
  static void requireGrid(double lo, double hi, int gridSize) {
    if (gridSize < 1 || gridSize > MAX_GRID_SIZE) {
      throw new IllegalArgumentException(
          "gridSize: expected 1 to " + MAX_GRID_SIZE + ", got " + gridSize);
    }
    double h = (hi - lo) / gridSize;
    double offset = Math.max(Math.abs(lo), Math.abs(hi)) / h;
    // The negation also catches NaN.
    if (!(h >= MIN_WIDTH && h <= Float.MAX_VALUE && offset <= MAX_GRID_OFFSET)) {
      throw new IllegalArgumentException(
          "grid: expected lo < hi, both finite, with intervals of normal fp32 width, at most "
              + (int) MAX_GRID_OFFSET
              + " intervals from 0, got ["
              + lo
              + ", "
              + hi
              + "] in "
              + gridSize
              + " intervals");
    }
  }

  /**
   * Fills the table from K consecutive weights.
   *
   * @param weights F32 in native byte order
   * @param offset where w[0] stands, in bytes
   */
  void pack(MemorySegment weights, long offset) {
    Operands.requireRange("weights", weights, offset, bases);
    // t = z·inverseH - origin is not quite the true grid coordinate. With f = t - j, the true
    // u = (z - lo)/h + 2.5 - j is the affine function scale·f + shift.
    double scale = 1 / (inverseH * h);
    for (int j = 0; j < intervals; j++) {
      double shift = (j + (double) origin) * scale - lo / h + 2.5 - j;
      double a0 = 0;
      double a1 = 0;
      double a2 = 0;
      double a3 = 0;
      for (int p = 0; p < PIECES.length; p++) {
        int m = j - 3 + p;
        if (m >= 0 && m < bases) {
          double w = weights.get(ValueLayout.JAVA_FLOAT_UNALIGNED, offset + (long) m * Float.BYTES);
          a0 += w * PIECES[p][0];
          a1 += w * PIECES[p][1];
          a2 += w * PIECES[p][2];
          a3 += w * PIECES[p][3];
        }
      }
      put(0, j, a0 + shift * (a1 + shift * (a2 + shift * a3)));
      put(1, j, scale * (a1 + shift * (2 * a2 + 3 * shift * a3)));
      put(2, j, scale * scale * (a2 + 3 * shift * a3));
      put(3, j, scale * scale * scale * a3);
    }
  }

  private void put(int power, int interval, double value) {
    coefficients[power * stride + interval] = Float.floatToRawIntBits((float) value);
  }
}
