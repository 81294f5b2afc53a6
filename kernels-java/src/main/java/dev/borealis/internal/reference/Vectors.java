package dev.borealis.internal.reference;

/** The few vector operations that everything here is made of; matrices are dense, row-major. */
final class Vectors {
  private Vectors() {}

  /** {@return Σ a_i b_i} Four partial sums, so that additions need not wait for each other. */
  static double dot(double[] a, int aAt, double[] b, int bAt, int length) {
    double s0 = 0;
    double s1 = 0;
    double s2 = 0;
    double s3 = 0;
    int i = 0;
    for (; i <= length - 4; i += 4) {
      s0 += a[aAt + i] * b[bAt + i];
      s1 += a[aAt + i + 1] * b[bAt + i + 1];
      s2 += a[aAt + i + 2] * b[bAt + i + 2];
      s3 += a[aAt + i + 3] * b[bAt + i + 3];
    }
    for (; i < length; i++) {
      s0 += a[aAt + i] * b[bAt + i];
    }
    return s0 + s1 + (s2 + s3);
  }

  /** y += factor · x. */
  static void add(double[] y, int yAt, double factor, double[] x, int xAt, int length) {
    for (int i = 0; i < length; i++) {
      y[yAt + i] += factor * x[xAt + i];
    }
  }

  /** y = M x, M [rows, columns]. */
  static void multiply(
      double[] m, int rows, int columns, double[] x, int xAt, double[] y, int yAt) {
    for (int row = 0; row < rows; row++) {
      y[yAt + row] = dot(m, row * columns, x, xAt, columns);
    }
  }

  /** y = Mᵀ x, M [rows, columns]. */
  static void multiplyTransposed(
      double[] m, int rows, int columns, double[] x, int xAt, double[] y, int yAt) {
    for (int column = 0; column < columns; column++) {
      y[yAt + column] = 0;
    }
    for (int row = 0; row < rows; row++) {
      add(y, yAt, x[xAt + row], m, row * columns, columns);
    }
  }

  /** M += a bᵀ, M [rows, columns]. */
  static void addOuter(
      double[] m, double[] a, int aAt, int rows, double[] b, int bAt, int columns) {
    for (int row = 0; row < rows; row++) {
      add(m, row * columns, a[aAt + row], b, bAt, columns);
    }
  }
}
