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
   * Solves for Mᵀ.
   *
   * @param z [n, k] row-major
   * @param k columns of z
   * @param u [n, r] row-major
   * @param r columns of u
   * @return Mᵀ [k, r] row-major
   */
  static double[] solve(double[] z, int k, double[] u, int r) {
    double[] gram = product(z, k, z, k);
    double[] solution = product(z, k, u, r);
    factor(gram, k);
    substitute(gram, k, solution, r);
    return solution;
  }

  /** Pᵀ Q [p, q] of row-major P [n, p] and Q [n, q]. */
  private static double[] product(double[] left, int p, double[] right, int q) {
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
