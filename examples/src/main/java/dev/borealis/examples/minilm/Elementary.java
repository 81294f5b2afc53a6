package dev.borealis.examples.minilm;

/**
 * Elementary functions without branches or table look-ups, so that the JIT compiles a loop over
 * them to vector code, which {@link Math#exp} in a loop is not.
 */
final class Elementary {
  private Elementary() {}

  /**
   * e to the x, for x ≤ 0; below −87, where a float would be subnormal, e to the −87.
   *
   * <p>{@code (e^(x/256))^256}: a Taylor series, then eight squarings. Relative error below 1e-6 at
   * −87 and below 1e-12 above −20; in double, because squaring doubles the relative rounding error.
   */
  static double exp(double x) {
    double r = Math.max(x, -87) * (1.0 / 256);
    double y = 1 + r * (1.0 / 9);
    y = 1 + r * (1.0 / 8) * y;
    y = 1 + r * (1.0 / 7) * y;
    y = 1 + r * (1.0 / 6) * y;
    y = 1 + r * (1.0 / 5) * y;
    y = 1 + r * (1.0 / 4) * y;
    y = 1 + r * (1.0 / 3) * y;
    y = 1 + r * (1.0 / 2) * y;
    y = 1 + r * y;
    y *= y;
    y *= y;
    y *= y;
    y *= y;
    y *= y;
    y *= y;
    y *= y;
    return y * y;
  }

  /**
   * The complementary error function for x ≥ 0, absolute error below 2e-6, most of it rounding.
   *
   * <p>Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.28.
   */
  static float erfc(float x) {
    float p = (float) 0.0002765672 + x * (float) 0.0000430638;
    p = (float) 0.0001520143 + x * p;
    p = (float) 0.0092705272 + x * p;
    p = (float) 0.0422820123 + x * p;
    p = (float) 0.0705230784 + x * p;
    p = 1 + x * p;
    p *= p;
    p *= p;
    p *= p;
    return 1 / (p * p);
  }
}
