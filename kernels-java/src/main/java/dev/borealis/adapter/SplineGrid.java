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
    // fp32 kernels place knots at min + k·step: the step must survive there.
    float step = (float) ((max - min) / size);
    if (!(step > Math.ulp((float) Math.max(Math.abs(min), Math.abs(max))) * 16)
        || !Float.isFinite(step)) {
      throw new UnsupportedSpecException(
          "spline grid range: expected a step that fp32 resolves, came ["
              + min
              + ", "
              + max
              + "] in "
              + size
              + " intervals");
    }
  }

  /** Returns the number of bases K. */
  public int bases() {
    return size + 3;
  }

  /** Returns the distance h of two knots. */
  public double step() {
    return (max - min) / size;
  }
}
