package dev.borealis.internal.cpu;

/** The functions under test in double precision, good to about 1e-15 relative. */
final class Truth {

  private static final double SQRT_PI = Math.sqrt(Math.PI);

  // Below this, the first terms of the Taylor series are exact to double precision.
  private static final double TINY = 0x1p-13;

  private Truth() {}

  static double exp(double x) {
    if (Math.abs(x) < TINY) {
      return 1 + x * (1 + x * (0.5 + x / 6));
    }
    if (x > 200) {
      return Double.POSITIVE_INFINITY;
    }
    return x < -200 ? 0 : Math.exp(x);
  }

  static double tanh(double x) {
    if (Math.abs(x) < TINY) {
      return x - x * x * x / 3;
    }
    return Math.abs(x) > 20 ? Math.signum(x) : Math.tanh(x);
  }

  static double sigmoid(double x) {
    if (Math.abs(x) < TINY) {
      return 0.5 + x / 4 - x * x * x / 48;
    }
    if (x > 50) {
      return 1;
    }
    double e = exp(x);
    return e / (1 + e);
  }

  static double erf(double x) {
    double a = Math.abs(x);
    if (a < TINY) {
      return 2 / SQRT_PI * (x - x * x * x / 3);
    }
    if (a > 6 || Double.isNaN(x)) {
      return Math.signum(x);
    }
    return a < 2.2 ? Math.signum(x) * erfBySeries(a) : Math.signum(x) * (1 - erfcByFraction(a));
  }

  /** erf(a) = 2/√π·exp(-a²)·Σ 2^n·a^(2n+1)/(2n+1)!!, all terms positive. */
  private static double erfBySeries(double a) {
    double term = a;
    double sum = a;
    for (int n = 1; term > 1e-18 * sum; n++) {
      term *= 2 * a * a / (2 * n + 1);
      sum += term;
    }
    return 2 / SQRT_PI * Math.exp(-a * a) * sum;
  }

  /** Laplace's continued fraction, for a ≥ 2. */
  private static double erfcByFraction(double a) {
    double f = 0;
    for (int k = 60; k > 0; k--) {
      f = 0.5 * k / (a + f);
    }
    return Math.exp(-a * a) / (SQRT_PI * (a + f));
  }

  /** The standard normal distribution function. */
  static double normal(double z) {
    double a = Math.abs(z) / Math.sqrt(2);
    double tail = a < 2.2 ? 0.5 - 0.5 * erf(a) : a > 30 ? 0 : 0.5 * erfcByFraction(a);
    return z < 0 ? tail : 1 - tail;
  }

  static double gelu(double z) {
    return z * normal(z);
  }

  static double geluDerivative(double z) {
    return normal(z) + z * Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI);
  }

  private static double geluTanhArgument(double z) {
    return 2 * Math.sqrt(2 / Math.PI) * (z + 0.044715 * z * z * z);
  }

  static double geluTanh(double z) {
    return z * sigmoid(geluTanhArgument(z));
  }

  static double geluTanhDerivative(double z) {
    double u = geluTanhArgument(z);
    double inner = 2 * Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * z * z);
    double bell = sigmoid(u) * sigmoid(-u);
    return sigmoid(u) + (bell == 0 ? 0 : z * bell * inner);
  }

  static double swish(double beta, double z) {
    return z * sigmoid(beta * z);
  }

  static double swishDerivative(double beta, double z) {
    double bell = sigmoid(beta * z) * sigmoid(-beta * z);
    return sigmoid(beta * z) + beta * z * bell;
  }

  static double swishBetaDerivative(double beta, double z) {
    return z * z * sigmoid(beta * z) * sigmoid(-beta * z);
  }

  /** Basis m of the uniform cubic B-spline, from the closed form. */
  static double basis(double lo, double h, int m, double z) {
    double d = Math.abs((z - (lo + (m - 1) * h)) / h);
    return (Math.pow(Math.max(0, 2 - d), 3) - 4 * Math.pow(Math.max(0, 1 - d), 3)) / 6;
  }

  static double basisDerivative(double lo, double h, int m, double z) {
    double d = (z - (lo + (m - 1) * h)) / h;
    double wide = Math.max(0, 2 - Math.abs(d));
    double narrow = Math.max(0, 1 - Math.abs(d));
    return Math.signum(d) / (2 * h) * (4 * narrow * narrow - wide * wide);
  }
}
