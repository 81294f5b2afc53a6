package dev.borealis.examples.minilm;

import java.util.Arrays;

/** Small dense arithmetic on arrays; a matrix is an array of rows. */
final class Rows {
  private Rows() {}

  /** Sums four interleaved parts, which the processor can add at the same time. */
  static float sum(float[] x, int n) {
    float s0 = 0;
    float s1 = 0;
    float s2 = 0;
    float s3 = 0;
    int i = 0;
    for (; i + 3 < n; i += 4) {
      s0 += x[i];
      s1 += x[i + 1];
      s2 += x[i + 2];
      s3 += x[i + 3];
    }
    for (; i < n; i++) {
      s0 += x[i];
    }
    return (s0 + s1) + (s2 + s3);
  }

  static float dot(float[] x, float[] y, int n) {
    float s0 = 0;
    float s1 = 0;
    float s2 = 0;
    float s3 = 0;
    int i = 0;
    for (; i + 3 < n; i += 4) {
      s0 += x[i] * y[i];
      s1 += x[i + 1] * y[i + 1];
      s2 += x[i + 2] * y[i + 2];
      s3 += x[i + 3] * y[i + 3];
    }
    for (; i < n; i++) {
      s0 += x[i] * y[i];
    }
    return (s0 + s1) + (s2 + s3);
  }

  static void scale(float[] x, float factor, int n) {
    for (int i = 0; i < n; i++) {
      x[i] *= factor;
    }
  }

  /** {@code to [m, n] = from [n, m]} transposed. */
  static void transpose(float[][] from, float[][] to, int n, int m) {
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < m; j++) {
        to[j][i] = from[i][j];
      }
    }
  }

  /** {@code c [n, m] = a [n, k] · b [k, m]}; four rows of b a step, to touch c less often. */
  static void product(float[][] a, float[][] b, float[][] c, int n, int k, int m) {
    for (int i = 0; i < n; i++) {
      float[] row = c[i];
      Arrays.fill(row, 0, m, 0);
      int l = 0;
      for (; l + 3 < k; l += 4) {
        addRows(a[i], l, b[l], b[l + 1], b[l + 2], b[l + 3], row, m);
      }
      for (; l < k; l++) {
        addRow(a[i][l], b[l], row, m);
      }
    }
  }

  private static void addRows(
      float[] a, int l, float[] b0, float[] b1, float[] b2, float[] b3, float[] c, int m) {
    float a0 = a[l];
    float a1 = a[l + 1];
    float a2 = a[l + 2];
    float a3 = a[l + 3];
    for (int j = 0; j < m; j++) {
      c[j] += (a0 * b0[j] + a1 * b1[j]) + (a2 * b2[j] + a3 * b3[j]);
    }
  }

  private static void addRow(float a, float[] b, float[] c, int m) {
    for (int j = 0; j < m; j++) {
      c[j] += a * b[j];
    }
  }
}
