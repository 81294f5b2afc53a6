package dev.borealis.examples.minilm;

import java.lang.foreign.MemorySegment;

/** {@code y = γ (x − mean) / √(variance + ε) + β}, row by row; γ and β are frozen. */
final class LayerNorm {
  private final float[] gamma;
  private final float[] beta;
  private final float epsilon;

  LayerNorm(LayerNormWeights weights, float epsilon) {
    this.gamma = weights.gamma();
    this.beta = weights.beta();
    this.epsilon = epsilon;
  }

  /** {@code y} from {@code x}, both {@code [rows, width]}; may be the same segment. */
  void forward(MemorySegment x, MemorySegment y, int rows) {
    Parallel.ranges(
        rows,
        (from, to) -> {
          float[] row = new float[gamma.length];
          for (int r = from; r < to; r++) {
            Segments.readRow(x, r, row);
            normalise(row);
            for (int c = 0; c < row.length; c++) {
              row[c] = row[c] * gamma[c] + beta[c];
            }
            Segments.writeRow(row, y, r);
          }
        });
  }

  /**
   * Replaces the gradient of y in {@code d} by that of x. With {@code n} the normalised row and
   * {@code g = γ d}: {@code dx = (g − mean(g) − n mean(g n)) / √(variance + ε)}.
   */
  void backward(MemorySegment x, MemorySegment d, int rows) {
    Parallel.ranges(
        rows,
        (from, to) -> {
          int width = gamma.length;
          float[] n = new float[width];
          float[] g = new float[width];
          for (int r = from; r < to; r++) {
            Segments.readRow(x, r, n);
            Segments.readRow(d, r, g);
            float inverseDeviation = normalise(n);
            for (int c = 0; c < width; c++) {
              g[c] *= gamma[c];
            }
            float mean = Rows.sum(g, width) / width;
            float slope = Rows.dot(g, n, width) / width;
            for (int c = 0; c < width; c++) {
              g[c] = (g[c] - mean - n[c] * slope) * inverseDeviation;
            }
            Segments.writeRow(g, d, r);
          }
        });
  }

  /** Brings a row to mean 0 and variance 1; returns what it was scaled by. */
  private float normalise(float[] row) {
    float mean = Rows.sum(row, row.length) / row.length;
    for (int c = 0; c < row.length; c++) {
      row[c] -= mean;
    }
    float variance = Rows.dot(row, row, row.length) / row.length;
    float inverseDeviation = (float) (1 / Math.sqrt(variance + epsilon));
    Rows.scale(row, inverseDeviation, row.length);
    return inverseDeviation;
  }
}
