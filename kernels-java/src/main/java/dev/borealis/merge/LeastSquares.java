package dev.borealis.merge;

/**
 * {@code argmin ‖Z Mᵀ − U‖} by the normal equations and a Cholesky factorisation, in double.
 *
 * <p>Normal equations rather than QR: they need k² numbers beside Z, and one pass over it. A ridge
 * of 1e-12 of each diagonal entry, whatever the columns' scales, picks a solution where Z has
 * dependent columns or fewer rows than columns; it shifts only directions that carry less than
 * about a millionth of Z, which the product Z Mᵀ hardly shows.
 */
final class LeastSquares {
  private static final double RIDGE = 1e-12;

  private LeastSquares() {}

  /**
   * Solves the normal equations {@code ZᵀZ Mᵀ = ZᵀU} for Mᵀ.
   *
   * @param gram ZᵀZ [k, k] row-major; overwritten
   * @param k columns of Z
   * @param cross ZᵀU [k, r] row-major; overwritten by Mᵀ
   * @param r columns of U
   * @return Mᵀ [k, r] row-major
   */
  static double[] solve(double[] gram, int k, double[] cross, int r) {
    factor(gram, k);
    substitute(gram, k, cross, r);
    return cross;
  }

  /** Pᵀ Q [p, q] of row-major P [n, p] and Q [n, q]. */
  static double[] product(double[] left, int p, double[] right, int q) {
    double[] result = new double[p * q];
    int n = left.length / p;
    for (int row = 0; row < n; row++) {
      for (int i = 0; i < p; i++) {
        double factor = left[row * p + i];
        for (int j = 0; j < q; j++) {
          result[i * q + j] += factor * right[row * q + j];
        }
      }
    }
    return result;
  }

  /** Replaces the lower triangle of G by L of {@code G + ridge = L Lᵀ}. */
  private static void factor(double[] g, int k) {
    for (int i = 0; i < k; i++) {
      double diagonal = g[i * k + i];
      // A column of zeros takes no part: any pivot will do.
      double ridge = diagonal > 0 ? RIDGE * diagonal : 1;
      for (int j = 0; j <= i; j++) {
        double sum = g[i * k + j];
        for (int m = 0; m < j; m++) {
          sum -= g[i * k + m] * g[j * k + m];
        }
        // Rounding can take the pivot of a dependent column below zero.
        g[i * k + j] = j < i ? sum / g[j * k + j] : Math.sqrt(Math.max(sum, 0) + ridge);
      }
    }
  }

  /** Solves {@code L Lᵀ S = R} in place of R [k, r]. */
  private static void substitute(double[] l, int k, double[] s, int r) {
    for (int i = 0; i < k; i++) {
      for (int m = 0; m < i; m++) {
        subtract(s, i, l[i * k + m], m, r);
      }
      divide(s, i, l[i * k + i], r);
    }
    for (int i = k - 1; i >= 0; i--) {
      for (int m = i + 1; m < k; m++) {
        subtract(s, i, l[m * k + i], m, r);
      }
      divide(s, i, l[i * k + i], r);
    }
  }

  private static void subtract(double[] s, int row, double factor, int other, int r) {
    for (int j = 0; j < r; j++) {
      s[row * r + j] -= factor * s[other * r + j];
    }
  }

  private static void divide(double[] s, int row, double divisor, int r) {
    for (int j = 0; j < r; j++) {
      s[row * r + j] /= divisor;
    }
  }
}
