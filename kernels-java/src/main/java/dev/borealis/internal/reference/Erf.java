package dev.borealis.internal.reference;

/** The error function in double precision, good to a few ulp; the JDK has none. */
final class Erf {
  private static final double SQRT_PI = Math.sqrt(Math.PI);

  // Below it the series is short and its terms all positive; above it the fraction converges.
  private static final double SERIES_END = 1.5;
  // Enough for 1e-16 at SERIES_END, where the fraction is slowest.
  private static final int FRACTION_DEPTH = 100;
  // exp(−x²) is 0 in double beyond it.
  private static final double VANISHED = 27.3;

  private Erf() {}

  /** {@return erf(x)} */
  static double erf(double x) {
    if (Math.abs(x) < SERIES_END) {
      return series(x);
    }
    return x > 0 ? 1 - fraction(x) : x < 0 ? fraction(-x) - 1 : x;
  }

  /** {@return 1 − erf(x), without the cancellation for large x} */
  static double erfc(double x) {
    if (Math.abs(x) < SERIES_END) {
      return 1 - series(x);
    }
    return x > 0 ? fraction(x) : x < 0 ? 2 - fraction(-x) : x;
  }

  /** erf(x) = 2/√π · exp(−x²) · Σ (2x²)ⁿ x / (1·3·5···(2n+1)). */
  private static double series(double x) {
    double term = x;
    double sum = x;
    for (int n = 1; sum + term != sum; n++) {
      term *= 2 * x * x / (2 * n + 1);
      sum += term;
    }
    return 2 / SQRT_PI * Math.exp(-x * x) * sum;
  }

  /** erfc(x) = exp(−x²)/√π · 1/(x + ½/(x + 1/(x + 1½/(x + …)))), x ≥ 1.5. */
  private static double fraction(double x) {
    if (x > VANISHED) {
      return 0;
    }
    double denominator = x;
    for (int k = FRACTION_DEPTH; k > 0; k--) {
      denominator = x + k / 2.0 / denominator;
    }
    return Math.exp(-x * x) / (SQRT_PI * denominator);
  }
}
