package dev.borealis.adapter;

/**
 * The knots of a uniform cubic B-spline on [min, max]: {@code size} intervals, {@code size + 3}
 * bases with centres {@code min + (m − 1)·step}. Outside the extended support (two steps from the
 * outermost centres) every basis is 0: nothing is clamped or extrapolated.
 *
 * @param size number of intervals, 1 to 64
 * @param min lower end
 * @param max upper end, &gt; min
 */
public record SplineGrid(int size, double min, double max) {
  // Farther out, fp32 can't tell well enough where in its interval a z lies.
  private static final int MAX_INTERVALS_FROM_ZERO = 4096;

  /** AuroRA's default: 5 intervals on [−1, 1]. */
  public static final SplineGrid DEFAULT = new SplineGrid(5, -1, 1);

  /** Checks the components. */
  public SplineGrid {
    if (size < 1 || size > 64) {
      throw new UnsupportedSpecException("spline grid size: expected 1 to 64, came " + size);
    }
    if (!Double.isFinite(min) || !Double.isFinite(max) || min >= max) {
      throw new UnsupportedSpecException(
          "spline grid range: expected finite min < max, came [" + min + ", " + max + "]");
    }
    double step = (max - min) / size;
    double intervals = Math.max(Math.abs(min), Math.abs(max)) / step;
    if (!(intervals <= MAX_INTERVALS_FROM_ZERO
        && step >= Float.MIN_NORMAL
        && max - min <= Float.MAX_VALUE)) {
      throw new UnsupportedSpecException(
          "spline grid range: expected at most "
              + MAX_INTERVALS_FROM_ZERO
              + " intervals from 0, which fp32 resolves, came ["
              + min
              + ", "
              + max
              + "] in "
              + size
              + " intervals");
    }
  }

  /** {@return the number of bases K} */
  public int bases() {
    return size + 3;
  }

  /** {@return the distance h of two knots} */
  public double step() {
    return (max - min) / size;
  }
}
